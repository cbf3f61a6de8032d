"""Claims made from documentation that nothing was trained on: kept, lightly reworded, or wrong in one known way.

    python targets.py DOCS_DIR > made.jsonl      {"id", "kind", "supported", "answer", "passages"}

DOCS_DIR holds the unpacked source distributions named in documents.txt. A claim stands beside six passages of about
2,000 characters of its own package, one of which holds the sentence that it was made from. Same files, same lines.
"""

import json
import pathlib
import random
import re
import sys

PASSAGE_CHARS = 2_000
PASSAGES = 6
PER_PACKAGE = 60
NUMBER = re.compile(r"(?<![\w.,\-/:#])\d{1,3}(?:,\d{3})+(?![\w,.\-/:])|(?<![\w.,\-/:#])\d+(?:\.\d+)?(?![\w\-/:]|[.,]\d)")
NAME = re.compile(r"(?<=[a-z,] )[A-Z][A-Za-z]{2,}\b(?! [A-Z])")
ADVERBS = "also really very simply just actually basically easily usually automatically typically generally currently already".split()
SAME = [
    ("use", "employ"), ("uses", "employs"), ("large", "big"), ("shows", "displays"), ("show", "display"), ("because", "since"),
    ("needs", "requires"), ("need", "require"), ("create", "make"), ("contains", "includes"), ("ensure", "make sure"),
    ("allows", "permits"), ("allow", "permit"), ("provides", "offers"), ("provide", "offer"), ("start", "begin"),
    ("such as", "like"), ("in order to", "to"), ("via", "through"), ("whole", "entire"), ("directory", "folder"),
    ("specify", "define"), ("fix", "repair"), ("quickly", "rapidly"), ("several", "a number of"), ("select", "choose"),
    ("method", "function"), ("build", "construct"), ("delete", "remove"), ("get", "obtain"), ("help", "assist"),
]  # fmt: skip
CONTRACT = [("do not", "don't"), ("does not", "doesn't"), ("is not", "isn't"), ("are not", "aren't"), ("cannot", "can't"), ("it is", "it's")]
LEADS = ["According to the documentation, ", "Note that ", "In short, ", "The documentation says that "]
WORDS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten", 12: "twelve", 20: "twenty"}
PASSIVE = [
    (r"^(The [a-z]+|[A-Z][a-z]+) (?:is|are) (used|created|called|required|provided|supported|handled|generated|defined|controlled) by (.+)\.$"),
]
ACTIVE = {
    "used": "uses", "created": "creates", "called": "calls", "required": "requires", "provided": "provides",
    "supported": "supports", "handled": "handles", "generated": "generates", "defined": "defines", "controlled": "controls",
}  # fmt: skip


def plain(raw):
    """Prose paragraphs of reStructuredText or Markdown."""
    raw = re.sub(r"(?ms)^```.*?^```", "", raw)
    raw = re.sub(r"(?m)^(=+|-+|~+|\^+|\*+|#+|`+|\"+|'+|\++)$", "", raw)
    for paragraph in re.split(r"\n\s*\n", raw):
        if re.match(r"\s*(\.\.|:|>>>|\$|\||\+[-=])", paragraph) or re.match(r"[ \t]{2,}", paragraph):
            continue
        text = re.sub(r"\s+", " ", paragraph).strip()
        text = re.sub(r":[a-z:+-]+:`~?([^`<]+?)(?: ?<[^>]*>)?`", r"`\1`", text)
        text = re.sub(r"`([^`<]+) <[^>]+>`_+", r"\1", text).replace("``", "`")
        text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)
        text = re.sub(r"^(?:[-*+]|\d+\.|#\.|#+)\s+", "", text).replace("**", "").replace("::", ":")
        if len(text) > 60 and text[0].isupper():
            yield text


def sentences(text):
    """Plain and careful: cuts only where there is no doubt."""
    found = re.split(r"(?<=[a-z)`]\.) (?=[A-Z][a-z]+ )", text)
    return [s for s in found if 6 <= len(s.split()) <= 40 and s[0].isupper() and s.endswith(".") and ":" not in s and s.count("`") % 2 == 0 and not re.search(r"[.!?]\W* \d+\. ", s)]


