"""Makes labelled pairs from plain documents: sentences kept, lightly reworded, or made wrong in one known way.

In:  folders of documentation (.md, .html) and/or the passages of a labelled set (`contexts.jsonl`).
Out: JSON lines {"doc", "kind", "label", "claim", "spans", "passages", "without"}; `label` 1 = supported, `spans` the
     characters of the claim that are wrong, `without` sentences that must not be shown as evidence.
Same inputs and seed, same lines.
"""

import argparse
import difflib
import glob
import hashlib
import html
import json
import os
import random
import re

import text
from wordnet import WordNet

NUMBER = re.compile(r"(?<![\w.,\-/:#])[$€£]?(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(?![\w\-/:]|[.,]\d)")
COUNTS = "two three four five six seven eight nine ten eleven twelve thirteen fifteen twenty thirty fifty".split()
COUNT_VALUE = dict(zip(COUNTS, (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 20, 30, 50)))
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
NAME = re.compile(
    r"`[^`\n]{2,40}`"
    r"|\b[A-Za-z]+(?:_[A-Za-z0-9]+)+\b|\b[A-Za-z]\w*(?:::\w+)+|\b[a-z]+[A-Z]\w+\b|(?<!\S)--[a-z][\w-]+"
    r"|\b(?:[A-Z][\w’'.&-]*[\w’']|[A-Z]{2,})(?:(?: (?:of|de|von|van|the|and)(?= [A-Z]))? [A-Z][\w’'&-]+)*"
)
UNITS = [
    ["bytes", "kilobytes", "megabytes", "gigabytes"], ["KB", "MB", "GB", "TB"], ["KiB", "MiB", "GiB", "TiB"],
    ["bits", "bytes"], ["bit", "byte"], ["nanoseconds", "microseconds", "milliseconds", "seconds", "minutes", "hours"],
    ["ns", "ms", "s"], ["seconds", "minutes", "hours", "days", "weeks", "months", "years"],
    ["second", "minute", "hour", "day", "week", "month", "year"], ["meters", "kilometers", "miles", "feet", "inches"],
    ["m", "km", "cm", "mm"], ["kg", "g", "mg", "lb"], ["million", "billion", "thousand", "trillion"],
    ["percent", "dollars", "people", "times"], ["weekly", "daily", "monthly", "annually", "hourly"],
    ["Hz", "kHz", "MHz", "GHz"], ["euros", "dollars", "pounds", "yen"], ["first", "second", "third", "last"],
]  # fmt: skip
COMPARE = [
    ("more than", "less than"), ("more than", "fewer than"), ("greater than", "less than"), ("larger than", "smaller than"),
    ("at least", "at most"), ("higher", "lower"), ("larger", "smaller"), ("faster", "slower"), ("earlier", "later"),
    ("before", "after"), ("increase", "decrease"), ("increases", "decreases"), ("increased", "decreased"),
    ("increasing", "decreasing"), ("rose", "fell"), ("rise", "fall"), ("above", "below"), ("most", "least"),
    ("highest", "lowest"), ("largest", "smallest"), ("minimum", "maximum"), ("first", "last"), ("older", "younger"),
    ("longer", "shorter"), ("better", "worse"), ("best", "worst"), ("ascending", "descending"), ("upper", "lower"),
    ("prior to", "after"), ("up to", "at least"), ("over", "under"), ("more", "less"), ("newer", "older"),
]  # fmt: skip
OPPOSITE = [
    ("enable", "disable"), ("enabled", "disabled"), ("enables", "disables"), ("allow", "forbid"), ("allows", "forbids"),
    ("allowed", "forbidden"), ("include", "exclude"), ("includes", "excludes"), ("included", "excluded"),
    ("including", "excluding"), ("accept", "reject"), ("accepts", "rejects"), ("accepted", "rejected"),
    ("add", "remove"), ("added", "removed"), ("adds", "removes"), ("adding", "removing"), ("start", "stop"),
    ("started", "stopped"), ("starts", "stops"), ("starting", "ending"), ("open", "closed"), ("opened", "closed"),
    ("buy", "sell"), ("bought", "sold"), ("win", "lose"), ("won", "lost"), ("true", "false"), ("success", "failure"),
    ("succeeds", "fails"), ("safe", "unsafe"), ("valid", "invalid"), ("public", "private"), ("mutable", "immutable"),
    ("static", "dynamic"), ("input", "output"), ("read", "write"), ("reads", "writes"), ("client", "server"),
    ("support", "oppose"), ("supported", "opposed"), ("agreed", "refused"), ("always", "never"), ("often", "rarely"),
    ("same", "different"), ("internal", "external"), ("local", "remote"), ("manual", "automatic"),
    ("manually", "automatically"), ("explicit", "implicit"), ("explicitly", "implicitly"), ("stable", "unstable"),
    ("sync", "async"), ("synchronous", "asynchronous"), ("north", "south"), ("east", "west"), ("male", "female"),
    ("mother", "father"), ("son", "daughter"), ("brother", "sister"), ("wife", "husband"), ("alive", "dead"),
    ("born", "died"), ("left", "right"), ("guilty", "innocent"), ("positive", "negative"), ("present", "absent"),
    ("arrive", "depart"), ("arrived", "departed"), ("gain", "loss"), ("profit", "loss"), ("join", "leave"),
    ("joined", "left"), ("expensive", "cheap"), ("improve", "worsen"), ("improved", "worsened"), ("approve", "reject"),
    ("approved", "rejected"), ("friends", "enemies"), ("friend", "enemy"), ("hot", "cold"), ("new", "old"),
    ("large", "small"), ("big", "small"), ("long", "short"), ("high", "low"), ("early", "late"), ("fast", "slow"),
    ("rich", "poor"), ("strong", "weak"), ("easy", "hard"), ("simple", "complex"), ("optional", "mandatory"),
    ("required", "optional"), ("temporary", "permanent"), ("temporarily", "permanently"), ("directly", "indirectly"),
    ("major", "minor"), ("common", "rare"), ("young", "old"), ("inside", "outside"), ("with", "without"),
]  # fmt: skip
MODAL = [
    ("must", "may"), ("can", "must"), ("may", "must"), ("should", "need not"), ("must", "need not"), ("might", "will"),
    ("could", "will"), ("always", "sometimes"), ("always", "never"), ("never", "sometimes"), ("usually", "never"),
    ("sometimes", "always"), ("some", "all"), ("often", "never"), ("may", "will"), ("can", "cannot"), ("every", "no"),
    ("all", "no"), ("only", "not only"), ("probably", "certainly"), ("would", "will never"), ("planned", "refused"),
    ("required", "forbidden"), ("many", "few"), ("most", "few"), ("several", "all"), ("likely", "certain"),
]  # fmt: skip
AUX = r"\b(is|are|was|were|can|could|will|would|should|must|has|have|had|does|did|may|might)\b"
VERBS = (
    "returns allows uses provides supports contains requires includes creates takes gives makes means runs calls works "
    "holds shows sets gets stores reads writes sends adds removes checks handles implements ensures produces applies "
    "offers serves accepts says plays wants needs expects owns lives remains causes prevents changes keeps"
).split()
SAME = [
    ("use", "employ"), ("uses", "employs"), ("begin", "start"), ("began", "started"), ("also", "additionally"),
    ("because", "since"), ("large", "big"), ("buy", "purchase"), ("get", "obtain"),
    ("show", "display"), ("shows", "displays"), ("help", "assist"), ("need", "require"), ("needs", "requires"),
    ("give", "provide"), ("gives", "provides"), ("about", "approximately"), ("children", "kids"), ("said", "stated"),
    ("says", "states"), ("called", "named"), ("film", "movie"), ("several", "a number of"), ("many", "numerous"),
    ("enough", "sufficient"), ("allows", "permits"), ("allow", "permit"), ("ensure", "make sure"), ("via", "through"),
    ("currently", "at present"), ("create", "make"), ("creates", "makes"), ("contains", "includes"), ("whole", "entire"),
    ("in order to", "to"), ("cannot", "can not"), ("has to", "must"), ("such as", "like"),
    ("quickly", "rapidly"), ("often", "frequently"), ("choose", "select"), ("near", "close to"),
    ("ended", "finished"), ("built", "constructed"), ("lots of", "many"), ("police", "officers"), ("told", "informed"),
    ("more than", "over"), ("delete", "remove"), ("deleted", "removed"), ("directory", "folder"), ("doctor", "physician"),
    ("argument", "parameter"), ("error", "failure"), ("default", "standard"), ("change", "modify"), ("changes", "modifies"),
    ("important", "significant"), ("tell", "inform"), ("die", "pass away"), ("start", "begin"), ("job", "position"),
]  # fmt: skip
DROP = (
    "also really very simply just actually basically however therefore currently quickly generally typically then "
    "easily directly fully automatically simply thus indeed certainly especially particularly reportedly recently "
    "eventually immediately relatively highly extremely fairly quite already still even"
).split()
# Dropping these changes what is claimed, so they stay: only, never, not, rarely, hardly, nearly, almost.
CONTRACT = [
    ("do not", "don't"), ("does not", "doesn't"), ("is not", "isn't"), ("are not", "aren't"), ("cannot", "can't"),
    ("it is", "it's"), ("was not", "wasn't"), ("did not", "didn't"), ("will not", "won't"), ("you will", "you'll"),
    ("has not", "hasn't"), ("have not", "haven't"), ("that is", "that's"), ("would not", "wouldn't"),
]  # fmt: skip
PASSIVE = {
    "used": "uses", "created": "creates", "called": "calls", "required": "requires", "provided": "provides",
    "supported": "supports", "returned": "returns", "implemented": "implements", "handled": "handles",
    "generated": "generates", "defined": "defines", "allowed": "allows", "caused": "causes", "controlled": "controls",
    "performed": "performs", "written": "wrote", "owned": "owns", "managed": "manages", "followed": "follows",
    "announced": "announced", "directed": "directed", "produced": "produced", "published": "published",
}  # fmt: skip
LEAD = [
    "According to the text, ", "The document says that ", "Note that ", "In short, ", "It is stated that ", "In fact, ",
    "The passage mentions that ", "As described, ",
]  # fmt: skip


