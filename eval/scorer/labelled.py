"""The labelled answers, what the scorer measures of them, and how scores are judged.

One definition of every feature: the Rust code. `claim_scores` measures, and nothing it says is kept on disk.
"""

import dataclasses
import json
import pathlib
import subprocess

import numpy
from sklearn.metrics import roc_auc_score

SOURCES = ("begin", "factscore", "ragtruth_data2txt", "ragtruth_summary", "summedits", "wice")
# Measured, but not trained on: it made everything else worse, and was hardly learned.
NOT_TRAINED = ("recombined", "reworded: joined")
# A span must reach so many characters into a claim to make it wrong: spans are marked by hand.
OVERLAP_MIN = 2


@dataclasses.dataclass
class Claims:
    """The claims of many answers. `answer` names each claim's answer; the rest of the second half is by answer."""

    names: list
    signs: list
    x: numpy.ndarray
    label: numpy.ndarray
    known: numpy.ndarray
    answer: numpy.ndarray
    # The cross-encoder's logit; NaN where it says nothing.
    read: numpy.ndarray
    supported: numpy.ndarray
    source: numpy.ndarray
    context: list

    @property
    def count(self):
        return len(self.supported)

    def by_source(self):
        return [self.source == number for number in range(len(SOURCES)) if (self.source == number).any()]


@dataclasses.dataclass
class Made:
    x: numpy.ndarray
    read: numpy.ndarray
    label: numpy.ndarray
    weight: numpy.ndarray
    kind: numpy.ndarray
    row: numpy.ndarray


def load(folder, split):
    folder = pathlib.Path(folder)
    contexts = {}
    for line in (folder / "contexts.jsonl").open():
        row = json.loads(line)
        contexts[row["context_id"]] = row["passages"]
    rows = [json.loads(line) for line in (folder / "claims.jsonl").open()]
    rows = [row | {"passages": contexts[row["context_id"]]} for row in rows if row["split"] == split]
    return sorted(rows, key=lambda row: row["context_id"])


