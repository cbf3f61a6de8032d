"""Asks a cross-encoder of what claims are read beside, and writes its logits for `read.py`.

    python score.py --labels LABELS_DIR --split train --dump DUMP --onnx MODEL --folds 5 --only-fold 0 --tokenizer TOKENIZER.json --out LOGITS.jsonl
    python score.py --documents CLAIMS.jsonl --dump DUMP --onnx MODEL --tokenizer TOKENIZER.json --out LOGITS.jsonl

What is read beside a claim is the Rust code's choice: DUMP is the example `claim_scores`. A model that was trained without
a fold (`train.py --leave-fold`) is asked about that one alone.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import numpy
from export import session
from tokenizers import Tokenizer
from train import fold_of

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from labelled import load  # noqa: E402

TOKENS_MAX = 160
CLAIM_TOKENS_MAX = 72


def logit(runner, tokenizer, claim, evidence):
    """The support logit of one pair, tokenised as `src/embed/local/cross.rs` does."""
    said = tokenizer.encode(claim, add_special_tokens=False).ids[:CLAIM_TOKENS_MAX]
    proof = tokenizer.encode(evidence, add_special_tokens=False).ids[: TOKENS_MAX - 3 - len(said)]
    ids = [101, *said, 102, *proof, 102]
    kinds = [0] * (len(said) + 2) + [1] * (len(proof) + 1)
    support = runner.run(["support"], {
        "input_ids": numpy.array([ids]), "token_type_ids": numpy.array([kinds]), "attention_mask": numpy.ones((1, len(ids)), dtype=numpy.int64),
    })[0][0]  # fmt: skip
    support = min(max(float(support), 1e-6), 1 - 1e-6)
    return float(numpy.log(support / (1 - support)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels")
    parser.add_argument("--split", default="train")
    parser.add_argument("--documents")
    parser.add_argument("--folds", type=int, help="with --only-fold: into so many, as train.py had them")
    parser.add_argument("--only-fold", type=int, help="say nothing of others: the model has seen them")
    for name in ("--dump", "--onnx", "--tokenizer", "--out"):
        parser.add_argument(name, required=True)
    args = parser.parse_args()
    rows = load(args.labels, args.split) if args.labels else [json.loads(line) for line in open(args.documents)]
    lines = "".join(json.dumps({"id": row["id"], "answer": row["answer"], "passages": row["passages"]}) + "\n" for row in rows)
    found = subprocess.run([args.dump], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    tokenizer = Tokenizer.from_file(args.tokenizer)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    runner = session(args.onnx)
    with open(args.out, "w") as out:
        for row, line in zip(rows, found):
            pieces = json.loads(line)["pieces"]
            is_new = args.only_fold is None or fold_of(row["context_id"], args.folds) == args.only_fold
            read = [
                round(logit(runner, tokenizer, *piece["beside"]), 4) if is_new and piece["beside"] else None
                for piece in pieces
            ]
            out.write(json.dumps({"id": row["id"], "spans": [[p["start"], p["end"]] for p in pieces], "logits": read}) + "\n")


if __name__ == "__main__":
    main()