def swap_word(sentence, old, new):
    """Replaces the whole word `old`, keeping a capital at its start; None if it is not there."""
    found = re.search(rf"(?<![\w-]){re.escape(old)}(?![\w-])", sentence, re.IGNORECASE)
    if not found:
        return None
    if found.group()[0].isupper():
        new = new[0].upper() + new[1:]
    return sentence[: found.start()] + new + sentence[found.end() :]


def from_pairs(pairs, both_ways):
    """An operation that applies one fitting pair of the table."""
    table = list(pairs) + ([(b, a) for a, b in pairs] if both_ways else [])

    def operation(sentence, doc, world, rng):
        order = [p for p in table if re.search(rf"(?<![\w-]){re.escape(p[0])}(?![\w-])", sentence, re.IGNORECASE)]
        if not order:
            return None
        old, new = rng.choice(order)
        return swap_word(sentence, old, new)

    return operation


def names_in(sentence):
    """Spans of names and identifiers; a capital at the start of the sentence is no evidence for a name."""
    spans = []
    for found in NAME.finditer(sentence):
        word = found.group()
        if found.start() == 0 and not re.search(r"[_`:]|[a-z][A-Z]|[A-Z]{2}| [A-Z]", word):
            continue
        if word.lower() in text.STOP or word in ("I", "The") or len(word) < 2:
            continue
        spans.append((found.start(), found.end()))
    return spans


