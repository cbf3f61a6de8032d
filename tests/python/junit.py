"""Reads a JUnit file with a parser that takes nothing but well-formed XML, and counts again what its suites say.

Usage: junit.py FILE. Prints JSON: by suite, its tests, failures, errors and skipped ones.
"""

import json
import sys
import xml.etree.ElementTree

root = xml.etree.ElementTree.parse(sys.argv[1]).getroot()
assert root.tag == "testsuites", root.tag
found = {}
for suite in root:
    cases = suite.findall("testcase")
    counts = [len(cases), *(sum(case.find(tag) is not None for case in cases) for tag in ("failure", "error", "skipped"))]
    said = [int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == said, (suite.get("name"), counts, said)
    assert all(case.get("name") and case.get("classname") for case in cases), suite.get("name")
    found[suite.get("name")] = counts
total = [sum(counts[at] for counts in found.values()) for at in range(4)]
assert total == [int(root.get(name)) for name in ("tests", "failures", "errors", "skipped")], total
json.dump(found, sys.stdout)
