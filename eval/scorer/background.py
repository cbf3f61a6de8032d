"""Builds the word tables in src/ground/data/: how rare a word is, its irregular forms, synonyms and opposites.

    python background.py WORDNET_DICT_DIR TEXT_DIR...

WORDNET_DICT_DIR is /usr/share/wordnet of Debian's wordnet-base (WordNet 3.0, its own permissive licence, whose notice
goes with the tables). TEXT_DIRs are searched for README*, *.md, *.rst and *.txt: permissively licensed documentation.
Rarity counts in how many paragraphs (and WordNet glosses) a word occurs; nothing else is kept of the texts.
"""

import collections
import math
import pathlib
import re
import sys

WORD = re.compile(r"[a-z][a-z'’-]*[a-z]|[a-z]")
DF_MIN = 6
SENSES_MAX = 3
TEXT_FILES_MAX = 6000
PARTS = ("noun", "verb", "adj", "adv")


def glosses(wordnet):
    for part in PARTS:
        for line in (wordnet / f"data.{part}").open():
            if not line.startswith("  "):
                yield line.split("|", 1)[1].strip()


def paragraphs(folders):
    files = []
    for folder in folders:
        for name in ("README*", "*.md", "*.rst", "*.txt"):
            files += pathlib.Path(folder).rglob(name)
    seen = set()
    for file in sorted(set(files), key=lambda file: (file.name, str(file)))[:TEXT_FILES_MAX]:
        if not file.is_file() or file.stat().st_size > 400_000:
            continue
        for paragraph in re.split(r"\n\s*\n", file.read_text(errors="ignore")):
            if len(paragraph) > 80 and hash(paragraph) not in seen:
                seen.add(hash(paragraph))
                yield paragraph


def document_frequencies(wordnet, folders):
    counts, total = collections.Counter(), 0
    for text in [*glosses(wordnet), *paragraphs(folders)]:
        total += 1
        counts.update(set(WORD.findall(text.lower().replace("’", "'"))))
    return counts, total


def synsets(wordnet):
    """(part, offset) -> words, pointers [(symbol, part, offset, source word, target word)]."""
    found = {}
    for part in PARTS:
        for line in (wordnet / f"data.{part}").open():
            if line.startswith("  "):
                continue
            fields = line.split("|", 1)[0].split()
            count = int(fields[3], 16)
            words = [re.sub(r"\(.*\)$", "", fields[4 + 2 * i]) for i in range(count)]
            at = 4 + 2 * count
            pointers = []
            for i in range(int(fields[at])):
                symbol, offset, pos, ends = fields[at + 1 + 4 * i : at + 5 + 4 * i]
                pos = {"n": "noun", "v": "verb", "a": "adj", "s": "adj", "r": "adv"}[pos]
                pointers.append((symbol, pos, offset, int(ends[:2], 16), int(ends[2:], 16)))
            found[(part, fields[0])] = (words, pointers)
    return found


def senses(wordnet):
    """(part, offset, word) -> its rank among the word's senses, most frequent first."""
    ranks = {}
    for part in PARTS:
        for line in (wordnet / f"index.{part}").open():
            if not line.startswith("  "):
                fields = line.split()
                for rank, offset in enumerate(fields[-int(fields[2]) :]):
                    ranks[(part, offset, fields[0])] = rank
    return ranks


def relations(wordnet, known):
    synonyms, opposites, broader = (collections.defaultdict(set) for _ in range(3))
    found, ranks = synsets(wordnet), senses(wordnet)

    def usual(part, offset, word):
        return word.lower() in known and ranks.get((part, offset, word.lower()), 99) < SENSES_MAX

    for (part, offset), (words, pointers) in found.items():
        usuals = [word.lower() for word in words if usual(part, offset, word)]
        for a in usuals:
            synonyms[a].update(b for b in usuals if a != b)
        for symbol, to_part, to_offset, source, target in pointers:
            to_words = found[(to_part, to_offset)][0]
            if source and target:
                a, b = words[source - 1].lower(), to_words[target - 1].lower()
                if a in known and b in known:
                    if symbol == "!":
                        opposites[a].add(b)
                    elif symbol in ("+", "\\"):
                        synonyms[a].add(b)
            elif symbol in ("@", "&") and usuals:
                to_usuals = {word.lower() for word in to_words if usual(to_part, to_offset, word)}
                for a in usuals:
                    (synonyms if symbol == "&" else broader)[a].update(to_usuals - {a})
    return synonyms, opposites, broader


def irregular(wordnet, known):
    pairs = {}
    for part in ("verb", "noun", "adj"):
        for line in (wordnet / f"{part}.exc").open():
            form, *bases = line.split()
            if form in known and bases and bases[0] in known and "_" not in form and form not in pairs and form != bases[0]:
                pairs[form] = bases[0]
    return pairs


def main():
    wordnet, folders = pathlib.Path(sys.argv[1]), sys.argv[2:]
    data = pathlib.Path(__file__).resolve().parents[2] / "src/ground/data"
    counts, total = document_frequencies(wordnet, folders)
    known = {word for word, count in counts.items() if count >= DF_MIN and "'" not in word}
    with (data / "rarity.tsv").open("w") as out:
        for word in sorted(known):
            out.write(f"{word}\t{math.log(total / counts[word]):.1f}\n")
    with (data / "irregular.tsv").open("w") as out:
        for form, base in sorted(irregular(wordnet, known).items()):
            out.write(f"{form}\t{base}\n")
    synonyms, opposites, broader = relations(wordnet, known)
    for name, table in (("synonyms", synonyms), ("opposites", opposites), ("broader", broader)):
        with (data / f"{name}.tsv").open("w") as out:
            for word in sorted(table):
                others = sorted(other for other in table[word] if other in known and other != word)
                if others:
                    out.write(f"{word}\t{' '.join(others)}\n")
    print(f"{total} paragraphs, {len(known)} words")


main()
