"""How near one text is to another: words, their order, headings and tables.

Both texts are normalised alike: NFKC, lower case, combining marks and punctuation gone. All figures are between 0 and 1.
"""

import collections
import re
import unicodedata

SHINGLE_WORDS = 5
# So much of a table's words must stand in one of ours for it to count as kept.
TABLE_WORDS_KEPT = 0.7
# Chinese and Japanese have no spaces: each character is a word. All other letters and digits make words.
UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = re.compile(f"[{UNSPACED}]|[^\\W_{UNSPACED}]+")
HYPHENS = "-\u2010\u00ad\u2011"


def words(text):
    """Of Markdown the words that a reader sees: no addresses of links, no tags, no escapes."""
    text = re.sub(r"!?\[([^\]\n]*)\]\([^)\n]*\)", r"\1", text)
    text = re.sub(r"</?[A-Za-z!][^>@\n]*>", " ", text)
    text = re.sub(r"\\([|*_\[\]#<>`~-])", r"\1", text)
    return _words(text)


def printed_words(text):
    """Of a page: a word that is cut at the end of a line is one word, and whether a word had a hyphen can't be known."""
    text = re.sub(rf"(?<=\w)[{HYPHENS}]\s*\n\s*(?=\w)", "", unicodedata.normalize("NFKC", text))
    return _words(re.sub(rf"(?<=\w)[{HYPHENS}](?=\w)", "", text))


def _words(text):
    return WORD.findall(re.sub(r"[\u0300-\u036f]", "", unicodedata.normalize("NFKC", text).lower()))


def bags(ours, reference):
    """Precision, recall and F1 of two bags of words."""
    ours, reference = collections.Counter(ours), collections.Counter(reference)
    common = sum((ours & reference).values())
    precision, recall = common / max(1, ours.total()), common / max(1, reference.total())
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def order(ours, reference):
    """The share of the reference's runs of five words that are ours too."""
    wanted = _shingles(reference)
    return len(wanted & _shingles(ours)) / max(1, len(wanted))


def _shingles(tokens):
    return {tuple(tokens[i : i + SHINGLE_WORDS]) for i in range(len(tokens) - SHINGLE_WORDS + 1)}


def headings_kept(ours, reference):
    """How many of the reference's titles are headings of ours, with their number or without; and of how many."""
    ours = [_key(title) for title in ours]
    found = 0
    wanted = [title for title in reference if _key(title)]
    for title in wanted:
        bare = _key(re.sub(r"^(chapter |appendix |part )?[\dA-Z]{0,2}[\d.]*\s+", "", title)) or _key(title)
        found += any(heading.endswith(bare) for heading in ours)
    return found, len(wanted)


def _key(title):
    return "".join(c for c in unicodedata.normalize("NFKC", title).lower() if c.isalnum())


def tables_kept(ours, reference):
    """How many of the reference's tables stand in one of ours; and of how many. All are texts."""
    ours = [collections.Counter(words(table)) for table in ours]
    wanted = [bag for bag in (collections.Counter(words(table)) for table in reference) if bag]
    kept = sum(any((bag & other).total() >= TABLE_WORDS_KEPT * bag.total() for other in ours) for bag in wanted)
    return kept, len(wanted)