def shape(name):
    if re.search(r"[`_:]|--|[a-z][A-Z]", name):
        return "code"
    return "long" if " " in name else "word"


class Doc:
    def __init__(self, key, sentences):
        self.key, self.sentences = key, sentences
        joined = "\n".join(sentences)
        self.lower = joined.lower()
        self.stems = set(text.terms(joined))
        self.names, self.numbers = {}, set()
        for at, sentence in enumerate(sentences):
            for start, end in names_in(sentence):
                self.names.setdefault(sentence[start:end], []).append(at)
            for found in NUMBER.finditer(sentence):
                self.numbers.add(found.group())


class World:
    """What the operations know beside the document at hand."""

    def __init__(self, docs, wordnet):
        self.docs, self.wordnet = docs, wordnet
        self.names = {"code": [], "long": [], "word": []}
        for doc in docs:
            for name in sorted(doc.names):
                self.names[shape(name)].append(name)
        nouns = {}
        for doc in docs:
            for sentence in doc.sentences[:40]:
                for word in re.findall(r"\b[a-z]{4,}\b", sentence):
                    nouns[word] = nouns.get(word, 0) + 1
        self.words = {"n": [], "v": [], "a": []}
        for word in sorted(nouns):
            reading = wordnet.read(word) if nouns[word] >= 2 else None
            if reading and reading[0] in self.words:
                self.words[reading[0]].append((word, reading[1]))


def number_novel(sentence, doc, world, rng):
    spots = [m for m in NUMBER.finditer(sentence)]
    counts = [m for m in re.finditer(r"\b(%s)\b" % "|".join(COUNTS), sentence)]
    dates = [m for m in re.finditer(r"\b(%s)\b" % "|".join(MONTHS + DAYS), sentence)]
    if not (spots or counts or dates):
        return None
    spot = rng.choice(spots + counts + dates)
    old = spot.group()
    for _ in range(20):
        if old in COUNTS:
            new = rng.choice([c for c in COUNTS if c != old])
        elif old in MONTHS or old in DAYS:
            new = rng.choice([d for d in (MONTHS if old in MONTHS else DAYS) if d != old])
        else:
            digits, sign = re.sub(r"[^\d.]", "", old), re.match(r"[$€£]?", old).group()
            whole = digits.split(".")[0]
            if len(whole) == 4 and whole[:2] in ("18", "19", "20") and "." not in digits and "," not in old:
                new = str(int(whole) + rng.choice([-20, -11, -10, -5, -3, -2, -1, 1, 2, 3, 4, 5, 10, 12]))
            else:
                way = rng.random()
                value = int(whole)
                if way < 0.4:
                    value = max(1, value + rng.choice([-3, -2, -1, 1, 2, 3, 5]))
                elif way < 0.6:
                    value = value * 10 if value < 1000 else value // 10
                else:
                    value = rng.randrange(10 ** (len(whole) - 1), 10 ** len(whole))
                new = f"{value:,}" if "," in old else str(value)
                if "." in digits:
                    part = digits.split(".")[1]
                    new += "." + (part if way < 0.4 else "".join(rng.choice("123456789") for _ in part))
            new = sign + new
        if new.lower() != old.lower() and not re.search(rf"(?<!\d){re.escape(new.lower())}(?!\d)", doc.lower):
            return sentence[: spot.start()] + new + sentence[spot.end() :]
    return None