def packages(folder):
    for package in sorted(path.resolve() for path in pathlib.Path(folder).iterdir() if path.is_dir()):
        passages, held = [], ""
        for file in sorted([*package.rglob("*.rst"), *package.rglob("*.md"), *package.rglob("docs/**/*.txt")]):
            if re.search(r"(?i)change|news|history|release|license|author|contribut", str(file.relative_to(package))):
                continue
            for paragraph in plain(file.read_text(errors="ignore")):
                held += paragraph + "\n\n"
                if len(held) >= PASSAGE_CHARS:
                    passages.append(held)
                    held = ""
        if len(passages) >= 3:
            yield package.name, passages


def swap(sentence, old, new):
    found = re.search(rf"(?<![\w`-]){re.escape(old)}(?![\w`-])", sentence)
    return sentence[: found.start()] + new + sentence[found.end() :] if found else None


def reworded(sentence, rng):
    """Up to three light changes; names of those made."""
    done, out = [], sentence
    for old, new in rng.sample(CONTRACT, len(CONTRACT)):
        if rng.random() < 0.5 and (changed := swap(out, old, new)):
            out, done = changed, done + ["contraction"]
            break
    for old, new in rng.sample(SAME, len(SAME)):
        if changed := swap(out, old, new):
            out, done = changed, done + ["synonym"]
            break
    for adverb in rng.sample(ADVERBS, len(ADVERBS)):
        if changed := swap(out, adverb + " ", ""):
            out, done = changed, done + ["adverb"]
            break
    for found in NUMBER.finditer(out):
        value = found.group()
        if value.isdigit() and int(value) in WORDS and rng.random() < 0.7:
            out, done = out[: found.start()] + WORDS[int(value)] + out[found.end() :], done + ["number"]
            break
        if value.isdigit() and len(value) > 4:
            out, done = out[: found.start()] + f"{int(value):,}" + out[found.end() :], done + ["number"]
            break
    if found := re.match(r"^(If|When|By default|For example|In this case)([^,]*), (\w+)(.*)\.$", out):
        first, rest, word, tail = found.groups()
        if rng.random() < 0.6:
            out, done = f"{word[0].upper()}{word[1:]}{tail} {first.lower()}{rest}.", done + ["reorder"]
    for pattern in PASSIVE:
        if found := re.match(pattern, out):
            thing, verb, agent = found.groups()
            out, done = f"{agent[0].upper()}{agent[1:]} {ACTIVE[verb]} {thing[0].lower()}{thing[1:]}.", done + ["active"]
    if not done and out[1:2].islower():
        out, done = rng.choice(LEADS) + out[0].lower() + out[1:], ["lead"]
    return (out, done) if done else (None, [])


def negated(sentence, rng):
    if found := re.search(r"\b(is|are|can|should|must|will|do|does|has|have)(?: not|n't)\b ?", sentence):
        verb = "" if found.group(1) in ("do", "does") else found.group(1) + " "
        return sentence[: found.start()] + verb + sentence[found.end() :]
    if found := re.search(r"\b(is|are|can|should|must|will|was|were)\b (?!no\b|not\b)", sentence):
        return sentence[: found.end()] + rng.choice(["not ", "not ", "never "]) + sentence[found.end() :]
    return None


JOINTS = ["when", "if", "because", "which", "that", "with", "for", "by", "to", "until", "before", "after", "unless", "while"]


def recombined(held, rng):
    """The beginning of one sentence and the end of another one far from it, joined by a word that both have there."""
    found = []
    for i, a in enumerate(held):
        for b in held[i + 2 :]:
            for joint in JOINTS:
                cuts = [re.search(rf"^(?:\S+ ){{3,}}?(?={joint} (?:\S+ ){{2,}}\S+$)", s) for s in (a, b)]
                if all(cuts) and a.count("`") % 2 == 0:
                    found.append(a[: cuts[0].end()] + b[cuts[1].end() :])
                    found.append(b[: cuts[1].end()] + a[cuts[0].end() :])
    found = [s for s in found if s.count("`") % 2 == 0 and s.count("(") == s.count(")")]
    return rng.choice(found) if found else None


