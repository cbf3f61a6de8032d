"""Trains the model that weighs what the scorer measures, and writes it as JSON for the Rust code.

    python train.py --labels LABELS_DIR --documents CLAIMS.jsonl --dump DUMP --out src/ground/data/model.json

LABELS_DIR holds `claims.jsonl` and `contexts.jsonl`; only their `train` split is read. CLAIMS.jsonl comes from
`targets.py`, over documents that are not those measured on. DUMP is the crate's example `claim_scores`. Everything is decided by
cross-validation on `train`: the calibration and the one threshold come from predictions out of fold. One model, one
threshold; names of sources only weigh the rows. The same inputs give the same file.
"""

import argparse
import datetime
import json
import math

import lightgbm
import numpy
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import labelled
from labelled import SOURCES

FOLDS = 4
ROUNDS = 160
# Kept out of the model: it tells sources apart by the size of their contexts, and lost where a source was left out.
NOT_USED = {"context"}
# More of these need not speak for a claim, nor against it: what is found by chance depends on what there is to find.
FREE = {
    "all", "all_strict", "content_all", "plain_all", "topicless_all", "by_chance", "lift", "local_lift", "first_person",
}  # fmt: skip
DOCUMENT_SHARE = 0.25
# How much of the raw score is a logistic regression's: it knows less and carries over better.
LINEAR_SHARE = 0.35
# Within a source, halfway between the share of wrong claims that answers have and one half.
EVEN_SHARE = 0.5
ANSWER_EXPONENT = -1.0
# Differences in mean balanced accuracy that are chance.
AS_GOOD = 0.003
RULES = (
    "number", "number_elsewhere", "date", "version", "unit", "identifier", "name", "name_elsewhere", "negation", "modality", "opposite",
)  # fmt: skip
SETTINGS = {
    "objective": "binary", "learning_rate": 0.08, "num_leaves": 8, "min_data_in_leaf": 60, "feature_fraction": 0.5,
    "bagging_fraction": 0.7, "bagging_freq": 1, "lambda_l2": 5, "seed": 7, "deterministic": True, "num_threads": 1, "verbose": -1,
}  # fmt: skip


def weights(data, keep):
    """Sources weigh by the root of their answers, labels evenly among answers, an answer's claims share what it weighs."""
    of_answer = numpy.zeros(data.count)
    for source in range(len(SOURCES)):
        of_source = data.source == source
        for label in (0, 1):
            rows = of_source & (data.supported == label)
            if rows.any():
                of_answer[rows] = math.sqrt(of_source.sum()) / rows.sum()
    weight = of_answer[data.answer] / numpy.sqrt(numpy.bincount(data.answer, minlength=data.count))[data.answer]
    source_of_claim = data.source[data.answer]
    for source in range(len(SOURCES)):
        rows = (source_of_claim == source) & keep
        sums = [weight[rows & (data.label == label)].sum() for label in (0, 1)]
        for label in (0, 1):
            if sums[label] > 0:
                wanted = (1 - EVEN_SHARE) * sums[label] + EVEN_SHARE * sum(sums) / 2
                weight[rows & (data.label == label)] *= wanted / sums[label]
    return weight


class Mixture:
    """Boosted trees and a logistic regression, added as logits."""

    def __init__(self, trees, x, y, w):
        self.trees, self.missing = trees, numpy.nan_to_num(numpy.nanmean(x, axis=0))
        x = numpy.where(numpy.isnan(x), self.missing, x).astype(float)
        mean, spread = x.mean(axis=0), numpy.maximum(x.std(axis=0), 1e-6)
        line = LogisticRegression(C=0.3, max_iter=3000).fit((x - mean) / spread, y, sample_weight=w)
        self.weight = line.coef_[0] / spread
        self.bias = float(line.intercept_[0] - (self.weight * mean).sum())

    def predict(self, x):
        linear = numpy.where(numpy.isnan(x), self.missing, x) @ self.weight + self.bias
        return (1 - LINEAR_SHARE) * self.trees.predict(x, raw_score=True) + LINEAR_SHARE * linear


