#!/usr/bin/env python3
"""Shows that every scripted conversation is checked, and not only played: with every split, and with
each mishap at every step (smtp/testing/script.hpp, smtp/testing/client_script.hpp).

A test that builds a script has to call its check(). Where it matters what came in one segment,
check_lost_at_every_step() is enough, or play() under a comment that has the words "in one segment".
Run in the root of the tree, or by Bazel.
"""

import pathlib
import re
import sys

TESTS = pathlib.Path("tests/smtp")
# What a script is made by: its class, or a function of tests/support or the test's own.
BUILDS = re.compile(r"\b(?:client_)?script\s+\w+\s*[=;({]|\b(?:greeted|addressed|in_data)\(")
CHECKS = re.compile(r"\.check\(\)|check_lost_at_every_step\(\)|in one segment")
TEST = re.compile(r"(?m)^TEST\w*\((.*)\)", re.ASCII)


def unchecked(path):
    """The tests in a file that build a script and do not check it."""
    text = path.read_text(encoding="utf-8")
    # A function above the tests may check for all that call it.
    checkers = re.findall(r"(?m)^\w[\w:<>&* ]* (\w+)\([^;{]*\) \{(?:\n.+)*?check\(\)", text)
    for part in re.findall(r"(?ms)^TEST\w*\(.*?^\}", text):
        helped = any(re.search(rf"\b{name}\(", part) for name in checkers)
        if BUILDS.search(part) and not CHECKS.search(part) and not helped:
            yield TEST.match(part)[1]


def main():
    files = sorted(TESTS.glob("*session*_test.cc"))
    problems = [f"{path}: {name}: the script is not checked" for path in files
                for name in unchecked(path)]
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{len(files)} files, {len(problems)} problems")
    return 1 if problems or not files else 0


if __name__ == "__main__":
    sys.exit(main())
