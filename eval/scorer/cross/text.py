"""Sentences, terms and the choice of evidence: shared by every script here.

The product does the same in its own language, so the rules are few and free of tables:

* `sentences` cuts text into sentences (lines first, then `.`, `!`, `?` before a capital, digit or quote).
* `terms` are lower-case words without stop words, cut to a stem by dropping common endings.
* `Evidence.select` picks units (sentences of the passages) greedily by the IDF of the claim's terms that they newly
  cover, until the token budget is used up, and returns them in document order.
"""

import math
import re

STOP = frozenset(
    """a an the and or but if then than that this these those it its it's he she his her him they them their we us our
    you your i me my is are was were be been being am do does did done has have had having of in on at to for from by
    with as into about over under out up down so such not no nor can could will would shall should may might must
    there here which who whom whose what when where why how also just very too s t d ll m re ve don doesn isn aren
    wasn weren won wouldn""".split()
)

_WORD = re.compile(r"[^\W_]+(?:[.,](?=\d)\d+)*", re.UNICODE)
_END = re.compile(r"[.!?][\"'”’)\]]*\s+(?=[\"'“‘(\[`*]*[A-Z0-9])")
_ABBREV = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|Gen|Gov|Sen|Rep|Lt|Col|Capt|Sgt|Inc|Ltd|Co|Corp|No|vs|etc|approx|Fig|Vol|pp"
    r"|e\.g|i\.e|cf|al|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)|\b[A-Z]|(?:\b[A-Za-z]\.)+[A-Za-z])\.$"
)
_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+")


def sentences(text):
    """Spans (start, end) of the sentences of `text`."""
    spans = []
    for line in re.finditer(r"[^\n]+", text):
        start = line.start()
        for end in _END.finditer(line.group()):
            stop = line.start() + end.end()
            head = text[start:stop].rstrip()
            if _ABBREV.search(head) or _ITEM.fullmatch(text[start:stop]):
                continue
            spans.append((start, stop))
            start = stop
        spans.append((start, line.end()))
    trimmed = []
    for start, end in spans:
        piece = text[start:end]
        start += len(piece) - len(piece.lstrip())
        end = start + len(piece.strip())
        if _WORD.search(text[start:end]):
            trimmed.append((start, end))
    return trimmed


def is_lead_in(sentence):
    """A line that announces the answer ("Here is a summary:") states nothing that could be checked."""
    return sentence.rstrip("*_ ").endswith(":")


def stem(word):
    for ending in ("ings", "ing", "edly", "ied", "ies", "ed", "ly", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: len(word) - len(ending)]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def words(text):
    return [w.group().lower().replace(",", "") for w in _WORD.finditer(text)]


def terms(text):
    return [stem(w) for w in words(text) if w not in STOP]


MAX_UNIT_WORDS = 40


def units(passages):
    """The passages cut into sentences, long ones into pieces of `MAX_UNIT_WORDS` words."""
    found = []
    for passage in passages:
        for start, end in sentences(passage):
            pieces = passage[start:end].split()
            for at in range(0, len(pieces), MAX_UNIT_WORDS):
                found.append(" ".join(pieces[at : at + MAX_UNIT_WORDS]))
    return found


class Evidence:
    """Passages made ready for any number of claims."""

    def __init__(self, unit_texts, token_count):
        self.texts = unit_texts
        self.terms = [set(terms(u)) for u in unit_texts]
        self.cost = [token_count(u) for u in unit_texts]
        self.where = {}
        for at, unit in enumerate(self.terms):
            for term in unit:
                self.where.setdefault(term, []).append(at)

    def idf(self, term):
        return math.log(1 + (len(self.texts) + 1) / (len(self.where.get(term, ())) + 0.5))

    def select(self, claim, budget, without=frozenset()):
        """Texts of the chosen units in document order; `without` names units to leave out."""
        claim_terms = set(terms(claim))
        weight = {t: self.idf(t) for t in claim_terms if t in self.where}
        gain = {}
        for term, value in weight.items():
            for at in self.where[term]:
                if at not in without:
                    gain.setdefault(at, 0.0)
        total = {at: sum(weight[t] for t in self.terms[at] & claim_terms) for at in gain}
        chosen, covered, left = [], set(), budget
        while gain and left > 8:
            best, best_value = None, 0.0
            for at in gain:
                fresh = sum(weight[t] for t in (self.terms[at] & claim_terms) - covered)
                near = 0.1 * total[at] if any(abs(at - c) == 1 for c in chosen) else 0.0
                value = fresh + 0.25 * total[at] + near
                if value > best_value or (value == best_value and best is not None and at < best):
                    best, best_value = at, value
            if best is None:
                break
            del gain[best]
            if self.cost[best] > left and chosen:
                continue
            chosen.append(best)
            covered |= self.terms[best] & claim_terms
            left -= self.cost[best] + 1
            if len(chosen) == 6:
                break
        for anchor in chosen[:2]:
            for at in (anchor - 1, anchor + 1):
                if 0 <= at < len(self.texts) and at not in chosen and at not in without and self.cost[at] < left:
                    chosen.append(at)
                    left -= self.cost[at] + 1
        if not chosen:
            for at in range(len(self.texts)):
                if at not in without and self.cost[at] < left:
                    chosen.append(at)
                    left -= self.cost[at] + 1
        return [self.texts[at] for at in sorted(chosen)]


def coverage_features(claim, evidence, chosen):
    """Plain lexical features of a claim, used to see what the model adds to them."""
    tokens = terms(claim)
    if not tokens:
        return [1.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    seen = set().union(*(set(terms(u)) for u in chosen)) if chosen else set()
    anywhere = evidence.where
    weight = [evidence.idf(t) for t in tokens]
    total = sum(weight)
    cov_idf = sum(w for t, w in zip(tokens, weight) if t in seen) / total
    cov_uni = sum(t in seen for t in tokens) / len(tokens)
    cov_any = sum(w for t, w in zip(tokens, weight) if t in anywhere) / total
    missing = sum(w for t, w in zip(tokens, weight) if t not in anywhere)
    raw = words(claim)
    bigrams = list(zip(raw, raw[1:]))
    have = set()
    for unit in chosen:
        w = words(unit)
        have.update(zip(w, w[1:]))
    cov_bi = sum(b in have for b in bigrams) / len(bigrams) if bigrams else 1.0
    numbers = [t for t in tokens if t[0].isdigit()]
    cov_num = sum(n in seen for n in numbers) / len(numbers) if numbers else 1.0
    return [cov_uni, cov_idf, cov_any, missing, cov_bi, cov_num]