def make(package, passages, others, names, rng):
    for at in rng.sample(range(len(passages)), min(PER_PACKAGE, len(passages))):
        own = passages[at]
        around = [p for i, p in enumerate(passages) if i != at and abs(i - at) <= 8]
        given = [own, *rng.sample(around, min(PASSAGES - 1, len(around)))]
        rng.shuffle(given)
        whole = "\n".join(given)
        held = [s for paragraph in own.split("\n\n") for s in sentences(paragraph)]
        if not held:
            continue

        def row(kind, answer, supported):
            return {"kind": kind, "supported": supported, "answer": answer, "passages": given}

        sentence = rng.choice(held)
        yield row("verbatim", sentence, True)
        for sentence in rng.sample(held, min(3, len(held))):
            out, done = reworded(sentence, rng)
            if out:
                yield row("reworded: " + "+".join(done), out, True)
        pairs = [(a, b) for a, b in zip(held, held[1:]) if f"{a} {b}" in own and not re.match(r"(This|It|These|They|That)\b", b)]
        if pairs:
            a, b = rng.choice(pairs)
            yield row("reworded: merged", f"{a[:-1]}, and {b[0].lower() if b[1].islower() else b[0]}{b[1:]}", True)
        numbered = [s for s in held if NUMBER.search(s)]
        if numbered:
            sentence = rng.choice(numbered)
            spot = rng.choice(list(NUMBER.finditer(sentence)))
            digits = len(re.sub(r"\D", "", spot.group()))
            for _ in range(50):
                novel = str(rng.randrange(10 ** (digits - 1), 10**digits))
                if "." in spot.group():
                    novel = f"{novel[0]}.{rng.randrange(10)}"
                if not re.search(rf"(?<!\d){re.escape(novel)}(?!\d)", whole) and not (novel.isdigit() and WORDS.get(int(novel), "!") in whole):
                    yield row("number_novel", sentence[: spot.start()] + novel + sentence[spot.end() :], False)
                    break
            inside = {m.group() for m in NUMBER.finditer(sentence)}
            elsewhere = sorted({m.group() for m in NUMBER.finditer(own)} - inside)
            if elsewhere:
                yield row("number_swapped", sentence[: spot.start()] + rng.choice(elsewhere) + sentence[spot.end() :], False)
        named = [s for s in held if NAME.search(s)]
        if named:
            sentence = rng.choice(named)
            spot = rng.choice(list(NAME.finditer(sentence)))
            foreign = [name for name in rng.sample(names, 200) if name.lower() not in whole.lower()]
            if foreign:
                yield row("name_foreign", sentence[: spot.start()] + foreign[0] + sentence[spot.end() :], False)
        negatable = [(s, out) for s in held if (out := negated(s, rng))]
        if negatable:
            yield row("negation", rng.choice(negatable)[1], False)
        other = rng.choice(others)
        if other not in whole:
            yield row("foreign_sentence", other, False)
            if pairs or held:
                first = rng.choice(held)
                apart = random.Random(f"{package}/{at}")
                if mixed := recombined(held, apart):
                    yield row("recombined", mixed, False)
                far = [(a, b) for i, a in enumerate(held) for b in held[i + 2 :] if not re.match(r"(This|It|These|They|That)\b", b)]
                if far:
                    a, b = apart.choice(far)
                    yield row("reworded: joined", f"{a[:-1]}, and {b[0].lower() if b[1].islower() else b[0]}{b[1:]}", True)
                yield row("joined", f"{first[:-1]}, and {other[0].lower() if other[1].islower() else other[0]}{other[1:]}", False)


def main():
    found = list(packages(sys.argv[1]))
    every = {package: [s for p in passages for paragraph in p.split("\n\n") for s in sentences(paragraph)] for package, passages in found}
    for package, passages in found:
        rng = random.Random(package)
        others = [s for other in every if other != package for s in every[other]]
        names = sorted({m.group() for s in others for m in NAME.finditer(s)})
        for number, row in enumerate(make(package, passages, others, names, rng)):
            print(json.dumps({"id": f"{package}/{number}", **row}, ensure_ascii=False))


main()
