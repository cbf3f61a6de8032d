"""A third set of claims made from documentation: other documents, other rules of corruption, other passages.

    python third.py DOCS_DIR [--seed N] > third.jsonl      {"id", "kind", "supported", "answer", "passages"}

DOCS_DIR holds the source distributions of third.txt, unpacked. Beside the passage that holds the sentence stand the four
of its package that have most of its rarer words, as a search would bring them: that makes it harder than passages
picked at random. Same files and seed, same lines.
"""

import argparse
import collections
import json
import math
import pathlib
import random
import re

PASSAGE_CHARS = 1_400
PASSAGES = 5
PER_PACKAGE = 150
SKIPPED = re.compile(r"(?i)change|news|history|whatsnew|release|license|copying|author|contribut|credits|migration_|thanks")
NUMBER = re.compile(r"(?<![\w`#/.\-=:\[(<>$'\"])\d+(?:,\d{3})*(?:\.\d+)*(?![\w`\-/:'\"\])]|[.,]\d)")
MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
NAME = re.compile(r"(?<=[a-z,] )(?:[A-Z][a-z]{2,}[A-Za-z]*|[A-Z]{3,})(?=[ ,.])(?! [A-Z])")
CODE = re.compile(r"`([A-Za-z_][\w.]{3,40})`")
WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()
DROPPED = "simply very quite really easily directly actually currently fully always-on merely thus therefore hence".split()
PHRASES = [
    ("for example", "for instance"), ("For example", "For instance"), ("allows you to", "lets you"), ("is able to", "can"), ("are able to", "can"),
    ("make sure that", "ensure that"), ("instead of", "rather than"), ("a number of", "several"), ("due to", "because of"),
    ("whether or not", "whether"), ("at the moment", "currently"), ("in the case of", "with"), ("prior to", "before"), ("in order to", "to"),
    ("as well as", "and also"), ("take care of", "handle"), ("takes care of", "handles"), ("useful", "helpful"), ("begins", "starts"),
    ("attempts to", "tries to"), ("located", "found"), ("entire", "whole"), ("simple", "easy"), ("happens", "occurs"), ("chosen", "picked"),
    ("modify", "change"), ("modified", "changed"), ("obtain", "get"), ("purpose", "aim"), ("similar to", "much like"), ("however, ", ""),
    ("usually", "normally"), ("sometimes", "at times"), ("must", "has to"), ("often", "frequently"), ("invoke", "call"), ("invoked", "called"),
    ("specified", "given"), ("additional", "further"), ("need to", "have to"), ("needs to", "has to"), ("very", "really"), ("big", "large"),
]  # fmt: skip
SHORT = [
    ("do not", "don't"), ("does not", "doesn't"), ("is not", "isn't"), ("are not", "aren't"), ("cannot", "can't"), ("will not", "won't"),
    ("should not", "shouldn't"), ("it is", "it's"), ("It is", "It's"), ("you are", "you're"), ("you will", "you'll"), ("we have", "we've"),
    ("that is", "that's"), ("There is", "There's"), ("did not", "didn't"), ("has not", "hasn't"), ("you have", "you've"),
]  # fmt: skip
ACTIVE = {
    "uses": "used", "provides": "provided", "supports": "supported", "requires": "required", "accepts": "accepted", "creates": "created",
    "contains": "contained", "defines": "defined", "handles": "handled", "generates": "generated", "calls": "called", "stores": "stored",
    "controls": "controlled", "raises": "raised", "implements": "implemented", "produces": "produced", "performs": "performed",
}  # fmt: skip


def prose(raw):
    """Paragraphs that are running text, of reStructuredText or Markdown, without their signs."""
    raw = re.sub(r"(?ms)^(```|~~~).*?^\1", "", raw)
    for block in re.split(r"\n[ \t]*\n", raw):
        lines = block.strip("\n").splitlines()
        if not lines or re.match(r"\s|\.\.|:|>>>|\||\+[-=]|\$|#|[-=~^*\"'`]{3,}$|[-*+] |\(?\d+[.)] ", lines[0]) or len(lines) > 1 and re.match(r"([-=~^*+\"'`#])\1{2,}$", lines[1]):
            continue
        text = " ".join(line.strip() for line in lines)
        text = re.sub(r":[\w:+-]+:`[~!]?\.?([^`<]+?)(?: ?<[^`>]*>)?`", r"`\1`", text)
        text = re.sub(r"`([^`<]+?) ?<[^`>]+>`_+", r"\1", text)
        text = re.sub(r"\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])", r"\1", text)
        text = re.sub(r"\|(\w+)\|", r"\1", text).replace("``", "`").replace("::", ":").replace("**", "").replace("`_", "`")
        text = re.sub(r"\s+", " ", re.sub(r" \[[\w#*]+\]_", "", text)).strip()
        if len(text) > 80 and text[0].isupper() and text.count("`") % 2 == 0:
            yield text


