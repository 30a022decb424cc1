#!/usr/bin/env python3
"""Shows that the code in a document is code that is compiled.

Each ```cpp block has to stand in the file that the comment above it names, line for line but for
indentation: <!-- examples/custom_check/phrase_watch.hpp -->. Run in the root of the tree.
"""

import pathlib
import re
import sys

BLOCK = re.compile(r"(?:<!-- (\S+) -->\n)?```cpp\n(.*?)```", re.DOTALL)


def lines_of(text):
    """The lines without indentation, blank ones left out."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def contains(lines, wanted):
    """Whether wanted is a run of lines."""
    return any(lines[i : i + len(wanted)] == wanted for i in range(len(lines)))


def main():
    document = pathlib.Path(sys.argv[1])
    blocks = BLOCK.findall(document.read_text())
    wrong = 0
    for name, code in blocks:
        first = lines_of(code)[0]
        if not name:
            print(f"{document}: no file is named above: {first}")
        elif not contains(lines_of(pathlib.Path(name).read_text()), lines_of(code)):
            print(f"{document}: not in {name}: {first}")
        else:
            continue
        wrong += 1
    print(f"{len(blocks)} snippets, {wrong} wrong")
    return 1 if wrong or not blocks else 0


if __name__ == "__main__":
    sys.exit(main())