def measured(dump, rows):
    """Feature names, their signs, and the pieces of each row, in order."""
    lines = "".join(json.dumps({"id": row["id"], "answer": row["answer"], "passages": row["passages"]}) + "\n" for row in rows)
    out = subprocess.run([dump], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    head = json.loads(out[0])
    return head["features"], head["signs"], [json.loads(line)["pieces"] for line in out[1:]]


def judged(dump, rows, models=None):
    """The head with the shipped threshold, and each row's score and pieces, as the shipped scorer has them: with the
    cross-encoder where `models` names the folder that has ONNX Runtime."""
    lines = "".join(json.dumps({"id": str(at), "answer": row["answer"], "passages": row["passages"]}) + "\n" for at, row in enumerate(rows))
    out = subprocess.run([dump, *([models] if models else [])], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    return json.loads(out[0]), [json.loads(line) for line in out[1:]]


def checked(pieces):
    """What of an answer is scored: its claims; where it makes none, all that it says."""
    return [p for p in pieces if p["kind"] == "Claim"] or [p for p in pieces if p["kind"] != "Heading"] or pieces


def read_logits(path):
    """What a cross-encoder says of pieces, as `cross/score.py` writes it: by id and span in bytes. None: nothing."""
    if not path:
        return {}
    rows = [json.loads(line) for line in open(path)]
    return {(row["id"], *span): logit for row in rows for span, logit in zip(row["spans"], row["logits"]) if logit is not None}


def claims(dump, rows, entailment=None):
    """Reads the claims of labelled rows. `entailment`: logits as `read_logits` reads them, of `train` out of fold."""
    names, signs, pieces = measured(dump, rows)
    logits = read_logits(entailment)
    x, label, known, answer, read = [], [], [], [], []
    for number, (row, of_row) in enumerate(zip(rows, pieces)):
        text, use = row["answer"].encode(), checked(of_row)
        for piece in use:
            start, end = (len(text[: piece[at]].decode()) for at in ("start", "end"))
            x.append(piece["features"])
            read.append(logits.get((row["id"], piece["start"], piece["end"]), numpy.nan))
            answer.append(number)
            spans = row["unsupported_spans"] or []
            wrong = any(min(end, b) - max(start, a) >= OVERLAP_MIN for a, b in spans) if spans else not row["supported"]
            label.append(int(not wrong))
            known.append(row["supported"] or bool(spans) or len(use) == 1)
    return Claims(
        names, signs, numpy.array(x, dtype=numpy.float32), numpy.array(label), numpy.array(known, bool),
        numpy.array(answer), numpy.array(read), numpy.array([int(row["supported"]) for row in rows]),
        numpy.array([SOURCES.index(row["source"]) for row in rows]), [row["context_id"] for row in rows],
    )  # fmt: skip


def made(dump, path, rules=None, entailment=None):
    """Claims made from documents. With `rules`, wrong ones that nothing measured could tell are left out."""
    logits = read_logits(entailment)
    rows = [json.loads(line) for line in open(path)]
    rows = [row for row in rows if not (rules and row["kind"] in NOT_TRAINED)]
    _, _, pieces = measured(dump, rows)
    x, label, weight, kind, of_row, read = [], [], [], [], [], []
    for number, (row, of) in enumerate(zip(rows, pieces)):
        use = checked(of)
        for piece in use:
            foreign = {"foreign_sentence": 2.0, "joined": 4.0}.get(row["kind"])
            told = row["supported"] or foreign or (rules and sum(piece["features"][at] for at in rules) > 0)
            if rules and (not told or (len(use) > 1 and not row["supported"])):
                continue
            x.append(piece["features"])
            read.append(logits.get((row["id"], piece["start"], piece["end"]), numpy.nan))
            label.append(int(row["supported"]))
            weight.append(foreign or 1.0)
            kind.append(row["kind"].split(":")[0])
            of_row.append(number)
    label, weight = numpy.array(label), numpy.array(weight)
    for value in (0, 1):
        weight[label == value] /= max(weight[label == value].sum(), 1e-9)
    return Made(numpy.array(x, dtype=numpy.float32), numpy.array(read), label, weight, numpy.array(kind), numpy.array(of_row))


def attributed(data, score, within=None):
    """The claims whose label can be told: of a wrong answer without spans, only its worst claim, which is wrong."""
    within = numpy.ones(len(data.answer), bool) if within is None else within
    worst = {}
    for claim in numpy.flatnonzero(~data.known & within):
        answer = data.answer[claim]
        if answer not in worst or score[claim] < score[worst[answer]]:
            worst[answer] = claim
    told = data.known & within
    told[list(worst.values())] = True
    return told


def answers(data, score, exponent):
    """The power mean of each answer's claims."""
    total, count = numpy.zeros(data.count), numpy.bincount(data.answer, minlength=data.count)
    numpy.add.at(total, data.answer, numpy.clip(score, 1e-3, 1) ** exponent)
    return (total / count) ** (1 / exponent)


def balanced(supported, shown):
    return (shown[supported == 1].mean() + (~shown[supported == 0]).mean()) / 2


def f1(supported, shown):
    """Of finding what is unsupported."""
    hits = (~shown & (supported == 0)).sum()
    return 2 * hits / max(1, (~shown).sum() + (supported == 0).sum())


def interval(measure, supported, value, rounds):
    rng = numpy.random.default_rng(1)
    found = []
    for _ in range(rounds):
        pick = rng.integers(0, len(supported), len(supported))
        if 0 < supported[pick].sum() < len(pick):
            found.append(measure(supported[pick], value[pick]))
    return numpy.percentile(found, [2.5, 97.5])


def table(data, score, at, rounds=1000):
    """Markdown: each source and all of them, with 95 % intervals by bootstrap."""
    lines = ["| source | n | AUROC | balanced accuracy | F1 (unsupported) |", "|---|---|---|---|---|"]
    rows = [(SOURCES[number], data.source == number) for number in range(len(SOURCES))]
    for name, of in [*rows, ("all", numpy.ones(data.count, bool))]:
        if not of.any():
            continue
        cells = []
        for measure, value in ((roc_auc_score, score[of]), (balanced, score[of] >= at), (f1, score[of] >= at)):
            low, high = interval(measure, data.supported[of], value, rounds)
            cells.append(f"{measure(data.supported[of], value):.3f} ({low:.3f}–{high:.3f})")
        lines.append(f"| {name} | {of.sum()} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
