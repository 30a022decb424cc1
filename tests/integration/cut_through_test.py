#!/usr/bin/python3
"""border_mta with relay.mode = "cut_through": the client hears the next hop, and nothing is kept."""

import os
import signal
import subprocess

import harness
import servers

TEXT = b"Subject: through\r\n\r\nHello\r\n.dot\r\n"


def config(hop, more=""):
    """harness.CONFIG without a spool, for one next hop."""
    start, end = harness.CONFIG.index("[routes]"), harness.CONFIG.index("# No test")
    return (harness.CONFIG[:start] + f"""[routes]
rules = ["example.test  smtp:[127.0.0.1]:{hop}"]
[relay]
mode = "cut_through"
[relay.cut_through]
directory = "overflow"
memory_per_message = "1 KiB"
""" + harness.CONFIG[end:] + more)


class CutThrough(harness.Test):
    def setUp(self):
        super().setUp()
        (self.folder / "overflow").mkdir()

    def client(self, mta):
        client = harness.Conversation(mta.port)
        self.addCleanup(client.close)
        client.reply()
        client.expect("250", "EHLO client.sender.test")
        return client

    def nothing_is_kept(self):
        left = sorted(p.name for p in self.folder.iterdir() if not p.name.endswith(".log"))
        self.assertEqual(left, ["border_mta.toml", "overflow"])
        self.assertEqual(list((self.folder / "overflow").iterdir()), [])

    # --- The reply ------------------------------------------------------------------------------

    @servers.needs_aiosmtpd
    def test_what_the_next_hop_says_is_the_reply(self):
        hop = servers.Hop(self)
        hop.data_replies = ["250 2.6.0 Taken as 4711"]
        mta = self.border_mta(config(hop.port))
        reply = self.client(mta).message(TEXT, "bob@example.test")
        # It has the message by the time that the client hears so.
        (mail,) = hop.mails
        self.assertTrue(reply.startswith("250 2.6.0 Taken as 4711"), reply)
        self.assertTrue(mail.text.endswith(TEXT), mail.text)
        self.assertEqual(mail.recipients, ["bob@example.test"])
        done = mta.event("the attempt", event="delivery", result="delivered")
        self.assertEqual((done["to"], done["attempt"]), ("bob@example.test", 1))
        self.assertEqual(mta.stop(), 0)
        self.nothing_is_kept()

    @servers.needs_aiosmtpd
    def test_refusals_of_the_next_hop_are_replies(self):
        hop = servers.Hop(self)
        mta = self.border_mta(config(hop.port))
        client = self.client(mta)
        hop.answers["bob@example.test"] = "550 5.1.1 No Bob at this house"
        reply = client.message(TEXT, "bob@example.test")
        self.assertTrue(reply.startswith("550 5.1.1 No Bob at this house"), reply)
        self.assertEqual(hop.mails, [])
        mta.event("the attempt", event="delivery", result="failed", to="bob@example.test")
        hop.data_replies = ["452 4.3.1 The house is full"]
        reply = client.message(TEXT, "bob@example.test")
        self.assertTrue(reply.startswith("452 4.3.1 The house is full"), reply)
        self.assertEqual(mta.stop(), 0)
        self.nothing_is_kept()

    @harness.needs("smtp-sink")
    def test_smtp_sink(self):
        mta = self.border_mta(config(self.smtp_sink()))
        self.assertTrue(self.client(mta).message(TEXT, "bob@example.test").startswith("250 2.0.0 "))
        (mail,) = self.sunk()
        self.assertIn("\nHello\n.dot\n", mail)

    @harness.needs("smtp-sink")
    def test_smtp_sink_that_refuses(self):
        mta = self.border_mta(config(self.smtp_sink("-f", "RCPT")))
        reply = self.client(mta).message(TEXT, "bob@example.test")
        self.assertTrue(reply.startswith("500 "), reply)
        self.assertEqual("".join(self.sunk()), "")

    def test_next_hop_that_is_away(self):
        mta = self.border_mta(config(harness.free_port()))
        reply = self.client(mta).message(TEXT, "bob@example.test")
        self.assertTrue(reply.startswith("451 4.4.1 "), reply)
        self.assertEqual(mta.stop(), 0)
        self.nothing_is_kept()

    # --- What is held meanwhile -----------------------------------------------------------------

    @servers.needs_aiosmtpd
    def test_large_message_leaves_no_file(self):
        hop = servers.Hop(self)
        mta = self.border_mta(config(hop.port))
        text = b"Subject: large\r\n\r\n" + b"0123456789\r\n" * 20_000
        reply = self.client(mta).message(text, "bob@example.test")
        self.assertTrue(reply.startswith("250 "), reply)
        self.assertTrue(hop.mails[0].text.endswith(text))
        self.nothing_is_kept()

    @servers.needs_aiosmtpd
    def test_second_recipient_gets_a_message_of_its_own(self):
        hop = servers.Hop(self)
        client = self.client(self.border_mta(config(hop.port)))
        client.expect("250", "MAIL FROM:<alice@sender.test>")
        client.expect("250", "RCPT TO:<bob@example.test>")
        client.expect("452 4.5.3", "RCPT TO:<carol@example.test>")

    # --- The program around it ------------------------------------------------------------------

    def note(self, mta, level, part):
        """Waits for a note of the reload."""
        start = f'"level":"{level}"'
        mta.log.wait(part, lambda line: start in line and '"reload"' in line and part in line)

    @servers.needs_aiosmtpd
    def test_reload_changes_routes_and_not_the_mode(self):
        one, other = servers.Hop(self), servers.Hop(self)
        mta = self.border_mta(config(one.port))
        mta.config.write_text(config(other.port), encoding="utf-8")
        mta.signal(signal.SIGHUP)
        self.note(mta, "info", "certificates and routes were loaded")
        client = self.client(mta)
        self.assertTrue(client.message(TEXT, "bob@example.test").startswith("250 "))
        self.assertEqual((len(one.mails), len(other.mails)), (0, 1))
        # The default mode, with a route that only it can serve: all stays as it was.
        mta.config.write_text(harness.CONFIG, encoding="utf-8")
        mta.signal(signal.SIGHUP)
        self.note(mta, "error", "only a next hop can take mail then")
        # With one that both serve it is loaded, and the log tells of the rest.
        mta.config.write_text(
            harness.with_routes(f"example.test  smtp:[127.0.0.1]:{one.port}"), encoding="utf-8")
        mta.signal(signal.SIGHUP)
        self.note(mta, "warning", "they need a restart")
        self.assertTrue(client.message(TEXT, "bob@example.test").startswith("250 "))
        self.assertEqual((len(one.mails), len(other.mails)), (1, 1))
        self.assertFalse((self.folder / "spool").exists())

    def run_mta(self, text, *arguments):
        file = self.folder / "c.toml"
        file.write_text(text, encoding="utf-8")
        return subprocess.run([harness.BORDER_MTA, "--config", str(file), *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=harness.PATIENCE, check=False)

    def fails(self, text, *parts, arguments=("--check-config",)):
        done = self.run_mta(text, *arguments)
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
        for part in parts:
            self.assertIn(str(part), done.stderr)

    def test_check_config(self):
        good = config(25)
        self.assertEqual(self.run_mta(good, "--check-config").returncode, 0)
        self.assertEqual(list((self.folder / "overflow").iterdir()), [])
        last = good.count("\n")
        self.fails(good + "[spool]\n", f"c.toml:{last + 1}:1: spool: nothing is kept with ")
        (self.folder / "routes").write_text("# routes\nother.test discard\n", encoding="utf-8")
        self.fails(good.replace("[routes]", '[routes]\nfile = "routes"'),
                   self.folder / "routes:2: relay.mode is ")
        os.rmdir(self.folder / "overflow")
        for arguments in (["--check-config"], []):
            self.fails(good, ":13:13: relay.cut_through.directory: ", self.folder / "overflow: ",
                       "No such file or directory", "; name another folder", arguments=arguments)

    def test_no_queue(self):
        for task in (["--queue"], ["--release", "x"], ["--remove", "x"], ["--repair"]):
            self.fails(config(25), ":11:8: relay.mode: ", "there is no spool", arguments=task)


if __name__ == "__main__":
    harness.main()
