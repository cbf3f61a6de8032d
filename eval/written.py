"""Answers by hand, for `cairn eval run --answers` and back: their marks name texts, since numbers change with the prompt.

    written.py blank                 a line for each case, without an answer: shows which passages their prompts have
    written.py place REPORT          the answers, with the numbers that the passages have in that run's report
    written.py check REPORT [FLAGGED_MIN WRONGLY_MAX]
                                     which planted faults the report flags, and which right sentences; fails where fewer
                                     faults, or more right answers, are flagged than that

Reads handbook-written.jsonl beside it: `id` of the case, `answer` with marks such as [a], `marks` (for each a document and a
text that the passage has), and `fault`: null, or the `kind`, the `sentence` that is wrong, and what would be right.
"""

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

WRITTEN = Path(__file__).with_name("handbook-written.jsonl")
MARK = re.compile(r" ?\[(?:[a-z]|\d+)\]")


def folded(text: str) -> str:
    return " ".join(text.lower().split())


def written() -> list[dict]:
    return [json.loads(line) for line in WRITTEN.read_text().splitlines() if line]


def cases(report: str) -> dict[str, dict]:
    return {case["id"]: case for case in json.loads(Path(report).read_text())["cases"]}


def place(row: dict, passages: list[dict]) -> str:
    """The answer with numbers. A text that no passage has any more is told; its mark names another passage of the
    document, or goes."""

    def number(mark: re.Match) -> str:
        wanted = row["marks"].get(mark.group(1))
        if wanted is None:
            return mark.group(0)
        of_document = [p for p in passages if p["document"] == wanted["document"]]
        found = [p for p in of_document if folded(wanted["text"]) in folded(p["text"])]
        if not found:
            print(f"{row['id']}: no passage has {wanted['text']!r} of {wanted['document']}", file=sys.stderr)
        best = (found or of_document)[:1]
        return f"[{best[0]['number']}]" if best else ""

    return re.sub(r"\[([a-z])\]", number, row["answer"]).replace(" .", ".")


def sentences(answer: str) -> str:
    return folded(MARK.sub("", answer))


def is_flagged(row: dict, case: dict) -> bool:
    """Whether a claim that is not supported overlaps the wrong sentence; for a wrong mark, whether the mark went."""
    if row["fault"]["kind"] == "citation":
        (meant,) = row["marks"].values()
        number = {p["number"] for p in case["passages"] if folded(meant["text"]) in folded(p["text"])}
        return not number & {cited["passage"] for cited in case["citations"]}
    wrong = folded(row["fault"]["sentence"])
    said = [sentences(claim["text"]) for claim in case["claims"] if claim["verdict"] != "supported"]
    return any(wrong in claim or claim.rstrip(".") in wrong for claim in said)


def check(report: str) -> tuple[int, int]:
    """Prints it; gives how many faults are flagged, and how many right answers."""
    of = cases(report)
    kinds: dict[str, list[bool]] = defaultdict(list)
    alarms, claims, missed, right = [], 0, [], 0
    for row in written():
        case = of[row["id"]]
        if case["state"] != "done" or case["outcome"] == "refused":
            print(f"{row['id']}: not answered ({case['error'] or case['outcome']})")
            continue
        wrong = folded(row["fault"]["sentence"]) if row["fault"] else None
        if row["fault"]:
            kinds[row["fault"]["kind"]].append(is_flagged(row, case))
            if not kinds[row["fault"]["kind"]][-1]:
                missed.append(f"{row['id']} ({row['fault']['kind']}): {row['fault']['sentence']}")
        else:
            right += 1
        for claim in case["claims"]:
            said = sentences(claim["text"])
            if wrong and row["fault"]["kind"] != "citation" and (wrong in said or said.rstrip(".") in wrong):
                continue
            claims += 1
            if claim["verdict"] != "supported":
                whose = "beside a fault" if row["fault"] else "in a right answer"
                alarms.append((row["id"], f"{row['id']} ({claim['verdict']}, {whose}): {claim['text']}"))
    found, planted = sum(map(sum, kinds.values())), sum(map(len, kinds.values()))
    print(f"| Fault | Planted | Flagged |\n| --- | --- | --- |")
    for kind, flagged in sorted(kinds.items()):
        print(f"| {kind} | {len(flagged)} | {sum(flagged)} |")
    print(f"| All | {planted} | {found} |\n")
    plain = {row["id"] for row in written() if not row["fault"]}
    wrongly = {id for id, _ in alarms} & plain
    print(f"{len(alarms)} of {claims} right claims are flagged, in {len(wrongly)} of {right} right answers.")
    for title, lines in (("Missed", missed), ("Flagged wrongly", [line for _, line in alarms])):
        print(f"\n{title}:\n")
        for line in lines:
            print(f"- {line}")
    return found, len(wrongly)


def main() -> None:
    match sys.argv[1:]:
        case ["blank"]:
            for row in written():
                print(json.dumps({"id": row["id"], "answer": "Nothing yet."}))
        case ["place", report]:
            of = cases(report)
            for row in written():
                print(json.dumps({"id": row["id"], "answer": place(row, of[row["id"]]["passages"])}, ensure_ascii=False))
        case ["check", report]:
            check(report)
        case ["check", report, flagged_min, wrongly_max]:
            found, wrongly = check(report)
            if found < int(flagged_min) or wrongly > int(wrongly_max):
                sys.exit(f"{found} faults and {wrongly} right answers are flagged: at least {flagged_min}, at most {wrongly_max}")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