def fit(data, made, columns, signs, within):
    """A mixture over the claims `within`. Of a wrong answer without spans, its worst claim is taken to be wrong."""
    settings = SETTINGS | {"monotone_constraints": [signs[column] for column in columns]}
    keep = data.known & within
    for rounds in (ROUNDS // 2, ROUNDS):
        weight = weights(data, keep)[keep]
        made_weight = made.weight / made.weight.sum() * weight.sum() * DOCUMENT_SHARE / (1 - DOCUMENT_SHARE)
        x = numpy.vstack([data.x[keep], made.x])[:, columns]
        y = numpy.concatenate([data.label[keep], made.label])
        w = numpy.concatenate([weight, made_weight])
        model = Mixture(lightgbm.train(settings, lightgbm.Dataset(x, y, weight=w / w.mean()), rounds), x, y, w / w.mean())
        if rounds < ROUNDS:
            keep = labelled.attributed(data, model.predict(data.x[:, columns]), within)
    return model


def out_of_fold(data, made, columns, signs):
    raw = numpy.zeros(len(data.answer))
    contexts = sorted(set(data.context))
    numpy.random.RandomState(3).shuffle(contexts)
    fold_of = {context: number % FOLDS for number, context in enumerate(contexts)}
    fold = numpy.array([fold_of[context] for context in data.context])[data.answer]
    for number in range(FOLDS):
        model = fit(data, made, columns, signs, fold != number)
        raw[fold == number] = model.predict(data.x[fold == number][:, columns])
    return raw


def left_out(data, made, columns, signs, calibration, at):
    """Figures on each source by a model that was trained on all the others, at the threshold of all."""
    for number, source in enumerate(SOURCES):
        model = fit(data, made, columns, signs, data.source[data.answer] != number)
        raw = model.predict(data.x[:, columns])
        score, of = labelled.answers(data, numpy.interp(raw, *calibration), ANSWER_EXPONENT), data.source == number
        auroc = roc_auc_score(data.supported[of], score[of])
        print(f"| {source} | {auroc:.3f} | {labelled.balanced(data.supported[of], score[of] >= at):.3f} |")


def calibrate(raw, label, weight):
    """Knots of a rising line from raw scores to probabilities."""
    line = IsotonicRegression(out_of_bounds="clip").fit(raw, label, sample_weight=weight)
    edges = numpy.quantile(raw, numpy.linspace(0.0, 1.0, 41))
    knots, values = [], []
    for low, high in zip(edges, edges[1:]):
        rows = (raw >= low) & (raw <= high)
        if rows.any() and (not knots or raw[rows].mean() > knots[-1] + 1e-6):
            knots.append(float(raw[rows].mean()))
            values.append(float(numpy.clip(line.predict(raw[rows]).mean(), 0.005, 0.995)))
    return knots, list(numpy.maximum.accumulate(values).astype(float))


def threshold(data, score):
    """The one threshold with the best mean balanced accuracy over the sources: the middle of those that are as good."""
    steps = numpy.linspace(0.1, 0.95, 171)
    means = [
        numpy.mean([labelled.balanced(data.supported[rows], score[rows] >= step) for rows in data.by_source()]) for step in steps
    ]
    as_good = steps[numpy.array(means) >= max(means) - AS_GOOD]
    return float((as_good.min() + as_good.max()) / 2)


def nodes(tree):
    """A tree as a list, children after their parents."""
    flat = []

    def add(node):
        at = len(flat)
        flat.append(None)
        if "leaf_value" in node:
            flat[at] = {"leaf": (1 - LINEAR_SHARE) * node["leaf_value"]}
            return at
        left, right = add(node["left_child"]), add(node["right_child"])
        flat[at] = {
            "feature": node["split_feature"], "at_most": node["threshold"], "missing_left": node["default_left"], "left": left, "right": right,
        }  # fmt: skip
        return at

    add(tree)
    return flat


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--labels", "--documents", "--dump", "--out"):
        parser.add_argument(name, required=True)
    parser.add_argument("--leave-one-out", action="store_true")
    args = parser.parse_args()
    data = labelled.claims(args.dump, labelled.load(args.labels, "train"))
    made = labelled.made(args.dump, args.documents, [data.names.index(name) for name in RULES])
    columns = [at for at, name in enumerate(data.names) if name not in NOT_USED]
    signs = [0 if name in FREE else sign for name, sign in zip(data.names, data.signs)]

    raw = out_of_fold(data, made, columns, signs)
    even = 1 / numpy.bincount(data.answer, minlength=data.count)[data.answer]
    told = labelled.attributed(data, raw)
    knots, values = calibrate(raw[told], data.label[told], even[told])
    score = labelled.answers(data, numpy.interp(raw, knots, values), ANSWER_EXPONENT)
    at = threshold(data, score)
    model = fit(data, made, columns, signs, numpy.ones(len(data.answer), bool))
    provenance = {
        "made": datetime.date.today().isoformat(), "by": "eval/scorer/train.py", "labels": dict(zip(SOURCES, (int(rows.sum()) for rows in data.by_source()))),
        "documents": len(made.label), "settings": SETTINGS | {"rounds": ROUNDS, "linear_share": LINEAR_SHARE},
    }  # fmt: skip
    out = {
        "features": [data.names[column] for column in columns],
        "trees": [nodes(tree["tree_structure"]) for tree in model.trees.dump_model()["tree_info"]],
        "linear": [{"weight": LINEAR_SHARE * w, "missing": float(m)} for w, m in zip(model.weight, model.missing)],
        "bias": LINEAR_SHARE * model.bias,
        "calibration": {"raw": knots, "probability": values},
        "threshold": round(at, 3),
        "threshold_partly": round(at / 2, 3),
        "answer_exponent": ANSWER_EXPONENT,
        "provenance": provenance,
    }
    with open(args.out, "w") as file:
        json.dump(out, file, separators=(",", ":"))
        file.write("\n")
    print(f"threshold {at:.3f}; out of fold on train:")
    print(labelled.table(data, score, at, rounds=200))
    if args.leave_one_out:
        print("\nof a source that was left out: AUROC, balanced accuracy")
        left_out(data, made, columns, signs, (knots, values), at)


if __name__ == "__main__":
    main()