def number_swap(sentence, doc, world, rng):
    spots = list(NUMBER.finditer(sentence))
    if not spots:
        return None
    if len(spots) > 1 and rng.random() < 0.4:
        a, b = sorted(rng.sample(spots, 2), key=lambda m: m.start())
        if a.group() != b.group():
            return sentence[: a.start()] + b.group() + sentence[a.end() : b.start()] + a.group() + sentence[b.end() :]
    spot = rng.choice(spots)

    def year(n):
        return len(n) == 4 and n[:2] in ("18", "19", "20")

    inside = {m.group() for m in spots}
    fitting = sorted(n for n in doc.numbers - inside if year(n) == year(spot.group()) and not n.startswith(("$", "€")))
    if not fitting:
        return None
    return sentence[: spot.start()] + rng.choice(fitting) + sentence[spot.end() :]


def replace_name(sentence, doc, rng, candidates):
    spots = names_in(sentence)
    rng.shuffle(spots)
    for start, end in spots:
        old = sentence[start:end]
        for _ in range(12):
            new = candidates(old)
            if new and not set(text.terms(new)) & set(text.terms(old)) and new.lower() not in sentence.lower():
                return sentence[:start] + new + sentence[end:]
    return None


def name_foreign(sentence, doc, world, rng):
    def candidate(old):
        pool = world.names[shape(old)]
        new = rng.choice(pool) if pool else None
        return new if new and new.strip("`").lower() not in doc.lower else None

    return replace_name(sentence, doc, rng, candidate)


def name_swap(sentence, doc, world, rng):
    def candidate(old):
        pool = [n for n in doc.names if shape(n) == shape(old) and n != old]
        return rng.choice(sorted(pool)) if pool else None

    return replace_name(sentence, doc, rng, candidate)


def role_swap(sentence, doc, world, rng):
    spots = names_in(sentence)
    pairs = []
    for i, (a, b) in enumerate(spots):
        for c, d in spots[i + 1 :]:
            between = sentence[b:c]
            if re.fullmatch(r"[\s,/&(]*(?:and|or|as well as|and/or)?[\s,(]*", between) or sentence[a:b] == sentence[c:d]:
                continue
            if shape(sentence[a:b]) == "code" != shape(sentence[c:d]) or "," in between and len(between) < 4:
                continue
            pairs.append((a, b, c, d))
    if not pairs:
        return None
    a, b, c, d = rng.choice(pairs)
    return sentence[:a] + sentence[c:d] + sentence[b:c] + sentence[a:b] + sentence[d:]


def unit(sentence, doc, world, rng):
    found = []
    for group in UNITS:
        for old in group:
            for spot in re.finditer(rf"(?<=[\d ]){re.escape(old)}(?![\w-])", sentence):
                before = sentence[: spot.start()].rstrip()[-1:]
                if len(old) > 2 or before.isdigit():
                    found.append((spot, [u for u in group if u != old]))
    if not found:
        return None
    spot, others = rng.choice(found)
    return sentence[: spot.start()] + rng.choice(others) + sentence[spot.end() :]


def negation(sentence, doc, world, rng):
    there = re.search(r"\b(is|are|was|were|do|does|did|can|could|should|must|will|would|has|have|had)(n't| not)\b", sentence)
    if there:
        verb = there.group(1)
        put = "" if verb in ("do", "does", "did") else verb
        out = sentence[: there.start()] + put + sentence[there.end() :]
        return re.sub(r"  +", " ", out).strip()
    if re.search(r"\bcannot\b|\bcan't\b", sentence):
        return re.sub(r"\bcannot\b|\bcan't\b", "can", sentence, count=1)
    if re.search(r"\b(never|no longer)\b", sentence):
        return re.sub(r"  +", " ", re.sub(r"\b(never|no longer)\b ?", "", sentence, count=1))
    options = []
    for found in re.finditer(AUX, sentence):
        options.append((found.end(), " not" if rng.random() < 0.75 else rng.choice([" never", " no longer"])))
    for found in re.finditer(r"\b(%s)\b" % "|".join(VERBS), sentence):
        options.append((found.start(), None))
    if not options:
        return None
    at, put = rng.choice(options[:3])
    if put:
        return sentence[:at] + put + sentence[at:]
    verb = re.match(r"\w+", sentence[at:]).group()
    base = world.wordnet.lemma(verb, "v") or verb[:-1]
    return sentence[:at] + rng.choice(["does not ", "doesn't ", "does not "]) + base + sentence[at + len(verb) :]


def reworded(sentence, rng, word, forms_of):
    """One of the words that match, drawn at random, in another form that there is of it."""
    spots = list(re.finditer(word, sentence))
    rng.shuffle(spots)
    for spot in spots:
        forms = forms_of(spot.group())
        if forms:
            return sentence[: spot.start()] + rng.choice(forms) + sentence[spot.end() :]
    return None