def sentences(paragraph):
    for sentence in re.split(r"(?<=[a-z0-9)`]\.) (?=[A-Z][a-z]*[ ,])", paragraph):
        plain = re.match(r"[A-Z][a-z]* ", sentence) and sentence.endswith(".") and not re.search(r"[:?!;*|<>]|\.\.|e\.g|i\.e|etc", sentence)
        if plain and 8 <= len(sentence.split()) <= 32 and sentence.count("`") % 2 == 0 and sentence.count("(") == sentence.count(")"):
            yield sentence


def packages(folder):
    for package in sorted(path for path in pathlib.Path(folder).iterdir() if path.is_dir()):
        passages, held = [], []
        for file in sorted([*package.rglob("*.rst"), *package.rglob("*.md"), *package.rglob("doc*/**/*.txt")]):
            if SKIPPED.search(str(file.relative_to(package))) or "test" in str(file.relative_to(package)).lower():
                continue
            for paragraph in prose(file.read_text(errors="ignore")):
                held.append(paragraph)
                if sum(map(len, held)) >= PASSAGE_CHARS:
                    passages.append("\n\n".join(held))
                    held = []
            if sum(map(len, held)) > PASSAGE_CHARS / 3:
                passages.append("\n\n".join(held))
            held = []
        if len(passages) >= PASSAGES:
            yield package.name, passages


def tokens(text):
    return set(re.findall(r"[a-z]{3,}", text.lower()))


class Package:
    def __init__(self, name, passages):
        self.name, self.passages = name, passages
        self.sets = [tokens(passage) for passage in passages]
        self.count = collections.Counter(word for words in self.sets for word in words)

    def beside(self, at, sentence):
        """The passage `at` and those that share most with the sentence."""
        words = tokens(sentence)
        worth = [sum(math.log(len(self.sets) / self.count[word]) for word in words & of) for of in self.sets]
        order = sorted((other for other in range(len(self.sets)) if other != at), key=lambda other: (-worth[other], other))
        return [self.passages[other] for other in sorted([at, *order[: PASSAGES - 1]])]


def whole(old):
    return re.compile(rf"(?<![\w`'-]){re.escape(old)}(?![\w`'-])")


def outside_code(sentence, pattern):
    for found in pattern.finditer(sentence):
        if sentence[: found.start()].count("`") % 2 == 0:
            return found
    return None


def replace(sentence, found, new):
    return sentence[: found.start()] + new + sentence[found.end() :]


