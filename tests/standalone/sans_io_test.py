#!/usr/bin/env python3
"""Shows that the core of gatepost is sans-I/O: no header of it reaches a socket or a coroutine.

A header that is not in shell_headers.txt may include, by itself and by its definitions, nothing of
Asio, BoringSSL, c-ares, RocksDB or the system's socket headers. The compiler says what is included,
so it holds for g++ too, which knows no layering_check. Run in the root of the tree, or by Bazel.
"""

import concurrent.futures
import pathlib
import re
import subprocess
import sys

MODULES = ("smtp", "checks", "routing")
SHELL_LIST = pathlib.Path("tests/standalone/shell_headers.txt")

FORBIDDEN = re.compile(
    r"/(asio\.hpp|asio/.*|openssl/.*|ares\.h|rocksdb/.*|coroutine"
    r"|sys/(socket|epoll|un)\.h|netinet/in\.h|netdb\.h|poll\.h)$"
)

# Header-only mode, so that the definitions' includes count too.
COMPILE = ["g++", "-std=c++20", "-I.", "-I/usr/include/android", "-E", "-H", "-o", "/dev/null"]


def public_headers():
    """Every header of the modules but those that only other headers include."""
    return sorted(
        str(path)
        for module in MODULES
        for path in pathlib.Path(module).rglob("*.hpp")
        if not {"detail", "impl", "src.hpp"} & set(path.parts)
    )


def shell_headers():
    """The headers that may reach Asio, by name."""
    lines = SHELL_LIST.read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def forbidden_chain(header):
    """How header gets to what it must not include, or why it does not compile, or None."""
    run = subprocess.run(
        [*COMPILE, "-x", "c++", header], capture_output=True, text=True, check=False, timeout=60
    )
    if run.returncode != 0:
        errors = re.findall(r"^.*error: .*$", run.stderr, re.MULTILINE)
        return [header, *errors[:3]]
    chain = [header]
    for line in run.stderr.splitlines():
        match = re.match(r"(\.+) (.*)", line)
        if not match:
            continue
        del chain[len(match[1]) :]
        chain.append(match[2])
        if FORBIDDEN.search(match[2]):
            return chain
    return None


def main():
    headers, shell = public_headers(), shell_headers()
    gone = sorted(shell - set(headers))
    problems = [f"{name}: in {SHELL_LIST}, but there is no such header" for name in gone]
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        chains = list(pool.map(forbidden_chain, headers))
    for header, chain in zip(headers, chains):
        if header in shell and not chain:
            problems.append(f"{header}: sans-I/O now, so take it out of {SHELL_LIST}")
        if header not in shell and chain:
            what = "does not compile" if "error: " in chain[-1] else "is not sans-I/O"
            problems.append(f"{header}: {what}:\n    " + "\n    -> ".join(chain))
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{len(headers)} headers, {len(headers) - len(shell)} of them sans-I/O")
    return 1 if problems or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
