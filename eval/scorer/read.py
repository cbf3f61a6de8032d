"""Fits how the cross-encoder's word counts beside what words and rules say, and adds it to the model's file.

    python read.py --labels LABELS_DIR --documents CLAIMS.jsonl --dump DUMP --model src/ground/data/model.json
                   --entailment LOGITS.jsonl --made-entailment LOGITS.jsonl

`train.py` made the model; what it says alone stays as it is. Here a logistic regression over two numbers is fitted, the
model's raw score and the cross-encoder's logit, both of claims that neither was trained on: the first by folds, the second
by `cross/score.py` of the fold that was left out of training. With it comes a calibration of its own; the threshold is the file's. Claims that
the cross-encoder does not read are judged as before.
"""

import argparse
import datetime
import json

import numpy
from sklearn.linear_model import LogisticRegression

import labelled
import train

FOLDS = 4


def fit(raw, read, label, weight):
    """Weights of the raw score and the logit, and the bias."""
    line = LogisticRegression(C=1.0).fit(numpy.column_stack([raw, read]), label, sample_weight=weight / weight.mean())
    return *line.coef_[0], line.intercept_[0]


def rows_to_fit(data, made, raw, made_raw, within):
    """What a fit learns from: claims whose label can be told, and claims made from documents, each by its weight."""
    told = labelled.attributed(data, raw, within) & ~numpy.isnan(data.read)
    weight = train.weights(data, told)[told]
    use = ~numpy.isnan(made.read)
    of_made = made.weight[use] / made.weight[use].sum() * weight.sum() * train.DOCUMENT_SHARE / (1 - train.DOCUMENT_SHARE)
    join = numpy.concatenate
    return (
        join([raw[told], made_raw[use]]), join([data.read[told], made.read[use]]),
        join([data.label[told], made.label[use]]), join([weight, of_made]),
    )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--labels", "--documents", "--dump", "--model", "--entailment", "--made-entailment"):
        parser.add_argument(name, required=True)
    args = parser.parse_args()
    data = labelled.claims(args.dump, labelled.load(args.labels, "train"), args.entailment)
    made = labelled.made(args.dump, args.documents, [data.names.index(name) for name in train.RULES], args.made_entailment)
    columns = [at for at, name in enumerate(data.names) if name not in train.NOT_USED]
    signs = [0 if name in train.FREE else sign for name, sign in zip(data.names, data.signs)]
    everything = numpy.ones(len(data.answer), bool)
    raw = train.out_of_fold(data, made, columns, signs)
    made_raw = train.fit(data, made, columns, signs, everything).predict(made.x[:, columns])

    contexts = sorted(set(data.context))
    numpy.random.RandomState(11).shuffle(contexts)
    fold_of = {context: number % FOLDS for number, context in enumerate(contexts)}
    fold = numpy.array([fold_of[context] for context in data.context])[data.answer]
    both, is_read = raw.copy(), ~numpy.isnan(data.read)
    for number in range(FOLDS):
        a, b, c = fit(*rows_to_fit(data, made, raw, made_raw, fold != number))
        rows = (fold == number) & is_read
        both[rows] = a * raw[rows] + b * data.read[rows] + c
    even = 1 / numpy.bincount(data.answer, minlength=data.count)[data.answer]
    told = labelled.attributed(data, both) & is_read
    knots, values = train.calibrate(both[told], data.label[told], even[told])

    model = json.load(open(args.model))
    of_raw, of_logit, bias = fit(*rows_to_fit(data, made, raw, made_raw, everything))
    model["read"] = {
        "raw": of_raw, "entailment": of_logit, "bias": bias, "calibration": {"raw": knots, "probability": values},
        "provenance": {"made": datetime.date.today().isoformat(), "by": "eval/scorer/read.py", "claims": int(is_read.sum()), "documents": int((~numpy.isnan(made.read)).sum())},
    }  # fmt: skip
    with open(args.model, "w") as file:
        json.dump(model, file, separators=(",", ":"))
        file.write("\n")
    alone = model["calibration"]
    score = numpy.where(is_read, numpy.interp(both, knots, values), numpy.interp(raw, alone["raw"], alone["probability"]))
    print(f"raw {of_raw:.3f}, entailment {of_logit:.3f}, bias {bias:.3f}; out of fold on train:")
    print(labelled.table(data, labelled.answers(data, score, model["answer_exponent"]), model["threshold"], rounds=200))


if __name__ == "__main__":
    main()
