"""Measures the scorer as it ships: figures by source, the reliability of its scores, what it finds in corrupted claims.

    python measure.py --labels LABELS_DIR --documents CLAIMS.jsonl --dump DUMP [--split dev]

Scores come from the Rust code with the model that is built into it; nothing is fitted here.
"""

import argparse
import collections
import json

import numpy

import labelled


def reliability(score, supported):
    lines = ["| score | n | mean score | supported |", "|---|---|---|---|"]
    for low in numpy.arange(0, 1, 0.1):
        rows = (score >= low) & (score < low + 0.1 + (low > 0.85))
        if rows.any():
            lines.append(f"| {low:.1f}–{low + 0.1:.1f} | {rows.sum()} | {score[rows].mean():.2f} | {supported[rows].mean():.2f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--labels", "--documents", "--dump"):
        parser.add_argument(name, required=True)
    parser.add_argument("--split", default="dev")
    args = parser.parse_args()

    rows = labelled.load(args.labels, args.split)
    data = labelled.claims(args.dump, rows)
    head, judged = labelled.judged(args.dump, rows)
    score = numpy.array([row["score"] for row in judged])
    print(f"## Answers, {args.split}, at {head['threshold']}\n\n{labelled.table(data, score, head['threshold'])}\n")
    of_claims = numpy.array([piece["score"] for row in judged for piece in labelled.checked(row["pieces"])])
    told = labelled.attributed(data, of_claims)
    print(f"## Reliability of claims whose label can be told\n\n{reliability(of_claims[told], data.label[told])}\n")
    print(f"## Reliability of answers\n\n{reliability(score, data.supported)}\n")

    made = [json.loads(line) for line in open(args.documents)]
    head, judged = labelled.judged(args.dump, made)
    flagged, ruled = collections.defaultdict(list), collections.defaultdict(list)
    for row, result in zip(made, judged):
        use = labelled.checked(result["pieces"])
        flagged[row["kind"].split(":")[0]].append(min(piece["score"] for piece in use) < head["threshold"])
        ruled[row["kind"].split(":")[0]].append(any(piece["mismatches"] for piece in use))
    print("## Claims made from documents\n\n| kind | n | flagged | a hard rule fired |\n|---|---|---|---|")
    for kind in sorted(flagged):
        print(f"| {kind} | {len(flagged[kind])} | {numpy.mean(flagged[kind]):.1%} | {numpy.mean(ruled[kind]):.1%} |")


main()
