#!/usr/bin/python3
"""Independent clients send to border_mta, and their messages arrive in a Maildir."""

import subprocess

import harness

MESSAGE = """From: alice@sender.test
To: bob@example.test
Subject: from a client

Hello
.dot
..
end
"""


class Clients(harness.Test):
    def check_arrived(self, mta, count=1):
        text = self.arrived(mta, "bob", count)
        self.assertIn("Return-Path: <alice@sender.test>\n", text)
        self.assertIn("Delivered-To: bob@example.test\n", text)
        self.assertIn("Received: from ", text)
        self.assertNotIn("\r", text)
        return text.replace("\n ", " ")  # unfolded

    def swaks(self, mta, *arguments):
        return self.run_ok(
            "swaks", "--server", mta.address, "--from", "alice@sender.test",
            "--to", "bob@example.test", "--helo", "client.sender.test", *arguments)

    @harness.needs("swaks")
    def test_swaks_plain(self):
        mta = self.border_mta()
        self.swaks(mta, "--header", "Subject: plain")
        text = self.check_arrived(mta)
        self.assertIn("\nSubject: plain\n", text)
        self.assertIn(" with ESMTP id ", text)
        self.assertIn("from client.sender.test", text)

    @harness.needs("swaks")
    def test_swaks_starttls(self):
        mta = self.border_mta()
        said = self.swaks(mta, "--tls")
        self.assertIn("TLS started with cipher TLSv1.3", said)
        self.assertIn(" with ESMTPS (version=TLSv1.3 ", self.check_arrived(mta))

    @harness.needs("swaks")
    def test_swaks_implicit_tls(self):
        mta = self.border_mta(harness.CONFIG.replace(
            'listen = [{ address = "127.0.0.1:0" }]',
            'listen = [{ address = "127.0.0.1:0", tls = true }]'))
        self.swaks(mta, "--tls-on-connect")
        self.assertIn(" with ESMTPS (version=TLSv1.3 ", self.check_arrived(mta))

    @harness.needs("swaks")
    def test_swaks_pipelined(self):
        mta = self.border_mta()
        self.swaks(mta, "--pipeline")
        self.check_arrived(mta)

    @harness.needs("swaks")
    def test_swaks_lmtp(self):
        mta = self.border_mta(extra='[[channel]]\nname = "default"\nlmtp = true\n')
        said = self.run_ok(
            "swaks", "--protocol", "LMTP", "--server", mta.address, "--from", "alice@sender.test",
            "--to", "bob@example.test,carol@example.test")
        self.assertIn(" with LMTP id ", self.check_arrived(mta))
        self.arrived(mta, "carol")
        self.assertEqual(said.count("<-  250 2.0.0"), 2, "one reply per recipient:\n" + said)

    @harness.needs("swaks")
    def test_swaks_unix_socket(self):
        path = self.folder / "mta.sock"
        mta = self.border_mta(harness.CONFIG.replace(
            "listen = [", f'listen = [{{ address = "unix:{path}" }}, '))
        self.run_ok("swaks", "--socket", path, "--from", "alice@sender.test",
                    "--to", "bob@example.test")
        self.check_arrived(mta)

    @harness.needs("swaks")
    def test_refusals(self):
        mta = self.border_mta()
        unknown = self.run_program("swaks", "--server", mta.address, "--from", "alice@sender.test",
                                   "--to", "nobody@example.test")
        self.assertEqual(unknown.returncode, 24, unknown.stdout)
        self.assertIn("<** 550 5.1.1 ", unknown.stdout)
        relaying = self.run_program("swaks", "--server", mta.address, "--from", "alice@sender.test",
                                    "--to", "bob@elsewhere.test")
        self.assertEqual(relaying.returncode, 24, relaying.stdout)
        self.assertIn("<** 550 5.7.1 ", relaying.stdout)
        # One good recipient among bad ones gets its mail.
        self.run_program("swaks", "--server", mta.address, "--from", "alice@sender.test",
                         "--to", "nobody@example.test,bob@example.test,x@elsewhere.test")
        self.check_arrived(mta)

    @harness.needs("msmtp")
    def test_msmtp(self):
        mta = self.border_mta()
        self.run_ok("msmtp", "--host=127.0.0.1", f"--port={mta.port}", "--from=alice@sender.test",
                    "--tls=on", "--tls-certcheck=off", "bob@example.test", text=MESSAGE)
        self.assertIn("\nHello\n.dot\n..\nend\n", self.check_arrived(mta))

    @harness.needs("curl")
    def test_curl(self):
        mta = self.border_mta()
        message = self.folder / "message"
        message.write_text(MESSAGE.replace("\n", "\r\n"), newline="")
        self.run_ok("curl", "--silent", "--show-error", f"smtp://{mta.address}/client.sender.test",
                    "--mail-from", "alice@sender.test", "--mail-rcpt", "bob@example.test",
                    "--upload-file", message, "--ssl-reqd", "--insecure")
        self.assertIn("\nHello\n.dot\n..\nend\n", self.check_arrived(mta))

    @harness.needs("smtp-source")
    def test_smtp_source(self):
        mta = self.border_mta(extra="[checks.volume_limit]\nenabled = false\n")
        for size in (100, 20_000, 2_000_000):
            self.run_ok("smtp-source", "-s", 5, "-m", 10, "-l", size, "-f", "alice@sender.test",
                        "-t", "bob@example.test", mta.address)
        text = self.arrived(mta, "bob", 30)
        self.assertIn("Return-Path: <alice@sender.test>\n", text)

    @harness.needs("smtp-source")
    def test_smtp_source_without_disconnecting(self):
        mta = self.border_mta()
        self.run_ok("smtp-source", "-d", "-s", 4, "-m", 200, "-l", 500, "-f", "alice@sender.test",
                    "-t", "bob@example.test", mta.address)
        self.arrived(mta, "bob", 200)

    # By hand: each line when the one before it is answered.
    @harness.needs("openssl")
    def test_openssl_s_client(self):
        mta = self.border_mta()
        client = self.start("openssl", "s_client", "-starttls", "smtp", "-connect", mta.address,
                            "-crlf", "-quiet", "-verify_quiet", stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        text = "Subject: by hand\n\nHello\n."
        for line, code in (("EHLO client.sender.test", "250-"), ("NOOP", "250 "),
                           ("MAIL FROM:<alice@sender.test>", "250 2.1.0"),
                           ("RCPT TO:<bob@example.test>", "250 2.1.5"), ("DATA", "354 "),
                           (text, "250 2.0.0"), ("QUIT", "221 ")):
            print(line, file=client.stdin, flush=True)
            while not (heard := client.stdout.readline()).startswith(code):
                self.assertTrue(heard.startswith("250"), f"{line!r}: {heard!r}")
        self.assertIn(" with ESMTPS (version=TLSv1.3 ", self.check_arrived(mta))

    @harness.needs("openssl")
    def test_tls_floor(self):
        mta = self.border_mta()
        for version, good in (("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
            done = self.run_program(
                "openssl", "s_client", "-starttls", "smtp", "-connect", mta.address, version,
                "-cipher", "ALL:@SECLEVEL=0", text="QUIT\n")
            self.assertEqual("Cipher is (NONE)" not in done.stdout, good, done.stdout)


if __name__ == "__main__":
    harness.main()
