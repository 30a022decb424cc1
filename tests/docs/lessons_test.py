#!/usr/bin/env python3
"""Shows that the tests which docs/lessons.md names as proof exist, and that no lesson lacks one.

A proof is a target in backquotes, and behind it the cases of its file: `//tests/smtp:reply_test`
`reply.for_logs`. Run in the root of the tree, or by Bazel.
"""

import functools
import pathlib
import re
import sys

PAGE = pathlib.Path("docs/lessons.md")

TARGET = re.compile(r"//(tests/[a-z0-9_/]+):([a-z0-9_]+)")
CASE = re.compile(r"(\w+)\.(\w+)")
OPEN_END = "Not proved yet"


@functools.cache
def text_of(path):
    """The text of a file; nothing where there is none."""
    path = pathlib.Path(path)
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def is_target(package, name):
    """Whether the package's BUILD file declares it, by its name or as one of a list."""
    build = text_of(f"{package}/BUILD.bazel")
    if name.endswith("_corpus"):  # gatepost_fuzz makes two of one
        name = name.removesuffix("_corpus")
    listed = 'name + "_test"' in build and f'"{name.removesuffix("_test")}"' in build
    return f'"{name}"' in build or listed


def has_case(package, name, suite, case):
    """Whether the target's source has the case."""
    cpp = rf"\b(TEST|TEST_F|TEST_P|TYPED_TEST)\(\s*{suite},\s*{case}\s*\)"
    if re.search(cpp, text_of(f"{package}/{name}.cc")):
        return True
    script = text_of(f"{package}/{name}.py")
    return bool(re.search(rf"^class {suite}\b", script, re.MULTILINE) and f"def {case}(" in script)


def proofs_of(lesson):
    """The targets that a lesson names, each with its cases."""
    proofs = []
    _, _, proof = lesson.partition("**Proof.**")
    for word in re.findall(r"`([^`]+)`", proof):
        if target := TARGET.fullmatch(word):
            proofs.append((*target.groups(), []))
        elif (case := CASE.fullmatch(word)) and proofs:
            proofs[-1][2].append(case.groups())
        else:
            proofs.append(("", word, []))
    return proofs


def problems_of(title, lesson):
    """What is wrong with one lesson."""
    proofs = proofs_of(lesson)
    if not proofs:
        yield f"{title}: has no proof"
    for package, name, cases in proofs:
        if not package:
            yield f"{title}: `{name}` is no target and no case of one"
        elif not is_target(package, name):
            yield f"{title}: there is no //{package}:{name}"
        elif not cases and not name.endswith("_corpus"):
            yield f"{title}: //{package}:{name} is named without a case"
        for suite, case in cases:
            if not has_case(package, name, suite, case):
                yield f"{title}: //{package}:{name} has no {suite}.{case}"


def main():
    lessons, _, rest = text_of(PAGE).partition(f"## {OPEN_END}\n")
    parts = re.split(r"^### (.+)\n", lessons, flags=re.MULTILINE)[1:]
    problems, cases = [], 0
    for title, lesson in zip(parts[::2], parts[1::2]):
        problems += [f"{PAGE}: {p}" for p in problems_of(title, lesson)]
        cases += sum(len(proof[2]) for proof in proofs_of(lesson))
    if not rest:
        problems.append(f"{PAGE}: does not say what is not proved yet")
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{len(parts) // 2} lessons, {cases} cases named, {len(problems)} problems")
    return 1 if problems or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