def rewordings(sentence, rng):
    """All light changes that the sentence allows, by name."""
    for old, new in PHRASES:
        if found := outside_code(sentence, whole(old)):
            if old == "must" and not re.match(r"[^,]*\b(?:it|that|which|the \w+|a \w+) must ", sentence):
                continue
            out = replace(sentence, found, new)
            yield "synonym", re.sub(r"  +", " ", out[0].upper() + out[1:])
    for long, short in SHORT:
        for old, new in ((long, short), (short, long)):
            if found := outside_code(sentence, whole(old)):
                yield "contraction", replace(sentence, found, new)
    for adverb in DROPPED:
        if (found := outside_code(sentence, re.compile(rf"(?<![\w`'-]){adverb} "))) and not sentence[: found.start()].endswith("not "):
            out = replace(sentence, found, "")
            yield "adverb", out[0].upper() + out[1:]
    if found := re.match(r"(If|When|Because|After|Before|While|Once|Unless|Until) ([^,`]+), (?!then\b)(\w+)([^,;]*)\.$", sentence):
        lead, clause, first, rest = found.groups()
        if first.islower() and first not in ("and", "or", "but", "as", "where", "which"):
            yield "order", f"{first[0].upper()}{first[1:]}{rest} {lead.lower()} {clause}."
    if found := re.match(r"([A-Z][^,;]{15,}?) (if|when|because|after|before|unless|until) ((?:the|you|it|there|this|they|a|an) [^,;]+)\.$", sentence):
        main, lead, clause = found.groups()
        if not re.search(r"\b(only|even|just|not|and|or|that|which|what|see)$|\b(that|which|determine|check|know|whether|and|or|say|means)\b", main) and main.count("`") % 2 == 0:
            yield "order", f"{lead.capitalize()} {clause}, {main[0].lower() if main.split()[0] in ('The', 'You', 'It', 'This', 'A', 'An', 'These', 'We', 'There') else main[0]}{main[1:]}."
    if found := re.match(rf"((?:The|A|An|This) [a-z]+|[A-Z][a-z]+) ({'|'.join(ACTIVE)}) ((?:the|a|an|all|two|several) [^,;.]{{4,60}})\.$", sentence):
        agent, verb, thing = found.groups()
        if not re.search(r"\b(that|which|to|and|if|when|by|so|for|with|whose|as)\b", thing):
            plural = re.match(r"(all|two|several) ", thing) or re.search(r"[a-z]{3}s$", thing.split(" of ")[0]) and not thing.startswith(("a ", "an "))
            agent = agent[0].lower() + agent[1:] if agent.startswith(("The ", "A ", "An ", "This ")) else agent
            yield "passive", f"{thing[0].upper()}{thing[1:]} {'are' if plural else 'is'} {ACTIVE[verb]} by {agent}."
    if found := re.search(r" \([^()`\d]{4,80}\)", sentence):
        yield "aside", replace(sentence, found, "")
    for found in NUMBER.finditer(sentence):
        if found.group().isdigit() and 2 <= int(found.group()) <= 12 and not re.search(rf"(?:[A-Z]\w*|version|{MONTH}) $", sentence[: found.start()]):
            yield "number", replace(sentence, found, WORDS[int(found.group())])


def reworded(sentence, rng):
    """One or two of them."""
    done, out = [], sentence
    for _ in range(rng.choice([1, 2])):
        found = [(name, changed) for name, changed in rewordings(out, rng) if name not in done]
        if not found:
            break
        # By kind first: some kinds fit nearly everywhere.
        name = rng.choice(sorted({name for name, _ in found}))
        out = rng.choice([changed for of, changed in found if of == name])
        done.append(name)
    return ("+".join(sorted(done)), out) if done else None


def like(number, rng):
    """Another number that is written the same way."""
    if "." in number:
        parts = number.split(".")
        at = rng.randrange(len(parts))
        parts[at] = str(max(0, int(parts[at]) + rng.choice([-3, -2, -1, 1, 2, 3, 4, 7])))
        return ".".join(parts)
    value = int(number.replace(",", ""))
    if 1900 <= value <= 2100:
        return str(value + rng.choice([-9, -7, -4, -3, -2, -1, 1, 2, 3]))
    new = rng.choice([value + 1, value * 2, value * 3 + 1, value + 5, max(0, value - 1), value * 10])
    return f"{new:,}" if "," in number else str(new)


def novel(sentence, text, rng):
    spots = [spot for spot in NUMBER.finditer(sentence) if sentence[: spot.start()].count("`") % 2 == 0]
    rng.shuffle(spots)
    for spot in spots:
        for _ in range(20):
            new = like(spot.group(), rng)
            plain = new.replace(",", "")
            spelled = plain.isdigit() and int(plain) < len(WORDS) and re.search(rf"\b{WORDS[int(plain)]}\b", text, re.I)
            if new != spot.group() and not spelled and not re.search(rf"(?<!\d){re.escape(plain)}(?!\d)", text.replace(",", "")):
                return replace(sentence, spot, new)
    return None


def swapped(sentence, own, rng):
    """Two numbers of the sentence change places; where it has one only, another one of its passage takes its place."""
    spots = [spot for spot in NUMBER.finditer(sentence) if sentence[: spot.start()].count("`") % 2 == 0]
    pairs = [(a, b) for i, a in enumerate(spots) for b in spots[i + 1 :] if a.group() != b.group()]
    if pairs:
        a, b = rng.choice(pairs)
        return sentence[: a.start()] + b.group() + sentence[a.end() : b.start()] + a.group() + sentence[b.end() :]
    others = sorted({spot.group() for spot in NUMBER.finditer(own)} - {spot.group() for spot in spots})
    return replace(sentence, rng.choice(spots), rng.choice(others)) if spots and others else None