def antonym(sentence, doc, world, rng):
    return reworded(sentence, rng, r"\b[a-z]{3,}\b", world.wordnet.antonyms)


def word_foreign(sentence, doc, world, rng):
    """A content word becomes one that the document does not have: a sister term or any word of the same kind."""
    spots = list(re.finditer(r"\b[a-z]{4,}\b", sentence))
    rng.shuffle(spots)
    for spot in spots:
        reading = world.wordnet.read(spot.group())
        if not reading or reading[0] not in world.words or spot.group() in text.STOP:
            continue
        key, base = reading
        near = world.wordnet.related(base, key)
        for _ in range(8):
            if rng.random() < 0.5:
                pool = world.wordnet.sisters(base, key) if key != "a" else []
                other = rng.choice(pool) if pool else None
                if not other:
                    break
            else:
                other = rng.choice(world.words[key])[1]
            if other in near or text.stem(other) in doc.stems or other[:4] == base[:4]:
                continue
            form = world.wordnet.like(spot.group(), base, key, other)
            if form:
                return sentence[: spot.start()] + form + sentence[spot.end() :]
    return None


def word_swap(sentence, doc, world, rng):
    """Two content words of the same kind change places, or one is replaced by another of the document."""
    spots = list(re.finditer(r"\b[a-z]{4,}\b", sentence))
    rng.shuffle(spots)
    for spot in spots[:12]:
        reading = world.wordnet.read(spot.group())
        if not reading or reading[0] not in ("n", "v", "a"):
            continue
        near = world.wordnet.related(reading[1], reading[0])
        other_words = re.findall(r"\b[a-z]{4,}\b", rng.choice(doc.sentences))
        rng.shuffle(other_words)
        for other in other_words[:6]:
            other_reading = world.wordnet.read(other)
            if not other_reading or other_reading[0] != reading[0] or other_reading[1] in near:
                continue
            if other in sentence or (other.endswith("s") != spot.group().endswith("s")):
                continue
            return sentence[: spot.start()] + other + sentence[spot.end() :]
    return None


def addition(sentence, doc, world, rng):
    for _ in range(20):
        other = rng.choice(rng.choice(world.docs).sentences)
        if len(other.split()) > 14 or len(set(text.terms(other)) & doc.stems) > 0.6 * len(set(text.terms(other))):
            continue
        clause = other.rstrip(".!? ")
        if not re.match(r"`|[A-Z]{2}|I\b", clause) and clause.split()[0].lower() in text.STOP:
            clause = clause[0].lower() + clause[1:]
        return sentence.rstrip(".!? ") + rng.choice([", and ", ", while ", "; ", " because "]) + clause + "."
    return None


def foreign_tail(sentence, doc, world, rng):
    """The end of the sentence after a preposition is replaced by such an end from elsewhere."""
    cut = re.compile(r" (?:for|in|with|by|from|because|so that|when|to) ")
    ends = [m.start() for m in cut.finditer(sentence) if m.start() > 15]
    if not ends:
        return None
    at = rng.choice(ends)
    word = cut.match(sentence[at:]).group()
    for _ in range(30):
        source = doc if rng.random() < 0.3 else rng.choice(world.docs)
        other = rng.choice(source.sentences)
        if other == sentence:
            continue
        there = [m.start() for m in cut.finditer(other) if m.group() == word]
        if there and 2 <= len(other[there[-1] :].split()) <= 12 and other[there[-1] :] not in sentence:
            return sentence[:at] + other[there[-1] :]
    return None


def predicate_swap(sentence, doc, world, rng):
    """What the document says of one thing, said of another: the end of a sentence after its first verb, from nearby."""
    verb = re.compile(r" (?:is|are|was|were|can|must|may|should|will|has|have) ")

    def cut(said):
        found = verb.search(said)
        return found if found and 1 <= len(said[: found.start()].split()) <= 10 else None

    here = cut(sentence)
    if not here:
        return None
    mine, subject = set(text.terms(sentence)), set(text.terms(sentence[: here.start()]))
    for other in rng.sample(doc.sentences, min(12, len(doc.sentences))):
        there = cut(other)
        if not there or there.group() != here.group() or not is_prose(other):
            continue
        theirs = set(text.terms(other[: there.start()]))
        said = set(text.terms(other[there.end() :]))
        if not subject or not theirs or theirs & subject or len(said - mine) < 2 or len(other[there.end() :].split()) > 25:
            continue
        return sentence[: here.end()] + other[there.end() :]
    return None


BREAK = {
    "number_novel": number_novel, "number_swap": number_swap, "name_foreign": name_foreign, "name_swap": name_swap,
    "role_swap": role_swap, "unit": unit, "negation": negation, "modality": from_pairs(MODAL, False),
    "comparison": from_pairs(COMPARE, True), "opposite": from_pairs(OPPOSITE, True), "antonym": antonym,
    "word_foreign": word_foreign, "word_swap": word_swap, "addition": addition, "foreign_tail": foreign_tail,
    "predicate_swap": predicate_swap,
}  # fmt: skip


