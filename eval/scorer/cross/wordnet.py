"""Synonyms, antonyms and foreign nouns from the WordNet 3.0 dictionary files (Debian package `wordnet-base`)."""

import os

POS = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}


class WordNet:
    def __init__(self, folder):
        self.index, self.data, self.exceptions = {}, {}, {}
        self.irregular = set()
        for key, name in POS.items():
            table = {}
            with open(os.path.join(folder, f"index.{name}"), encoding="latin-1") as file:
                for line in file:
                    if line[0] == " ":
                        continue
                    part = line.split()
                    pointers = int(part[3])
                    tagged, offsets = int(part[5 + pointers]), part[6 + pointers :]
                    table[part[0]] = (tagged, len(offsets), offsets)
            self.index[key] = table
            synsets = {}
            with open(os.path.join(folder, f"data.{name}"), encoding="latin-1") as file:
                for line in file:
                    if line[0] == " ":
                        continue
                    synsets[line[:8]] = line
            self.data[key] = synsets
            forms = {}
            with open(os.path.join(folder, f"{name}.exc"), encoding="latin-1") as file:
                for line in file:
                    form, base = line.split()[:2]
                    forms[form] = base
                    self.irregular.add((key, base))
            self.exceptions[key] = forms
        self.counts = {}
        with open(os.path.join(folder, "cntlist.rev"), encoding="latin-1") as file:
            for line in file:
                sense, _, count = line.split()
                lemma, rest = sense.split("%")
                key = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}[rest[0]]
                self.counts[lemma, key] = self.counts.get((lemma, key), 0) + int(count)

    def lemma(self, word, key):
        """The base form of a lower-case word read as this part of speech, or None."""
        if word in self.exceptions[key]:
            return self.exceptions[key][word]
        if word in self.index[key]:
            return word
        rules = {
            "n": [("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("ses", "s"), ("xes", "x"), ("s", "")],
            "v": [("ies", "y"), ("es", "e"), ("es", ""), ("s", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")],
            "a": [],
            "r": [],
        }[key]
        for ending, put in rules:
            if word.endswith(ending):
                base = word[: -len(ending)] + put
                if base in self.index[key]:
                    return base
                if ending in ("ed", "ing") and put == "" and len(base) > 3 and base[-1] == base[-2]:
                    if base[:-1] in self.index[key]:
                        return base[:-1]
        return None

    def read(self, word):
        """(part of speech, lemma) if one reading of the word is far more frequent than the others."""
        found = []
        for key in POS:
            base = self.lemma(word, key)
            if base:
                found.append((self.counts.get((base, key), 0) + 0.5, key, base))
        found.sort(reverse=True)
        if not found or (len(found) > 1 and found[0][0] < 4 * found[1][0]):
            return None
        return found[0][1], found[0][2]

    def like(self, word, lemma, key, new):
        """`new` in the form that `word` has, or None where the form would be irregular."""
        if word == lemma:
            return new
        if key == "n" and word.endswith("s"):
            if (key, new) in self.irregular:
                return None
            if new.endswith("y") and new[-2:-1] not in "aeiou":
                return new[:-1] + "ies"
            return new + ("es" if new.endswith(("s", "x", "ch", "sh")) else "s")
        if key == "v" and word.endswith("s"):
            if new.endswith("y") and new[-2:-1] not in "aeiou":
                return new[:-1] + "ies"
            return new + ("es" if new.endswith(("s", "x", "ch", "sh", "o")) else "s")
        if key == "v" and word.endswith(("ed", "ing")):
            if (key, new) in self.irregular or (new[-1:] not in "aeiouywx" and new[-2:-1] in "aeiou" and len(new) < 6):
                return None
            ending = "ed" if word.endswith("ed") else "ing"
            if new.endswith("e"):
                return new[:-1] + ending
            if ending == "ed" and new.endswith("y") and new[-2:-1] not in "aeiou":
                return new[:-1] + "ied"
            return new + ending
        return None

    def _members(self, line):
        part = line.split()
        count = int(part[3], 16)
        return [part[4 + 2 * i].split("(")[0].lower() for i in range(count)], part[4 + 2 * count :]

    def _synsets(self, lemma, key, most):
        entry = self.index[key].get(lemma)
        return [self.data[key][offset] for offset in entry[2][:most]] if entry else []

    def synonyms(self, word):
        """Words for the sense that this word nearly always has."""
        reading = self.read(word)
        if not reading:
            return []
        key, base = reading
        entry = self.index[key].get(base)
        if not entry or entry[1] > 4:
            return []
        members, _ = self._members(self._synsets(base, key, 1)[0])
        forms = []
        for other in members:
            if other != base and "_" not in other and other.isalpha() and self.counts.get((other, key), 0) >= 3:
                form = self.like(word, base, key, other)
                if form:
                    forms.append(form)
        return forms

    def antonyms(self, word):
        reading = self.read(word)
        if not reading:
            return []
        key, base = reading
        forms = []
        for line in self._synsets(base, key, 2):
            members, rest = self._members(line)
            for i in range(int(rest[0])):
                symbol, offset, other_key, source = rest[1 + 4 * i : 5 + 4 * i]
                at = int(source[:2], 16)
                if symbol != "!" or at == 0 or members[at - 1] != base:
                    continue
                other_key = {"s": "a"}.get(other_key, other_key)
                others, _ = self._members(self.data[other_key][offset])
                other = others[int(source[2:], 16) - 1]
                if other.isalpha():
                    form = self.like(word, base, key, other)
                    if form:
                        forms.append(form)
        return forms

    def related(self, lemma, key):
        """Lemmas in the same synsets, their hypernyms and hyponyms: not to be used as a wrong word."""
        near = set()
        for line in self._synsets(lemma, key, 99):
            members, rest = self._members(line)
            near.update(members)
            for i in range(int(rest[0])):
                symbol, offset, other_key, _ = rest[1 + 4 * i : 5 + 4 * i]
                if symbol[0] in "@~&":
                    other_key = {"s": "a"}.get(other_key, other_key)
                    near.update(self._members(self.data[other_key][offset])[0])
        return near

    def sisters(self, lemma, key):
        """Lemmas under the same direct hypernym of the first sense."""
        found = []
        for line in self._synsets(lemma, key, 1):
            _, rest = self._members(line)
            for i in range(int(rest[0])):
                symbol, offset, other_key, _ = rest[1 + 4 * i : 5 + 4 * i]
                if symbol != "@":
                    continue
                _, up = self._members(self.data[other_key][offset])
                for j in range(int(up[0])):
                    symbol2, offset2, key2, _ = up[1 + 4 * j : 5 + 4 * j]
                    if symbol2 == "~" and key2 == key:
                        for other in self._members(self.data[key2][offset2])[0]:
                            if other.isalpha() and other != lemma and self.counts.get((other, key), 0) >= 1:
                                found.append(other)
        return found