def renamed(sentence, text, names, codes, rng):
    spots = [(spot, names) for spot in NAME.finditer(sentence) if sentence[: spot.start()].count("`") % 2 == 0]
    spots += [(spot, codes) for spot in CODE.finditer(sentence)]
    if not spots:
        return None
    spot, others = rng.choice(spots)
    fits = [other for other in rng.sample(others, min(400, len(others))) if other.lower() not in text.lower()]
    if spot.re is NAME:
        fits = [other for other in fits if other.isupper() == spot.group().isupper()]
    if not fits:
        return None
    return replace(sentence, spot, f"`{fits[0]}`" if spot.re is CODE else fits[0])


def negated(sentence, rng):
    denies = re.search(r"\b(?:not|never|no|none|nothing|cannot|without|neither|nor)\b|n't\b", sentence)
    if denies:
        if denies.group() == "cannot":
            return replace(sentence, denies, "can")
        if found := re.search(r"\b(is|are|was|were|can|could|should|must|will|would|have|has|had)(?: not|n't) (?!only|just|necessarily|yet)", sentence):
            return replace(sentence, found, f"{found.group(1)} ")
        if found := re.search(r"\b(?:do not|don't) (?!only|just|necessarily|yet)", sentence):
            return replace(sentence, found, "")
        return None
    kinds = [
        (r"\b(is|are|was|were|can|should|must|will|could|would)\b (?!not\b|only\b|just\b|a \b)", ["not ", "not ", "never "]),
        (r"\b(you|we|they|[a-z]+s) (?:also )?(?=(?:use|need|want|have|get|see|require|support|provide|include|contain|return|allow|work)\b)", ["do not ", "don't ", "never "]),
    ]
    for pattern, cues in kinds if rng.random() < 0.7 else kinds[::-1]:
        if found := outside_code(sentence, re.compile(pattern)):
            return sentence[: found.end()] + rng.choice(cues) + sentence[found.end() :]
    return None


def make(package, foreign, names, codes, rng):
    chosen = []
    for at, own in enumerate(package.passages):
        chosen += [(at, sentence) for paragraph in own.split("\n\n") for sentence in sentences(paragraph)]
    numbered = [pair for pair in chosen if NUMBER.search(pair[1])]
    rng.shuffle(chosen)
    # Numbers are rare in prose: sentences that have some come first.
    rng.shuffle(numbered)
    for at, sentence in [*numbered[: PER_PACKAGE // 3], *chosen[: PER_PACKAGE]]:
        given = package.beside(at, sentence)
        text = "\n".join(given)
        yield "verbatim", True, sentence, given
        if found := reworded(sentence, rng):
            yield f"reworded: {found[0]}", True, found[1], given
        wrong = [
            ("number_novel", novel(sentence, text, rng)), ("number_swapped", swapped(sentence, package.passages[at], rng)),
            ("name_foreign", renamed(sentence, text, names, codes, rng)), ("negation", negated(sentence, rng)),
        ]  # fmt: skip
        for kind, made in wrong:
            if made:
                yield kind, False, made, given
        other = rng.choice(foreign)
        if other not in text:
            yield "foreign_sentence", False, other, given


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("docs")
    parser.add_argument("--seed", type=int, default=3)
    args = parser.parse_args()
    found = [Package(*package) for package in packages(args.docs)]
    every = {of.name: [s for passage in of.passages for paragraph in passage.split("\n\n") for s in sentences(paragraph)] for of in found}
    for package in found:
        rng = random.Random(f"{args.seed}/{package.name}")
        foreign = [s for other in every if other != package.name for s in every[other]]
        names = sorted({m.group() for s in foreign for m in NAME.finditer(s)})
        codes = sorted({m.group(1) for s in foreign for m in CODE.finditer(s)})
        for number, (kind, supported, answer, passages) in enumerate(make(package, foreign, names, codes, rng)):
            row = {"id": f"{package.name}/{number}", "kind": kind, "supported": supported, "answer": answer, "passages": passages}
            print(json.dumps(row, ensure_ascii=False))


main()