def drop_adverb(sentence, doc, world, rng):
    found = [m for m in re.finditer(r"\b(%s),? (?=\w)" % "|".join(DROP), sentence) if m.start() > 0]
    if not found:
        return None
    spot = rng.choice(found)
    return sentence[: spot.start()] + sentence[spot.end() :]


def drop_aside(sentence, doc, world, rng):
    found = re.search(r" \([^()]{3,80}\)|, (?:e\.g\.|i\.e\.|such as|for example)[^,;]{3,60}(?=,|\.$)", sentence)
    return sentence[: found.start()] + sentence[found.end() :] if found else None


def drop_lead(sentence, doc, world, rng):
    found = re.match(
        r"(?:However|For example|Additionally|Note that|In addition|Also|Therefore|Thus|Moreover|Furthermore"
        r"|In this case|As a result|Finally|Of course|Similarly|In general|Generally),? ",
        sentence,
    )
    if not found:
        return None
    rest = sentence[found.end() :]
    return rest[0].upper() + rest[1:]


def synonym(sentence, doc, world, rng):
    return reworded(sentence, rng, r"\b[a-z]{4,}\b", world.wordnet.synonyms)


def number_format(sentence, doc, world, rng):
    out = re.sub(r"\b(\d{1,3}),(\d{3})\b(?![,.]\d)", r"\1\2", sentence)
    if out == sentence:
        out = re.sub(r"(?<![\w.,/:-])(\d{1,3})(\d{3})(?![\w.,/:-])(?= [a-z])", r"\1,\2", sentence)
        if re.search(r"\b[12],\d{3}\b", out):
            out = sentence
    if out == sentence:
        out = re.sub(r"(\d)\s?%", r"\1 percent", sentence)
    if out == sentence:
        out = re.sub(r"(\d) percent\b", r"\1%", sentence)
    if out == sentence:
        found = re.search(r"(?<![-\w])(%s)(?![-\w])" % "|".join(COUNTS), sentence)
        if found:
            out = sentence[: found.start()] + str(COUNT_VALUE[found.group()]) + sentence[found.end() :]
    if out == sentence:
        for word, value in COUNT_VALUE.items():
            found = re.search(rf"(?<![\w.,$/:#-]){value}(?= [a-z]{{3,}})(?! percent)", sentence)
            if found and value <= 12:
                out = sentence[: found.start()] + word + sentence[found.end() :]
                break
    if out == sentence:
        out = re.sub(r"\b(%s) (\d{1,2}), (\d{4})\b" % "|".join(MONTHS), r"\2 \1 \3", sentence)
    return out if out != sentence else None


def reorder(sentence, doc, world, rng):
    found = re.fullmatch(r"(If|When|While|Because|After|Before|Once|Unless|Although|In|On|At) ([^,;:]{8,90}), ([^;:]+)[.]", sentence)
    if not found:
        return None
    first, middle, rest = found.groups()
    if first in ("In", "On", "At") and (len(middle.split()) > 8 or "," in rest):
        return None
    return f"{rest[0].upper()}{rest[1:].removeprefix('then ')} {first.lower()} {middle}."


def passive(sentence, doc, world, rng):
    found = re.fullmatch(
        r"((?:The|A|An|This|Each|Every)? ?[\w`:-]+(?: [\w`-]+){0,3}) (?:is|was) (%s) by ((?:the|a|an) [\w`-]+(?: [\w`-]+)?|[A-Z][\w-]+(?: [A-Z][\w-]+)*|`[^`]+`)( [^,;]*)?\."
        % "|".join(PASSIVE),
        sentence,
    )
    if not found:
        return None
    thing, verb, agent, rest = found.groups()
    thing = thing[0].lower() + thing[1:] if thing.split()[0].lower() in text.STOP else thing
    return f"{agent[0].upper()}{agent[1:]} {PASSIVE[verb]} {thing}{rest or ''}."


def lead(sentence, doc, world, rng):
    first = sentence.split()[0]
    rest = sentence[0].lower() + sentence[1:] if first.lower() in text.STOP and first != "I" else sentence
    return rng.choice(LEAD) + rest


def plain(sentence, doc, world, rng):
    out = sentence.replace("`", "").replace("“", '"').replace("”", '"').replace("’", "'")
    return out if out != sentence else None


WEIGHT = {
    "number_novel": 4, "number_swap": 5, "role_swap": 3, "unit": 4, "comparison": 3, "modality": 1.5, "addition": 0.5,
    "name_foreign": 1.5, "name_swap": 1.5, "negation": 1.3, "word_foreign": 1.2, "word_swap": 0.8, "foreign_tail": 0.7,
    "predicate_swap": 2,
}  # fmt: skip


