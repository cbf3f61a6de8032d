"""Measures the scorer as it ships: figures by source, the reliability of its scores, what it finds in corrupted claims.

    python measure.py --dump DUMP [--models MODELS_DIR] [--labels LABELS_DIR] [--split dev] [--documents CLAIMS.jsonl ...]

Scores come from the Rust code with the models that are built into it, the cross-encoder only with `--models`; nothing is fitted here. Intervals are of 95 %: by
bootstrap for answers, Wilson's for shares. Prints Markdown, the tables of docs/asking.md.
"""

import argparse
import collections
import json
import math
import pathlib

import numpy

import labelled



def reliability(score, supported):
    lines = ["| score | n | mean score | supported |", "|---|---|---|---|"]
    for low in numpy.arange(0, 1, 0.1):
        rows = (score >= low) & (score < low + 0.1 + (low > 0.85))
        if rows.any():
            lines.append(f"| {low:.1f}–{low + 0.1:.1f} | {rows.sum()} | {score[rows].mean():.2f} | {supported[rows].mean():.2f} |")
    return "\n".join(lines)


def share(hits, count):
    """A share in percent with Wilson's interval."""
    z = 1.96
    middle = (hits + z * z / 2) / (count + z * z)
    half = z * math.sqrt(hits * (count - hits) / count + z * z / 4) / (count + z * z)
    return f"{hits / count:.1%} ({max(0, middle - half):.1%}–{min(1, middle + half):.1%})"


def of_answers(dump, models, labels, split):
    rows = labelled.load(labels, split)
    data = labelled.claims(dump, rows)
    head, judged = labelled.judged(dump, rows, models)
    score = numpy.array([row["score"] for row in judged])
    print(f"## Answers, {split}, at {head['threshold']:.3f}\n\n{labelled.table(data, score, head['threshold'])}\n")
    of_claims = numpy.array([piece["score"] for row in judged for piece in labelled.checked(row["pieces"])])
    told = labelled.attributed(data, of_claims)
    print(f"## Reliability of claims whose label can be told\n\n{reliability(of_claims[told], data.label[told])}\n")
    print(f"## Reliability of answers\n\n{reliability(score, data.supported)}\n")
    spent = numpy.array([piece["micros"] for row in judged for piece in row["pieces"]]) / 1000
    print(f"Time of {len(spent)} pieces: median {numpy.median(spent):.2f} ms, 99 % {numpy.percentile(spent, 99):.1f} ms, most {spent.max():.1f} ms\n")


def of_documents(dump, models, path):
    made = [json.loads(line) for line in open(path)]
    head, judged = labelled.judged(dump, made, models)
    flagged, ruled = collections.defaultdict(list), collections.defaultdict(list)
    for row, result in zip(made, judged):
        use = labelled.checked(result["pieces"])
        kind, _, how = row["kind"].partition(": ")
        names = [kind] + [f"{kind}: {one}" for one in sorted(set(how.split("+"))) if one]
        for name in names:
            flagged[name].append(min(piece["score"] for piece in use) < head["threshold"])
            ruled[name].append(any(piece["mismatches"] for piece in use))
    print(f"## Claims made from documents, {pathlib.Path(path).name}\n\n| kind | n | flagged | a rule fired |\n|---|---|---|---|")
    for kind in sorted(flagged):
        print(f"| {kind} | {len(flagged[kind])} | {share(sum(flagged[kind]), len(flagged[kind]))} | {numpy.mean(ruled[kind]):.1%} |")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dump", required=True)
    parser.add_argument("--models")
    parser.add_argument("--labels")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--documents", nargs="*", default=[])
    args = parser.parse_args()
    if args.labels:
        of_answers(args.dump, args.models, args.labels, args.split)
    for path in args.documents:
        of_documents(args.dump, args.models, path)


main()
