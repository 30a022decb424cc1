"""Random cases, judged by gatepost and by another implementation.

Where the two differ, the RFC decides. A test names the kinds of difference in which it decides against
the other one, or leaves both free, by functions whose docstring has the section; every other
difference fails the test.
"""

import collections
import json
import os
import subprocess
import sys

# Of the differences; the rest is counted.
SHOWN = 5


def arguments(cases, seed):
    """PROGRAM [CASES [SEED]]"""
    rest = [int(text) for text in sys.argv[2:4]]
    return sys.argv[1], rest[0] if rest else cases, rest[1] if len(rest) > 1 else seed


def absent(what):
    """The exit status where there is nobody to compare with: in CI that is a failure."""
    needed = bool(os.environ.get("CI"))
    print(what + " is not installed: " + ("failed" if needed else "not tested"))
    return 1 if needed else 0


def ask(program, requests):
    """What our program answers: the fields of a line for each."""
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([program], input=lines, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.split("\n")[:-1]]


def compare(cases, all_ours, evaluate, differs, accepted, result_of, seed, results_at_least):
    """Evaluates each case by the other one, and prints what came of it. The exit status; 1 also where
    fewer results occur: then the cases are not worth much."""
    tally = collections.Counter()
    results = collections.Counter()
    for case, ours in zip(cases, all_ours, strict=True):
        theirs = evaluate(case)
        results[result_of(ours)] += 1
        if not differs(ours, theirs):
            tally["equal"] += 1
            continue
        why = next((rule.__name__ for rule in accepted if rule(case, ours, theirs)), "DIFFERENT")
        tally[why] += 1
        if why == "DIFFERENT" and tally[why] <= SHOWN:
            print(json.dumps(case._asdict()), "\nours:  ", ours, "\ntheirs:", theirs)
    print(f"{len(cases)} cases, seed {seed}: {dict(tally)}; results: {dict(results)}")
    return 1 if tally["DIFFERENT"] or len(results) < results_at_least else 0
