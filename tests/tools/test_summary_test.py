#!/usr/bin/env python3
"""Tests tools/test_summary on build events as Bazel writes them."""

import json
import pathlib
import subprocess
import tempfile
import unittest


def configured(label, test=True):
    kind = {"targetKind": "cc_library rule"}
    if test:
        kind = {"targetKind": "cc_test rule", "testSize": "SMALL"}
    return {"id": {"targetConfigured": {"label": label}}, "configured": kind}


def completed(label, success=True):
    outcome = {"success": True} if success else {}
    return {"id": {"targetCompleted": {"label": label}}, "completed": outcome}


def result(label, status):
    return {"id": {"testSummary": {"label": label}}, "testSummary": {"overallStatus": status}}


def log_of(label, path):
    output = [{"name": "test.log", "uri": f"file://{path}"}]
    return {"id": {"testResult": {"label": label}}, "testResult": {"testActionOutput": output}}


def aborted(label):
    reason = {"reason": "ANALYSIS_FAILURE"}
    return {"id": {"targetConfigured": {"label": label}}, "aborted": reason}


PASSING = [configured("//a:x"), completed("//a:x"), result("//a:x", "PASSED")]


class TestSummary(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_on(self, events, *arguments, tail=""):
        path = self.folder / "events"
        lines = [json.dumps(event) + "\n" for event in events]
        path.write_text("".join(lines) + tail, encoding="utf-8")
        command = ["tools/test_summary", *arguments, str(path)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(run.stderr, "")
        return run.returncode, run.stdout.splitlines()

    def test_counts_test_targets(self):
        events = [*PASSING, configured("//a:lib", test=False), completed("//a:lib")]
        events += [configured("//a:y"), completed("//a:y"), result("//a:y", "FLAKY")]
        expected = ["flaky: //a:y: passed at another try", "2 passed, 0 failed"]
        self.assertEqual(self.run_on(events), (0, expected))

    def test_failures_and_timeouts_count(self):
        events = [*PASSING, configured("//a:y"), completed("//a:y"), result("//a:y", "FAILED")]
        events += [configured("//a:z"), completed("//a:z"), result("//a:z", "TIMEOUT")]
        expected = ["failed: //a:y: failed", "failed: //a:z: timeout", "1 passed, 2 failed"]
        self.assertEqual(self.run_on(events, "--bazel-status", "3"), (1, expected))

    def test_test_that_does_not_build_counts(self):
        events = [*PASSING, configured("//a:y"), completed("//a:y", success=False)]
        expected = ["failed: //a:y: does not build", "1 passed, 1 failed"]
        self.assertEqual(self.run_on(events, "--bazel-status", "1"), (1, expected))

    def test_test_without_result_counts(self):
        events = [*PASSING, configured("//a:y")]
        expected = ["failed: //a:y: was not run", "1 passed, 1 failed"]
        self.assertEqual(self.run_on(events), (1, expected))

    def test_other_targets_that_do_not_build_count_as_one(self):
        events = [*PASSING]
        for name in ("//a:l", "//a:m"):
            events += [configured(name, test=False), completed(name, success=False)]
        status, lines = self.run_on(events, "--bazel-status", "1")
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed"))
        self.assertIn("failed: //a:l: does not build", lines)

    def test_target_that_cannot_be_analysed_counts(self):
        status, lines = self.run_on([*PASSING, aborted("//a:y")], "--bazel-status", "1")
        self.assertEqual(status, 1)
        self.assertEqual(lines, ["failed: //a:y: analysis failure", "1 passed, 1 failed"])

    def test_bazel_that_fails_otherwise_counts(self):
        status, lines = self.run_on(PASSING, "--bazel-status", "37")
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed"))

    def test_no_test_is_a_failure(self):
        self.assertEqual(self.run_on([]), (1, ["failed: bazel: ran no test", "0 passed, 1 failed"]))

    def test_tests_outside_bazel_are_added(self):
        self.assertEqual(self.run_on(PASSING, "--passed", "1")[1], ["2 passed, 0 failed"])
        self.assertEqual(self.run_on(PASSING, "--failed", "1"), (1, ["1 passed, 1 failed"]))

    def test_half_an_event_at_the_end(self):
        self.assertEqual(self.run_on(PASSING, tail='{"id": {"tes')[1], ["1 passed, 0 failed"])

    def test_skipped_cases_are_named(self):
        log = self.folder / "test.log"
        log.write_text(
            "[ RUN      ] a.b\ntests/a_test.cc:3: Skipped\nno data set\n\n[  SKIPPED ] a.b (0 ms)\n"
            "[ RUN      ] a.c\n[       OK ] a.c (0 ms)\nSKIP: no postfix\n",
            encoding="utf-8",
        )
        status, lines = self.run_on([*PASSING, log_of("//a:x", log)])
        skipped = ["skipped: //a:x: a.b: no data set", "skipped: //a:x: no postfix"]
        self.assertEqual((status, lines), (0, [*skipped, "1 passed, 0 failed"]))


if __name__ == "__main__":
    unittest.main()
