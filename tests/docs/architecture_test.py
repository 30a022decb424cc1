#!/usr/bin/env python3
"""Shows that docs/architecture.md tells of this tree: its arrows, and the headers of both halves.

An include may only go where the page's arrows go, and each public header stands in exactly one of
the page's two lists: the core, or the shell of tests/standalone/shell_headers.txt. Run in the root
of the tree, or by Bazel.
"""

import pathlib
import re
import sys

PAGE = pathlib.Path("docs/architecture.md")
SHELL_LIST = pathlib.Path("tests/standalone/shell_headers.txt")

# What each module may include of the tree.
ARROWS = {
    "smtp": {"smtp"},
    "checks": {"smtp", "checks"},
    "routing": {"smtp", "routing"},
}
FOLDERS = ("smtp", "checks", "routing", "examples", "tests", "bench", "tools")

INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([a-z_]+)/', re.MULTILINE)
HEADER = re.compile(r"`([a-z_/0-9]+\.hpp)`")


def sources(module):
    """Every header and definition of the module."""
    return sorted(p for p in pathlib.Path(module).rglob("*") if p.suffix in (".hpp", ".ipp", ".cc"))


def wrong_includes():
    """Includes that go where no arrow goes."""
    for module, allowed in ARROWS.items():
        for path in sources(module):
            for folder in INCLUDE.findall(path.read_text(encoding="utf-8")):
                if folder in FOLDERS and folder not in allowed:
                    yield f"{path}: {module} must not include {folder}"


def public_headers():
    """The headers that users include; src.hpp is a source file in the clothes of one."""
    return {
        str(path)
        for module in ARROWS
        for path in sources(module)
        if path.suffix == ".hpp"
        and path.name != "src.hpp"
        and not {"detail", "impl"} & set(path.parts)
    }


def listed(name):
    """The headers in one list of the page, which stands between two comments."""
    text = PAGE.read_text(encoding="utf-8")
    part = re.search(rf"<!-- headers: {name} -->\n(.*?)<!-- end -->", text, re.DOTALL)
    return HEADER.findall(part[1]) if part else []


def wrong_lists():
    """Headers that the page has in the wrong list, twice, or not at all."""
    lines = SHELL_LIST.read_text(encoding="utf-8").splitlines()
    shell = {line for line in lines if line and not line.startswith("#")}
    wanted = {"core": public_headers() - shell, "shell": shell}
    for name, headers in wanted.items():
        found = listed(name)
        for header in sorted(headers - set(found)):
            yield f"{PAGE}: lacks `{header}` in the list of the {name}"
        for header in sorted(set(found) - headers):
            yield f"{PAGE}: `{header}` is not of the {name}, by {SHELL_LIST}"
        for header in sorted(set(found)):
            if found.count(header) > 1:
                yield f"{PAGE}: `{header}` stands twice in the list of the {name}"


def main():
    problems = [*wrong_includes(), *wrong_lists()]
    print(*problems, sep="\n", end="\n" if problems else "")
    headers, files = len(public_headers()), sum(len(sources(module)) for module in ARROWS)
    print(f"{files} files with their includes, {headers} public headers, {len(problems)} problems")
    return 1 if problems or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
