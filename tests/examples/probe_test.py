#!/usr/bin/env python3
"""Runs examples/probe against examples/sink and against servers that follow a script.

Run by Bazel, or in the root of a tree that is built; PROBE and SINK may name other binaries.
"""

import json
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import unittest

PROBE = os.environ.get("PROBE", "examples/probe/probe")
SINK = os.environ.get("SINK", "examples/sink/sink")
MESSAGE = ["--from", "alice@example.test", "--to", "bob@example.test"]
# Seconds after which something hangs.
PATIENCE = 30


def probe(*arguments, stdin="", environment=None):
    """Runs probe to its end."""
    return subprocess.run(
        [PROBE, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, **(environment or {})},
    )


def events(*arguments, **more):
    """The events of probe --json, and its exit status."""
    run = probe("--json", *arguments, **more)
    return [json.loads(line) for line in run.stdout.splitlines()], run.returncode


def of(all_events, kind):
    return [event for event in all_events if event["event"] == kind]


class Sink:
    """examples/sink on a free port."""

    def __init__(self, test, *arguments):
        self.process = subprocess.Popen(
            [SINK, "--port", "0", *arguments], stdout=subprocess.PIPE, text=True
        )
        test.addCleanup(self.stop)
        self.address = self.process.stdout.readline().split()[-1]

    def stop(self):
        self.process.kill()  # it has nothing to lose
        self.process.wait(PATIENCE)
        self.process.stdout.close()


class Scripted:
    """A server that hears lines and says what its script has for each; for one connection.

    The script has a pair for each reply: how the line that is waited for begins, and what is then
    said. None for a line: say it at once. "." hears all lines of a message.
    """

    def __init__(self, test, script, listener=None):
        self.script, self.heard, self.problem = script, [], None
        self.listener = listener or socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        name = self.listener.getsockname()
        self.address = f"127.0.0.1:{name[1]}" if isinstance(name, tuple) else f"unix:{name}"
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        test.addCleanup(self.stop, test)

    def serve(self):
        try:
            connection = self.listener.accept()[0]
            connection.settimeout(PATIENCE)
            with connection, connection.makefile("rb") as lines:
                for expected, said in self.script:
                    if expected is not None and not self.hear(lines, expected):
                        return
                    connection.sendall(said)
                # Until the client leaves.
                while lines.readline():
                    pass
        except OSError as problem:
            self.problem = problem

    def hear(self, lines, expected):
        while True:
            line = lines.readline().decode("utf-8", "replace").rstrip("\r\n")
            self.heard.append(line)
            if expected != "." or line == ".":
                break
        if not line.startswith(expected):
            self.problem = f"heard {line!r} instead of {expected!r}"
        return self.problem is None

    def stop(self, test):
        self.thread.join(PATIENCE)
        self.listener.close()
        test.assertIsNone(self.problem)


GREETING = (None, b"220 scripted.example.test ESMTP\r\n")
EHLO = ("EHLO ", b"250 scripted.example.test\r\n")
MAIL = ("MAIL FROM:<alice@example.test>", b"250 2.1.0 fine\r\n")
RCPT = ("RCPT TO:<bob@example.test>", b"250 2.1.5 fine\r\n")
DATA = ("DATA", b"354 go on\r\n")
END = (".", b"250 2.0.0 taken\r\n")
QUIT = ("QUIT", b"221 2.0.0 bye\r\n")