REWORD = {
    "drop_adverb": drop_adverb, "drop_aside": drop_aside, "drop_lead": drop_lead, "synonym": synonym,
    "same_word": from_pairs(SAME, False), "contraction": from_pairs(CONTRACT, True), "number_format": number_format,
    "reorder": reorder, "passive": passive, "lead": lead, "plain": plain,
}  # fmt: skip


def merged(doc, at, rng):
    """Two neighbours joined to one sentence."""
    if at + 1 >= len(doc.sentences):
        return None
    first, second = doc.sentences[at], doc.sentences[at + 1]
    if len(first.split()) + len(second.split()) > 40 or not second[0].isupper():
        return None
    if second.split()[0].lower() in text.STOP and second.split()[0] != "I":
        second = second[0].lower() + second[1:]
    return first.rstrip(".!? ") + rng.choice([", and ", "; ", ", and "]) + second


def wrong_spans(before, after):
    """Characters of `after` that differ from `before`, by word; a pure removal marks the words beside it."""
    cut = re.compile(r"\w+|[^\w\s]")
    a, b = [m.group() for m in cut.finditer(before)], list(cut.finditer(after))
    spans = []
    for tag, _, _, start, end in difflib.SequenceMatcher(None, a, [m.group() for m in b], autojunk=False).get_opcodes():
        if tag == "equal" or not b:
            continue
        if start == end:
            start, end = max(0, start - 1), min(len(b), end + 1)
        spans.append([b[start].start(), b[end - 1].end()])
    return spans


def is_prose(sentence):
    count = len(sentence.split())
    if not 6 <= count <= 45 or sentence[-1] not in ".!?" or not (sentence[0].isupper() or sentence[0] == "`"):
        return False
    letters = sum(c.isalpha() or c == " " for c in sentence)
    return letters >= 0.8 * len(sentence) and not re.search(r"https?:|[{}<>|=]{2}|\]\(", sentence)


def reword(sentence, doc, world, rng, most):
    """Up to `most` light rewordings; returns the new sentence and what was done."""
    done = []
    for kind in rng.sample(sorted(REWORD), len(REWORD)):
        if len(done) == most:
            break
        if kind == "lead" and rng.random() < 0.7:
            continue
        out = REWORD[kind](sentence, doc, world, rng)
        if out and out != sentence:
            sentence = out
            done.append(kind)
    return sentence, done


def break_one(sentence, doc, world, rng):
    """One corruption of the kinds that apply; kinds that seldom apply go first more often."""
    order = sorted(sorted(BREAK), key=lambda kind: -(rng.random() ** (1 / WEIGHT.get(kind, 1.0))))
    for kind in order:
        out = BREAK[kind](sentence, doc, world, rng)
        if out and out != sentence and out.strip().lower() != sentence.strip().lower():
            return kind, out
    return None, None


def passages_around(doc, at, rng):
    """A stretch of the document of a random length that holds sentence `at`."""
    size = rng.choice([8, 15, 30, 60])
    start = max(0, at - rng.randrange(size))
    return start, doc.sentences[start : start + size + 1]


def make(doc, world, rng, most):
    """Records of one document."""
    prose = [i for i, s in enumerate(doc.sentences) if is_prose(s)]
    if len(doc.sentences) < 3:
        return
    for at in rng.sample(prose, min(most, len(prose))):
        sentence = doc.sentences[at]
        start, around = passages_around(doc, at, rng)
        view = Doc(doc.key, around)
        base = {"doc": doc.key, "passages": around, "without": []}
        way = rng.random()
        good, done = (merged(doc, at, rng), ["merged"]) if way < 0.12 else (None, [])
        if good and doc.sentences[at + 1] not in around:
            good = None
        if not good:
            good, done = reword(sentence, doc, world, rng, rng.choice([0, 1, 1, 2, 2, 3]))
        yield {**base, "kind": "+".join(done) or "verbatim", "label": 1, "claim": good, "spans": []}
        for _ in range(2):
            start_from = sentence if rng.random() < 0.4 else good
            kind, bad = break_one(start_from, view, world, rng)
            if bad:
                yield {**base, "kind": kind, "label": 0, "claim": bad, "spans": wrong_spans(start_from, bad)}
        draw = rng.random()
        if draw < 0.15:
            others = [rng.choice(rng.choice(world.docs).sentences) for _ in range(40)]
            if rng.random() < 0.5:
                others.sort(key=lambda s: -len(set(text.terms(s)) & view.stems) / (1 + len(set(text.terms(s)))))
            for other in others:
                mine = set(text.terms(other))
                if is_prose(other) and mine and len(mine & view.stems) < 0.7 * len(mine):
                    yield {**base, "kind": "foreign_sentence", "label": 0, "claim": other, "spans": [[0, len(other)]]}
                    break
        elif draw < 0.35:
            mine = set(text.terms(sentence))
            same = [s for s in around if len(set(text.terms(s)) & mine) > 0.5 * len(mine)]
            if mine and len(around) > 5:
                yield {**base, "kind": "removed", "label": 0, "claim": good, "spans": None, "without": same}


