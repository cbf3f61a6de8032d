"""Turns labelled answers and made records into pairs (claim, evidence) for the cross-encoder.

In:  the folder of labels (`claims.jsonl`, `contexts.jsonl`) and/or files of corrupt.py.
Out: JSON lines {"id", "bag", "source", "split", "group", "at", "claim", "evidence", "label", "spans", "kind", "features"}.
     `bag` names the answer that a sentence belongs to; `label` is null where only the whole answer is known to be
     unsupported; `group` (the context) is what folds are cut by.
"""

import argparse
import json
import os
import random
import re

import text
from corrupt import Doc, World, break_one, is_prose, reword, wrong_spans
from tokenizers import Tokenizer
from wordnet import WordNet

MAX_TOKENS = 160
MAX_CLAIM = 72


class Counter:
    """Counts word pieces and keeps the counts."""

    def __init__(self, path):
        self.tokenizer = Tokenizer.from_file(path)
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.known = {}

    def __call__(self, piece):
        if piece not in self.known:
            self.known[piece] = len(self.tokenizer.encode(piece, add_special_tokens=False).ids)
        return self.known[piece]


def encode(records, tokenizer):
    """Adds `ids`, `claim_length` and, where the wrong characters are known, `marks` to each record."""
    claims = tokenizer.encode_batch([r["claim"] for r in records], add_special_tokens=False)
    proofs = tokenizer.encode_batch([r["evidence"] for r in records], add_special_tokens=False)
    for record, claim, proof in zip(records, claims, proofs):
        head = claim.ids[:MAX_CLAIM]
        record["ids"] = [101, *head, 102, *proof.ids[: MAX_TOKENS - 3 - len(head)], 102]
        record["claim_length"] = len(head) + 2
        record["marks"] = None
        if record["spans"] is not None and record["label"] is not None:
            record["marks"] = [int(any(a < e and s < b for a, b in record["spans"])) for s, e in claim.offsets[: len(head)]]
    return records


def choose(evidence, claim, count, without=frozenset()):
    budget = MAX_TOKENS - 3 - min(MAX_CLAIM, count(claim))
    return evidence.select(claim, budget, without)


def sentence_labels(row, pieces, siblings):
    """(label, spans) of each sentence of an answer: from spans, from the whole, or from the answer it was edited from."""
    if row["unsupported_spans"] is not None:
        found = []
        for start, end in pieces:
            hit = [[max(a, start) - start, min(b, end) - start] for a, b in row["unsupported_spans"] if a < end and b > start]
            hit = [h for h in hit if re.search(r"\w", row["answer"][start + h[0] : start + h[1]])]
            found.append((0 if hit else 1, hit))
        return found
    if row["supported"]:
        return [(1, [])] * len(pieces)
    edited_from = None
    if siblings:
        edited_from = max(siblings, key=lambda s: len(set(text.words(s)) & set(text.words(row["answer"]))) / (1 + len(set(text.words(s)))))
        same = len(set(text.words(edited_from)) & set(text.words(row["answer"])))
        if same < 0.6 * len(set(text.words(row["answer"]))):
            edited_from = None
    if edited_from:
        spans = wrong_spans(edited_from, row["answer"])
        found = []
        for start, end in pieces:
            hit = [[max(a, start) - start, min(b, end) - start] for a, b in spans if a < end and b > start]
            found.append((0 if hit else 1, hit))
        if any(label == 0 for label, _ in found):
            return found
    return [(0 if len(pieces) == 1 else None, None)] * len(pieces)