class AgainstSink(unittest.TestCase):
    def test_greets_and_explains_what_is_offered(self):
        run = probe(Sink(self).address)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertIn("S: 220 sink.example.test", run.stdout)
        self.assertRegex(run.stdout, r"S: 250-PIPELINING +# .*RFC 2920")
        self.assertRegex(run.stdout, r"C: QUIT\n.*S: 221 2\.0\.0.*\n +# goodbye")
        self.assertRegex(run.stdout, r"\ntotal +\d+\.\d\d\n")
        self.assertTrue(run.stdout.endswith("\nthe server answers; nothing was sent\n"))
        self.assertNotIn("\x1b", run.stdout)

    def test_sends_a_message_in_every_way(self):
        address = Sink(self).address
        for more in ([], ["--bdat"], ["--no-pipelining"], ["--bdat", "--no-pipelining"]):
            with self.subTest(more):
                run = probe(*MESSAGE, "--to", "carol@example.test", *more, address)
                self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
                self.assertIn("bob@example.test    delivered  final reply: 250", run.stdout)
                self.assertIn("delivered to 2 of 2 recipients", run.stdout)
                self.assertEqual("C: BDAT " in run.stdout, "--bdat" in more)
                self.assertEqual("C: DATA" in run.stdout, "--bdat" not in more)

    def test_repeats_on_one_connection(self):
        got, status = events(*MESSAGE, "--repeat", "5", Sink(self).address)
        self.assertEqual(status, 0)
        self.assertEqual(of(got, "recipient")[0]["delivered"], 5)
        counts = {event["step"]: event["count"] for event in of(got, "timing")}
        self.assertEqual(counts["connect"], 1)
        for step in ("MAIL", "RCPT", "DATA", "body", "final reply"):
            self.assertEqual(counts[step], 5, step)

    def test_steps_add_up_to_the_whole(self):
        got, _ = events(*MESSAGE, Sink(self).address)
        whole = of(got, "result")[0]["total_ms"]
        self.assertAlmostEqual(sum(e["total_ms"] for e in of(got, "timing")), whole, places=2)

    def test_parameters_of_dsn_and_smtputf8_are_said(self):
        got, status = events(
            "--from", "<>", "--to", "jürgen@example.test", "--orcpt", "a+b@example.test",
            "--notify", "success,FAILURE", "--ret", "hdrs", "--envid", "an id",
            "--body", "grüß Gott", Sink(self).address,
        )  # fmt: skip
        self.assertEqual(status, 0)
        said = [event["line"] for event in of(got, "command")]
        mail = next(line for line in said if line.startswith("MAIL"))
        self.assertRegex(mail, r"^MAIL FROM:<> SIZE=\d+ BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=an")
        rcpt = next(line for line in said if line.startswith("RCPT"))
        self.assertIn(
            "RCPT TO:<jürgen@example.test> NOTIFY=SUCCESS,FAILURE "
            "ORCPT=rfc822;a+2Bb@example.test",
            rcpt,
        )

    def test_quiet_says_the_result_only(self):
        run = probe("--quiet", *MESSAGE, Sink(self).address)
        self.assertEqual(len(run.stdout.splitlines()), 2, run.stdout)
        got, _ = events("--quiet", *MESSAGE, Sink(self).address)
        self.assertEqual([event["event"] for event in got], ["recipient", "result"])


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.cert = str(pathlib.Path(folder.name, "cert.pem"))
        cls.key = str(pathlib.Path(folder.name, "key.pem"))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", cls.key, "-out", cls.cert, "-days", "10",
             "-subj", "/CN=mx.example.test", "-addext", "subjectAltName=DNS:mx.example.test"],
            check=True, capture_output=True,
        )  # fmt: skip

    def sink(self):
        return Sink(self, "--cert", self.cert, "--key", self.key).address

    def test_shows_the_certificate_and_why_it_is_not_verified(self):
        run = probe(self.sink())
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertIn("TLS is on: TLSv1.3, TLS_", run.stdout)
        self.assertRegex(run.stdout, r"certificate +CN=mx\.example\.test\n")
        self.assertRegex(run.stdout, r"valid until  \d{4}-.*, (9|10) days left\n")
        self.assertRegex(run.stdout, r"verified +no: .*signs itself")
        self.assertEqual(run.stdout.count("C: EHLO "), 2)

    def test_verifies_by_the_given_authority_and_name(self):
        good = ["--verify", "--ca", self.cert, "--server-name", "mx.example.test"]
        got, status = events(*good, self.sink())
        self.assertEqual(status, 0)
        facts = of(got, "tls")[0]
        self.assertTrue(facts["verified"])
        self.assertEqual(facts["certificate"]["names"], ["mx.example.test"])
        self.assertRegex(facts["certificate"]["not_after"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_verify_fails_and_says_nothing_more_to_a_wrong_server(self):
        for wrong in (
            ["--server-name", "mx.example.test"],
            ["--ca", self.cert, "--server-name", "other.example.test"],
        ):
            with self.subTest(wrong):
                got, status = events("--verify", *wrong, *MESSAGE, self.sink())
                self.assertEqual(status, 1)
                self.assertFalse(of(got, "tls")[0]["verified"])
                said = [event["line"].split()[0] for event in of(got, "command")]
                self.assertEqual(said, ["EHLO", "STARTTLS"])
                self.assertIn("not verified", of(got, "result")[0]["failure"])

    def test_tls_is_left_out_or_demanded(self):
        run = probe("--tls", "none", self.sink())
        self.assertEqual(run.returncode, 0)
        self.assertNotIn("C: STARTTLS", run.stdout)
        run = probe("--tls", "required", Sink(self).address)
        self.assertEqual(run.returncode, 1)
        self.assertIn("STARTTLS is required and not offered", run.stdout)

    def test_implicit_tls_with_a_server_that_has_none(self):
        server = Scripted(self, [GREETING])
        run = probe("--tls", "implicit", server.address)
        self.assertEqual(run.returncode, 1)
        self.assertIn("failed: no TLS: ", run.stdout)


class AgainstScript(unittest.TestCase):
    def test_refused_recipient(self):
        server = Scripted(
            self,
            [GREETING, EHLO, MAIL, RCPT]
            + [("RCPT TO:<eve@example.test>", b"550 5.1.1 no such person\r\n"), DATA, END, QUIT],
        )
        run = probe(*MESSAGE, "--to", "eve@example.test", server.address)
        self.assertEqual(run.returncode, 1)
        self.assertRegex(run.stdout, r"# permanent failure: .*; 5\.1\.1: no such mailbox")
        self.assertIn("bob@example.test  delivered  final reply: 250 2.0.0 taken\n", run.stdout)
        self.assertIn("eve@example.test  failed     RCPT: 550 5.1.1 no such person\n", run.stdout)
        self.assertTrue(run.stdout.endswith("\ndelivered to 1 of 2 recipients\n"))

    def test_the_message_that_is_made(self):
        server = Scripted(self, [GREETING, EHLO, MAIL, RCPT, DATA, END, QUIT])
        subject = "Grüße\r\nBcc: eve@example.test"
        run = probe(*MESSAGE, "--subject", subject, "--body", ".\nover", server.address)
        self.assertEqual(run.returncode, 0, run.stdout)
        text = server.heard[server.heard.index("DATA") + 1 :]
        fields = dict(line.split(": ", 1) for line in text[: text.index("")])
        self.assertEqual(list(fields), ["Date", "From", "To", "Subject", "Message-ID"])
        self.assertTrue(fields["Subject"].startswith("=?utf-8?B?"))
        self.assertEqual(text[text.index("") :][:4], ["", "..", "over", "."])

    def test_a_message_from_a_file_or_standard_input(self):
        with tempfile.NamedTemporaryFile("w", suffix=".eml") as file:
            file.write("Subject: mine\n\nText\n")
            file.flush()
            for source, stdin in ((file.name, ""), ("-", "Subject: mine\n\nText\n")):
                with self.subTest(source):
                    server = Scripted(self, [GREETING, EHLO, MAIL, RCPT, DATA, END, QUIT])
                    run = probe(*MESSAGE, "--message", source, server.address, stdin=stdin)
                    self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
                    at = server.heard.index("DATA")
                    self.assertEqual(
                        server.heard[at + 1 : -1], ["Subject: mine", "", "Text", "."]
                    )

    def test_an_empty_message_is_a_message(self):
        server = Scripted(self, [GREETING, EHLO, MAIL, RCPT, DATA, END, QUIT])
        run = probe(*MESSAGE, "--message", "/dev/null", server.address)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertEqual(server.heard[server.heard.index("DATA") + 1], ".")

    def test_recipients_that_one_transaction_does_not_take(self):
        limits = ("EHLO ", b"250-scripted.example.test\r\n250 LIMITS RCPTMAX=1 MAILMAX=2\r\n")
        eve = ("RCPT TO:<eve@example.test>", b"250 ok\r\n")
        script = [GREETING, limits, MAIL, RCPT, DATA, END, MAIL, eve, DATA, END, QUIT]
        server = Scripted(self, script)
        more = ["--to", "eve@example.test", "--to", "joe@example.test"]
        got, status = events(*MESSAGE, *more, server.address)
        self.assertEqual(status, 1)
        states = [(r["delivered"], r["untried"]) for r in of(got, "recipient")]
        self.assertEqual(states, [(1, 0), (1, 0), (0, 1)])

    def test_each_recipient_has_its_reply_by_prdr_and_lmtp(self):
        eve = ("RCPT TO:<eve@example.test>", b"250 ok\r\n")
        each = b"250 2.1.5 bob has it\r\n452 4.2.2 eve is full\r\n"
        prdr = ("EHLO ", b"250-scripted.example.test\r\n250 PRDR\r\n")
        lmtp = ("LHLO ", b"250 scripted.example.test\r\n")
        for option, hello, end in (
            ("--prdr", prdr, b"353 each\r\n" + each + b"250 2.0.0 all\r\n"),
            ("--lmtp", lmtp, each),
        ):
            with self.subTest(option):
                script = [GREETING, hello, MAIL, RCPT, eve, DATA, (".", end), QUIT]
                server = Scripted(self, script)
                got, status = events(
                    *MESSAGE, "--to", "eve@example.test", option, server.address
                )
                self.assertEqual(status, 1)
                bob, eve_got = of(got, "recipient")
                self.assertEqual((bob["delivered"], eve_got["deferred"]), (1, 1))
                self.assertEqual((eve_got["enhanced"], eve_got["code"]), ("4.2.2", 452))
                final = [e for e in of(got, "reply") if e["step"] == "final reply"]
                self.assertEqual(len(final), end.count(b"\r\n"))
                self.assertEqual(of(got, "reply")[-1]["step"], "QUIT")

    def test_login_never_shows_the_password(self):
        offers = ("EHLO ", b"250-scripted.example.test\r\n250 AUTH PLAIN\r\n")
        # "\0alice\0open sesame" in base64.
        auth = ("AUTH PLAIN AGFsaWNlAG9wZW4gc2VzYW1l", b"235 2.7.0 welcome\r\n")
        server = Scripted(self, [GREETING, offers, auth, QUIT])
        login = ["--user", "alice", "--password-file", "-"]
        run = probe(*login, "--auth-without-tls", server.address, stdin="open sesame\n")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertIn("C: AUTH PLAIN ****\n", run.stdout)
        for secret in ("sesame", "AGFsaWNl"):
            self.assertNotIn(secret, run.stdout + run.stderr)

        server = Scripted(self, [GREETING, offers, QUIT])
        run = probe(*login, server.address, stdin="open sesame\n")
        self.assertEqual(run.returncode, 1)
        self.assertIn("no password without TLS", run.stdout)

    def test_refused_service(self):
        server = Scripted(self, [(None, b"554 5.7.1 not from there\r\n"), QUIT])
        got, status = events(server.address)
        self.assertEqual(status, 1)
        self.assertIn("554 5.7.1 not from there", of(got, "result")[0]["failure"])

    def test_what_is_no_reply_is_shown(self):
        server = Scripted(self, [(None, b"SSH-2.0-\xffx\r\n")])
        run = probe(*MESSAGE, server.address)
        self.assertEqual(run.returncode, 1)
        self.assertIn(r"the server sent: SSH-2.0-\xFFx\r\n", run.stdout)
        self.assertIn("bob@example.test  untried\n", run.stdout)

    def test_octets_that_are_bad_for_terminals_and_json(self):
        bad = b'220 \xc2\x9b31m \xff\x1b[31m "q" \\ \r\n'
        script = [(None, bad), EHLO, QUIT]
        run = probe(Scripted(self, script).address)
        self.assertEqual(run.returncode, 0)
        self.assertIn('S: 220 ?31m ??[31m "q" \\', run.stdout)
        got, status = events(Scripted(self, script).address)
        self.assertEqual(status, 0)
        self.assertIn('"q" \\', of(got, "reply")[0]["lines"][0])

    def test_a_step_that_times_out_is_in_the_table(self):
        server = Scripted(self, [GREETING])
        got, status = events("--timeout", "1", server.address)
        self.assertEqual(status, 1)
        self.assertIn("timed out", of(got, "result")[0]["failure"])
        hello = next(event for event in of(got, "timing") if event["step"] == "EHLO")
        self.assertGreater(hello["total_ms"], 900)

    def test_nobody_there(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = f"127.0.0.1:{listener.getsockname()[1]}"
        run = probe(address)
        self.assertEqual(run.returncode, 1)
        self.assertIn(f"no connection: {address}: Connection refused", run.stdout)

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/lmtp"
            run = probe(f"unix:{path}")
            self.assertEqual(run.returncode, 1)
            self.assertIn(f"unix:{path}: No such file or directory", run.stdout)
            hello = ("LHLO ", b"250 scripted.example.test\r\n")
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            listener.listen()
            server = Scripted(self, [GREETING, hello, QUIT], listener)
            run = probe("--lmtp", server.address)
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
            self.assertIn(f" * connected to unix:{path}\n", run.stdout)


# What is wrong, and what the one line says of it.
BAD_USAGE = {
    "no server": ([], "which server?"),
    "two servers": (["a.example", "b.example"], "second server"),
    "unknown option": (["--nope", "a.example"], "--nope is not an option"),
    "bad port": (["a.example:99999"], '"a.example:99999" is not HOST[:PORT]'),
    "bad host": (["a_b..c"], "is not HOST[:PORT]"),
    "no value": (["a.example", "--helo"], "--helo needs a value"),
    "value for a switch": (["--json=yes", "a.example"], "--json takes no value"),
    "bad helo": (["--helo", "a b", "a.example"], "no host name"),
    "sender only": (["--from", "a@b.example", "a.example"], "--from needs --to"),
    "recipient only": (["--to", "a@b.example", "a.example"], "--to needs --from"),
    "bad address": (["--from", "a", "--to", "b@c.example", "x"], '"a" is no address'),
    "injection": (["--from", "a@b.example>\r\nQUIT", "--to", "b@c.example", "x"], "no address"),
    "null recipient": (["--from", "<>", "--to", "<>", "x"], "a recipient cannot be <>"),
    "message option": (["--bdat", "a.example"], "--bdat needs a message"),
    "two messages": ([*MESSAGE, "--message", "a", "--subject", "b", "x"], "do not go with it"),
    "bad tls": (["--tls", "yes", "x"], "none, opportunistic, required or implicit"),
    "verify without": (["--tls", "none", "--verify", "x"], "--verify does not go with"),
    "bad notify": ([*MESSAGE, "--notify", "never,delay", "x"], "never goes with nothing else"),
    "orcpt first": (["--orcpt", "a", *MESSAGE, "x"], "belongs to the --to before it"),
    "bad count": ([*MESSAGE, "--repeat", "0", "x"], "is not a number from 1 to"),
    "user only": (["--user", "a", "x"], "go together"),
    "no password file": (["--user", "a", "--password-file", "/nope", "x"], "/nope: No such file"),
    "empty password": (["--user", "a", "--password-file", "/dev/null", "x"], "no password"),
    "no message file": ([*MESSAGE, "--message", "/nope", "x"], "/nope: No such file"),
    "no authorities": (["--ca", "/nope", "x"], "/nope: CA file not found"),
}


class CommandLine(unittest.TestCase):
    def test_bad_usage_is_one_clear_line_and_status_2(self):
        for name, (arguments, says) in BAD_USAGE.items():
            with self.subTest(name):
                run = probe(*arguments)
                self.assertEqual(run.returncode, 2, run.stdout + run.stderr)
                self.assertEqual(run.stdout, "")
                self.assertTrue(run.stderr.startswith("probe: "), run.stderr)
                self.assertIn(says, run.stderr)
                if name != "injection":
                    self.assertEqual(run.stderr.count("\n"), 1, run.stderr)

    def test_help_has_examples_and_every_option(self):
        run = probe("--help")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertIn("\nExamples:\n", run.stdout)
        self.assertIn("Exit status:", run.stdout)
        for option in ("--tls implicit", "--password-file", "--prdr", "--orcpt", "--no-color"):
            self.assertIn(option, run.stdout)
        self.assertLessEqual(max(map(len, run.stdout.splitlines())), 100)


if __name__ == "__main__":
    unittest.main()