def strip_html(raw):
    body = re.search(r"<main>(.*?)</main>", raw, re.S)
    raw = body.group(1) if body else raw
    raw = re.sub(r"(?s)<(script|style|nav|pre|head|table|button)\b.*?</\1>", "\n", raw)
    raw = re.sub(r"(?s)<code[^>]*>(.*?)</code>", r"`\1`", raw)
    raw = re.sub(r"</?(?:p|li|h\d|div|ul|ol|dt|dd|blockquote|br)\b[^>]*>", "\n", raw)
    return html.unescape(re.sub(r"<[^>]+>", "", raw))


def strip_markdown(raw):
    raw = re.sub(r"(?s)```.*?```|<!--.*?-->", "\n", raw)
    raw = re.sub(r"(?m)^(?: {4}|\t).*$|^\[[^\]]+\]:.*$|^\s*\|.*$", "", raw)
    raw = re.sub(r"!\[[^\]]*\]\([^)]*\)|<[^>\n]+>", "", raw)
    raw = re.sub(r"\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])", r"\1", raw)
    raw = re.sub(r"(?m)^\s*(?:[-*+]|\d+\.)\s+|^#+\s*|^>\s?", "\n", raw)
    return re.sub(r"\*\*|__|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)", "", raw)


def paragraphs(plain_text):
    """Hard-wrapped lines joined, one paragraph a line."""
    return [re.sub(r"\s+", " ", p).strip() for p in re.split(r"\n\s*\n", plain_text) if p.strip()]


PERMISSIVE = re.compile(r'license\s*=\s*"[^"]*\b(MIT|Apache-2\.0|BSD-\d-Clause|ISC|Zlib|Unlicense|0BSD)\b')


def read_docs(folders):
    """Documents under the folders, each text once. A crate's files count only if its manifest says it is permissive."""
    seen, docs = set(), []
    for folder in folders:
        paths = sorted(glob.glob(os.path.join(folder, "**", "*.md"), recursive=True))
        paths += sorted(glob.glob(os.path.join(folder, "**", "*.html"), recursive=True))
        for path in paths:
            if re.search(r"(?i)changelog|changes|license|release|history|contribut|code_of|print\.html|authors", path):
                continue
            manifest = os.path.join(folder, os.path.relpath(path, folder).split(os.sep)[0], "Cargo.toml")
            if os.path.exists(manifest):
                with open(manifest, encoding="utf-8", errors="replace") as file:
                    if not PERMISSIVE.search(file.read()):
                        continue
            with open(path, encoding="utf-8", errors="replace") as file:
                raw = file.read(400_000)
            plain_text = strip_html(raw) if path.endswith(".html") else strip_markdown(raw)
            found = []
            for paragraph in paragraphs(plain_text):
                for a, b in text.sentences(paragraph):
                    sentence = paragraph[a:b]
                    digest = hashlib.md5(sentence.lower().encode()).digest()[:8]
                    if digest not in seen and len(sentence.split()) >= 3:
                        seen.add(digest)
                        found.append(sentence)
            if len(found) >= 5:
                docs.append(Doc(os.path.relpath(path, folder), found))
    return docs


def read_contexts(folder, split):
    ids = set()
    with open(os.path.join(folder, "claims.jsonl"), encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if row["split"] == split:
                ids.add(row["context_id"])
    docs = []
    with open(os.path.join(folder, "contexts.jsonl"), encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if row["context_id"] not in ids:
                continue
            found = [p[a:b] for p in row["passages"] for a, b in text.sentences(p)]
            found = [s for s in found if len(s.split()) >= 3]
            if len(found) >= 3:
                docs.append(Doc("context/" + row["context_id"], found))
    return docs


def held_out(doc):
    """One document in ten, by the hash of its first path part, is kept for measuring."""
    return hashlib.md5(doc.key.split(os.sep)[0].encode()).digest()[0] % 10 == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", nargs="*", default=[])
    parser.add_argument("--labels", help="folder of claims.jsonl and contexts.jsonl")
    parser.add_argument("--split", default="train")
    parser.add_argument("--wordnet", required=True)
    parser.add_argument("--part", choices=["train", "held"], default="train", help="documents to learn from, or kept back")
    parser.add_argument("--most", type=int, default=12, help="sentences taken from one document")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    docs = [d for d in read_docs(args.docs) if held_out(d) == (args.part == "held")]
    if args.labels:
        docs += read_contexts(args.labels, args.split)
    world = World(docs, WordNet(args.wordnet))
    counts = {}
    with open(args.out, "w", encoding="utf-8") as file:
        for doc in docs:
            rng = random.Random(f"{args.seed}/{doc.key}")
            for record in make(doc, world, rng, args.most):
                counts[record["kind"]] = counts.get(record["kind"], 0) + 1
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
    for kind, count in sorted(counts.items(), key=lambda item: -item[1])[:40]:
        print(count, kind)
    print(sum(counts.values()), "records of", len(docs), "documents")


if __name__ == "__main__":
    main()
