#!/usr/bin/env python3
"""Runs examples/sink: mail goes in, signals end it, wrong options are told.

Run by Bazel, or in the root of a tree that is built; SINK may name another binary.
"""

import os
import pathlib
import signal
import smtplib
import ssl
import subprocess
import tempfile
import unittest

SINK = os.environ.get("SINK", "examples/sink/sink")
# Seconds after which something hangs.
PATIENCE = 30


class SinkTest(unittest.TestCase):
    def start(self, *arguments):
        process = subprocess.Popen(
            [SINK, "--port", "0", *arguments], stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait, PATIENCE)
        self.addCleanup(process.kill)
        host, port = process.stdout.readline().split()[-1].rsplit(":", 1)
        return process, host, int(port)

    def send(self, host, port, context=None):
        with smtplib.SMTP(host, port, timeout=PATIENCE) as client:
            if context:
                client.starttls(context=context)
            refused = client.sendmail(
                "a@example.test", ["b@example.test"], "Subject: x\r\n\r\n.hi\r\n"
            )
            self.assertEqual(refused, {})

    def test_takes_mail_and_ends_at_a_signal(self):
        process, host, port = self.start()
        self.send(host, port)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(PATIENCE), 0)

    def test_several_threads(self):
        process, host, port = self.start("--threads", "2")
        for _ in range(8):
            self.send(host, port)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(PATIENCE), 0)

    def test_starttls(self):
        with tempfile.TemporaryDirectory() as directory:
            chain, key = pathlib.Path(directory, "c.pem"), pathlib.Path(directory, "k.pem")
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes", "-keyout", key, "-out", chain, "-days", "2", "-subj", "/CN=localhost"],
                check=True, capture_output=True,
            )
            _, host, port = self.start("--cert", str(chain), "--key", str(key))
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.send(host, port, context)

    def test_wrong_options_are_told(self):
        for arguments, words in (
            ([], "--port is missing"),
            (["--port", "70000"], "not a number from 0 to 65535"),
            (["--port", "0", "--cert", "/nowhere"], "--cert and --key go together"),
            (["--port", "0", "--cert", "/nowhere", "--key", "/nowhere"], "/nowhere"),
            (["--prot", "0"], "--prot is not an option"),
        ):
            run = subprocess.run(
                [SINK, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False
            )
            self.assertEqual(run.returncode, 2, arguments)
            self.assertIn(words, run.stderr)
            self.assertEqual(run.stderr.count("\n"), 1, run.stderr)

    def test_a_busy_port_is_told(self):
        _, _, port = self.start()
        run = subprocess.run(
            [SINK, "--port", str(port)], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        self.assertEqual(run.returncode, 2)
        self.assertIn("another program listens there", run.stderr)


if __name__ == "__main__":
    unittest.main()
