#!/usr/bin/python3
"""border_mta as an LMTP server (RFC 2033): a reply per recipient, to swaks, msmtp and smtp-source."""

import harness
import servers

CHANNEL = '[[channel]]\nname = "default"\nlmtp = true\n'


class LmtpService(harness.Test):
    def lmtp(self, config=harness.CONFIG, extra=""):
        return self.border_mta(config, CHANNEL + extra)

    def swaks(self, mta, to, *options):
        return self.run_program(
            "swaks", "--protocol", "LMTP", "--server", mta.address, "--from", "alice@sender.test",
            "--helo", "client.sender.test", "--to", to, *options)

    @staticmethod
    def replies_to_text(said):
        """The replies behind the dot in what swaks shows."""
        behind = said[said.index("\n -> .\n") + 7:said.index("\n -> QUIT\n") + 1]
        return [line[4:] for line in behind.splitlines() if line.startswith(("<-  ", "<** "))]

    @harness.needs("swaks")
    def test_replies_for_those_accepted(self):
        mta = self.lmtp()
        done = self.swaks(mta, "bob@example.test,nobody@example.test,carol@example.test,"
                          "bob@elsewhere.test")
        self.assertIn("<** 550 5.1.1 ", done.stdout)
        self.assertIn("<** 550 5.7.1 ", done.stdout)
        replies = self.replies_to_text(done.stdout)
        self.assertEqual(len(replies), 2, done.stdout)
        for reply in replies:
            self.assertRegex(reply, "^250 2.0.0 ")
        for user in ("bob", "carol"):
            self.assertIn(" by mx.example.test with LMTP\n id ", self.arrived(mta, user))

    @harness.needs("swaks")
    def test_replies_that_differ(self):
        # Bob's copy goes round in circles, and that is told of his alone.
        mta = self.lmtp()
        done = self.swaks(mta, "carol@example.test,bob@example.test,alice@example.test",
                          "--header", "Delivered-To: bob@example.test")
        replies = self.replies_to_text(done.stdout)
        self.assertEqual([reply[:9] for reply in replies], ["250 2.0.0", "554 5.4.6", "250 2.0.0"],
                         done.stdout)
        for user in ("alice", "carol"):
            self.arrived(mta, user)
        self.assertEqual(self.messages("bob"), [])

    @harness.needs("swaks")
    def test_message_refused_as_a_whole(self):
        # As many refusals as there are recipients.
        mta = self.lmtp()
        hops = [option for _ in range(60) for option in ("--add-header", "Received: from a by b")]
        done = self.swaks(mta, "bob@example.test,carol@example.test", *hops)
        self.assertEqual([reply[:9] for reply in self.replies_to_text(done.stdout)],
                         ["554 5.4.6"] * 2, done.stdout)

    @harness.needs("swaks")
    def test_starttls_and_pipelining(self):
        mta = self.lmtp()
        done = self.swaks(mta, "bob@example.test,carol@example.test", "--tls", "--pipeline")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(self.arrived(mta, "bob"), r"\swith\sLMTPS\s+\(version=TLSv1\.3\b")
        self.arrived(mta, "carol")

    @harness.needs("swaks")
    def test_unix_socket(self):
        path = servers.short_folder(self) / "lmtp"
        mta = self.lmtp(harness.CONFIG.replace(
            "listen = [", f'listen = [{{ address = "unix:{path}" }}, '))
        self.run_ok("swaks", "--protocol", "LMTP", "--socket", path, "--from", "alice@sender.test",
                    "--to", "bob@example.test")
        self.arrived(mta, "bob")

    @harness.needs("msmtp")
    def test_msmtp(self):
        mta = self.lmtp()
        self.run_ok("msmtp", "--protocol=lmtp", "--host=127.0.0.1", f"--port={mta.port}",
                    "--from=alice@sender.test", "bob@example.test", "carol@example.test",
                    text="Subject: t\n\nHello\n.\n")
        for user in ("bob", "carol"):
            self.assertTrue(self.arrived(mta, user).endswith("\nHello\n.\n"))

    @harness.needs("smtp-source")
    def test_smtp_source(self):
        # Ten recipients each, in many sessions; it counts the replies.
        mta = self.lmtp(harness.CONFIG.replace("rules = [", 'rules = [ "load.test maildir:all",'),
                        "[checks.volume_limit]\nenabled = false\n")
        self.run_ok("smtp-source", "-L", "-d", "-s", 4, "-m", 20, "-r", 10, "-l", 2000, "-f",
                    "alice@sender.test", "-t", "bob@load.test", mta.address)
        self.arrived(mta, "all", 200)

    def test_bdat(self):
        mta = self.lmtp()
        with harness.Conversation(mta.port) as client:
            client.reply()
            client.expect("250", "LHLO client.sender.test")
            self.assertTrue(client.message(b"Subject: t\r\n\r\n", "bob@example.test",
                                           "carol@example.test", bdat=True).startswith("250 2.0.0 "))
            self.assertTrue(client.reply().startswith("250 2.0.0 "))
            client.expect("221", "QUIT")

    def test_verbs(self):
        mta = self.lmtp()
        with harness.Conversation(mta.port) as client:
            client.reply()
            client.expect("500", "EHLO client.sender.test")  # RFC 2033 §4.1
            client.expect("500", "HELO client.sender.test")
            client.expect("250", "LHLO client.sender.test")
            client.expect("250", "MAIL FROM:<alice@sender.test>")
            client.expect("550", "RCPT TO:<nobody@example.test>")
            client.expect("503", "DATA")  # RFC 2033 §4.2: no recipients, no text
        mta.stop()
        mta = self.border_mta()
        with harness.Conversation(mta.port) as client:
            client.reply()
            client.expect("500", "LHLO client.sender.test")


if __name__ == "__main__":
    harness.main()