def labelled(folder, splits):
    contexts = {}
    with open(os.path.join(folder, "contexts.jsonl"), encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            contexts[row["context_id"]] = row["passages"]
    rows = []
    with open(os.path.join(folder, "claims.jsonl"), encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if row["split"] in splits:
                rows.append(row)
    return contexts, rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels")
    parser.add_argument("--split", nargs="*", default=["train", "dev"])
    parser.add_argument("--made", nargs="*", default=[])
    parser.add_argument("--augment", action="store_true", help="also corrupt and reword supported sentences of `train`")
    parser.add_argument("--wordnet")
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--most", type=int, default=10**9, help="records taken from the made files")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    count = Counter(args.tokenizer)
    with open(args.out, "w", encoding="utf-8") as out:
        total, waiting = 0, []

        def put(**record):
            nonlocal total
            total += 1
            waiting.append(record)
            if len(waiting) == 1000:
                flush()

        def flush():
            for record in encode(waiting, count.tokenizer):
                out.write(json.dumps(record, ensure_ascii=False) + "\n")
            waiting.clear()

        if args.labels:
            contexts, rows = labelled(args.labels, args.split)
            by_context = {}
            for row in rows:
                by_context.setdefault(row["context_id"], []).append(row)
            docs = {key: Doc(key, [s for s in text.units(contexts[key])] or ["-"]) for key in by_context} if args.augment else {}
            world = World(list(docs.values()), WordNet(args.wordnet)) if args.augment else None
            for key, group in by_context.items():
                evidence = text.Evidence(text.units(contexts[key]), count)
                rng = random.Random(key)
                for row in group:
                    pieces = [p for p in text.sentences(row["answer"]) if not text.is_lead_in(row["answer"][p[0] : p[1]])]
                    pieces = pieces or [(0, len(row["answer"]))]
                    siblings = [r["answer"] for r in group if r["supported"] and r["id"].rsplit("_", 1)[0] == row["id"].rsplit("_", 1)[0]]
                    labels = sentence_labels(row, pieces, siblings if not row["supported"] and "_" in row["id"] else [])
                    if 1 < len(pieces) and len(row["answer"].split()) <= 50 and row["split"] == "train":
                        put(
                            id=f"{row['id']}#whole", bag=f"{row['id']}#whole", source=row["source"], split=row["split"], group=key,
                            at=-1, claim=row["answer"], evidence=" ".join(choose(evidence, row["answer"], count)),
                            label=int(row["supported"]), spans=[] if row["supported"] else None, kind="whole", features=None,
                            span=None,
                        )  # fmt: skip
                    for at, ((start, end), (label, spans)) in enumerate(zip(pieces, labels)):
                        claim = row["answer"][start:end]
                        chosen = choose(evidence, claim, count)
                        base = {"bag": row["id"], "source": row["source"], "split": row["split"], "group": key, "at": at}
                        put(
                            id=f"{row['id']}#{at}", **base, claim=claim, evidence=" ".join(chosen), label=label, spans=spans,
                            kind="person", answer_supported=row["supported"], features=text.coverage_features(claim, evidence, chosen), span=[start, end],
                        )  # fmt: skip
                        if not args.augment or row["split"] != "train" or label != 1 or len(claim.split()) < 4:
                            continue
                        if row["source"] == "summedits" and rng.random() < 0.7:
                            continue
                        doc = docs[key]
                        good, done = reword(claim, doc, world, rng, rng.choice([1, 1, 2]))
                        begin = claim if rng.random() < 0.7 else good
                        kind, bad = break_one(begin, doc, world, rng)
                        made = []
                        if done and rng.random() < 0.4:
                            made.append((good, 1, [], "reword"))
                        if bad:
                            made.append((bad, 0, wrong_spans(begin, bad), kind))
                        for new, new_label, new_spans, new_kind in made:
                            put(
                                id=f"{row['id']}#{at}/{new_kind}", **{**base, "bag": f"{row['id']}#{at}/{new_kind}"}, claim=new,
                                evidence=" ".join(choose(evidence, new, count)), label=new_label, spans=new_spans,
                                kind=new_kind, features=None, span=None,
                            )  # fmt: skip
        for path in args.made:
            with open(path, encoding="utf-8") as file:
                lines = file.readlines()
            random.Random(5).shuffle(lines)
            for number, line in enumerate(lines[: args.most]):
                record = json.loads(line)
                evidence = text.Evidence(text.units(record["passages"]), count)
                gone = set(record["without"])
                without = frozenset(i for i, u in enumerate(evidence.texts) if any(u in g for g in gone))
                chosen = choose(evidence, record["claim"], count, without)
                if not chosen:
                    continue
                name = f"{os.path.basename(path)}/{number}"
                put(
                    id=name, bag=name, source="made", split="train", group=record["doc"], at=0, claim=record["claim"],
                    evidence=" ".join(chosen), label=record["label"], spans=record["spans"], kind=record["kind"],
                    features=text.coverage_features(record["claim"], evidence, chosen), span=None,
                )  # fmt: skip
        flush()
    print(total, "pairs")


if __name__ == "__main__":
    main()
