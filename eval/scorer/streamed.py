"""Labelled answers with marked spans, streamed through the path of an answer: what of the marked is flagged, what is
flagged wrongly, and examples of what is missed.

    streamed.py LABELS stream_answers MODELS_DIR

LABELS: a folder with claims.jsonl and contexts.jsonl (README.md). The program is the example of that name.
"""

import json
import subprocess
import sys
from pathlib import Path

SOURCES = ("ragtruth_summary", "ragtruth_data2txt")
EXAMPLES = 8


def cases(labels: Path) -> list[dict]:
    contexts = {row["context_id"]: row["passages"] for row in map(json.loads, open(labels / "contexts.jsonl"))}
    wanted = (row for row in map(json.loads, open(labels / "claims.jsonl")))
    return [
        {**row, "passages": contexts[row["context_id"]]}
        for row in wanted
        if row["split"] == "dev" and row["source"] in SOURCES
    ]


def streamed(program: str, models: str, rows: list[dict]) -> list[dict]:
    # Most have no question, and a question is what an answer is found by.
    asked = "".join(
        json.dumps({"id": row["id"], "question": row["question"] or "What is said?", "answer": row["answer"], "passages": row["passages"]}) + "\n"
        for row in rows
    )
    done = subprocess.run([program, models], input=asked, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def places(shown: dict, answer: str) -> list[int]:
    """For each byte of the shown text, the character of the answer that it belongs to."""
    text = shown["text"].encode()
    marks = {at for start, end in shown["marks"] for at in range(start, end)}
    said = answer.encode()
    character = [at for at, c in enumerate(answer) for _ in c.encode()] + [len(answer)]
    found, at = [], 0
    for place, byte in enumerate(text):
        put_in = place in marks or (at >= len(said) or byte != said[at])
        found.append(character[min(at, len(said))])
        at += not put_in
    assert at == len(said), f"the answer {shown['id']} is not shown whole"
    return found


def main() -> None:
    labels, program, models = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    rows = cases(labels)
    shown = {told["id"]: told for told in streamed(program, models, rows)}
    for source in SOURCES:
        spans = flagged_spans = good = wrongly = cut = 0
        missed = []
        for row in (row for row in rows if row["source"] == source):
            told = shown[row["id"]]
            try:
                place = places(told, row["answer"])
            except AssertionError:
                cut += 1
                continue
            claims = [(place[c["start"]], place[min(c["end"], len(place)) - 1] + 1, c["verdict"]) for c in told["claims"]]
            marked = row["unsupported_spans"] or []
            for start, end in marked:
                over = [verdict for a, b, verdict in claims if a < end and start < b]
                spans += 1
                if any(verdict != "supported" for verdict in over):
                    flagged_spans += 1
                else:
                    missed.append(row["answer"][max(0, start - 80) : end + 40].replace("\n", " "))
            for a, b, verdict in claims:
                if not any(a < end and start < b for start, end in marked):
                    good += 1
                    wrongly += verdict != "supported"
        print(f"{source}: {flagged_spans} of {spans} marked spans flagged ({flagged_spans / max(spans, 1):.1%}), "
              f"{wrongly} of {good} supported sentences flagged wrongly ({wrongly / max(good, 1):.1%}), "
              f"{cut} answers not compared")
        for text in missed[:: max(1, len(missed) // EXAMPLES)][:EXAMPLES]:
            print("  missed:", text)


if __name__ == "__main__":
    main()
