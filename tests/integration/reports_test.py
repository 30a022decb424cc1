#!/usr/bin/python3
"""DMARC reports of border_mta: what it counts, for whom it writes, and what survives."""

import collections
import email
import email.policy
import gzip
import importlib.util
import pwd
import re
import shutil
import signal
import subprocess
import xml.etree.ElementTree

import harness
import servers

# reports.test has agreed to have those of sender.test, and victim.test has not.
ZONE = """$TTL 60
. SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 60
. NS ns.invalid.
ns.invalid. A 127.0.0.1
sender.test. TXT "v=spf1 ip4:127.0.0.1 -all"
_dmarc.sender.test. TXT ( "v=DMARC1; p=none; rua=mailto:dmarc@sender.test,"
  "mailto:a@reports.test,mailto:b@victim.test" )
sender.test._report._dmarc.reports.test. TXT "v=DMARC1"
reports.test. A 192.0.2.1
victim.test. A 192.0.2.2
_dmarc.small.test. TXT "v=DMARC1; p=none; rua=mailto:dmarc@small.test!10,mailto:big@small.test!10m"
_dmarc.nobody.test. TXT "v=DMARC1; p=none; rua=mailto:b@victim.test"
_dmarc.failing.test. TXT "v=DMARC1; p=none; ruf=mailto:ruf@failing.test,mailto:b@victim.test"
"""

SETTINGS = """
[checks.client]
exempt = []
[checks.spf]
enabled = true
[checks.dmarc]
rfc = "9989"
exempt = []
[checks.dmarc.reports]
enabled = true
email = "dmarc-noreply@example.test"
organization = "Example & Sons"
"""

NS = "{urn:ietf:params:xml:ns:dmarc-2.0}"
Report = collections.namedtuple("Report", "mail name xml")


def read_report(text):
    """The parts of a report's message, which has to be as RFC 9990 wants it."""
    mail = email.message_from_bytes(text, policy=email.policy.SMTP)
    part = next(mail.iter_attachments())
    assert part.get_content_type() == "application/gzip", part.get_content_type()
    root = xml.etree.ElementTree.fromstring(gzip.decompress(part.get_content()))
    return Report(mail, part.get_filename(), root)


def counts(report):
    """How many messages of each domain in From passed or failed."""
    found = collections.Counter()
    for record in report.xml.iter(f"{NS}record"):
        row = record.find(f"{NS}row")
        passed = "pass" in [row.find(f"{NS}policy_evaluated/{NS}{m}").text for m in ("dkim", "spf")]
        who = record.find(f"{NS}identifiers/{NS}header_from").text
        found[who, passed] += int(row.find(f"{NS}count").text)
    return found


class Reports(harness.Test):
    def setUp(self):
        super().setUp()
        self.dns = servers.Nsd(self, ZONE)
        self.out = self.folder / "out"
        self.out.mkdir()
        self.counts_file = self.out / ".counts"

    def config(self, **settings):
        """The configuration; without other settings it counts, and reports nothing for an hour."""
        settings = {"interval": "1h", "save_every": "100ms", "directory": "out/", **settings}
        lines = "".join(f'{key} = "{value}"\n' for key, value in settings.items() if value)
        base = harness.CONFIG.replace('127.0.0.1:1"', f'127.0.0.1:{self.dns.port}"')
        for table in ("spf", "dmarc"):
            base = base.replace(f"[checks.{table}]\nenabled = false\n", "")
        return base + harness.QUICK_RETRY + SETTINGS + lines

    def send(self, mta, domain, count, author=None):
        """Sends messages from a domain, which say that they are of `author`."""
        with harness.Conversation(mta.port) as client:
            client.reply()
            client.expect("250", f"EHLO client.{domain}")
            text = f"From: a@{author or domain}\r\nSubject: x\r\n\r\nHello\r\n".encode()
            for _ in range(count):
                reply = client.message(text, "bob@example.test", sender=f"a@{domain}")
                self.assertTrue(reply.startswith("250 "), reply)

    def counted(self, mta, count):
        """Waits until the file has a row with that count, of this machine (report_codec.hpp)."""
        octets = count.to_bytes(8, "little") + (9).to_bytes(8, "little") + b"127.0.0.1"
        harness.wait_until(
            f"a count of {count}",
            lambda: self.counts_file.exists() and octets in self.counts_file.read_bytes(),
            mta.process)

    def files(self, count, mta):
        """Waits for so many files, and gives the reports in them."""
        harness.wait_until(f"{count} files", lambda: len(list(self.out.glob("*.eml"))) >= count,
                           mta.process)
        # Nothing else there may be taken for one.
        others = set(self.out.iterdir()) - set(self.out.glob("*.eml"))
        self.assertTrue(all(file.name.startswith(".") for file in others), others)
        found = [read_report(file.read_bytes()) for file in sorted(self.out.glob("*.eml"))]
        self.assertEqual(len(found), count)
        return found

    # --- What is told, and to whom ----------------------------------------------------------------

    def test_what_it_tells_after_a_crash(self):
        mta = self.border_mta(self.config())
        self.send(mta, "sender.test", 5)
        self.send(mta, "other.test", 2, author="sender.test")
        self.counted(mta, 5)
        self.counted(mta, 2)
        mta.kill()
        self.assertEqual(list(self.out.glob("*.eml")), [])

        mta = self.border_mta(self.config(interval="1s"))
        report, = self.files(1, mta)
        self.assertEqual(counts(report), {("sender.test", True): 5, ("sender.test", False): 2})
        self.assertEqual(report.mail["From"], "dmarc-noreply@example.test")
        self.assertEqual(report.mail["To"], "dmarc@sender.test, a@reports.test")
        self.assertRegex(report.mail["Subject"],
                         "^Report Domain: sender.test Submitter: example.test Report-ID: <.*>$")
        self.assertRegex(report.name, r"^example\.test!sender\.test!\d+!\d+\.xml\.gz$")
        told = {e.tag.removeprefix(NS): e.text for e in report.xml.find(f"{NS}report_metadata")}
        self.assertEqual(told["org_name"], "Example & Sons")
        self.assertEqual(told["email"], "dmarc-noreply@example.test")
        self.assertEqual(report.xml.find(f"{NS}policy_published/{NS}domain").text, "sender.test")
        file, = self.out.glob("*.eml")
        self.assertEqual(file.name, told["report_id"] + ".eml")
        note = mta.event("the report", event="note", where="dmarc reports", level="info")
        self.assertIn("sender.test: 7 messages, the report to dmarc@sender.test, a@reports.test is "
                      f"{file}", note["what"])
        self.assertEqual(mta.stop(), 0)

    def test_into_files_after_a_reload_and_a_stop(self):
        mta = self.border_mta(self.config(save_every="1h"))
        self.send(mta, "sender.test", 3)
        self.send(mta, "small.test", 1)
        mta.signal(signal.SIGHUP)
        mta.log.wait("the reload", lambda line: "certificates and routes were loaded" in line)
        self.send(mta, "nobody.test", 1)
        self.assertEqual(mta.stop(), 0)
        mta = self.border_mta(self.config(interval="1s"))
        of = {r.name.split("!")[1]: r for r in self.files(2, mta)}
        self.assertEqual(set(of), {"sender.test", "small.test"})
        self.assertEqual(counts(of["sender.test"]), {("sender.test", True): 3})
        # The other one wants no more than ten octets.
        self.assertEqual(of["small.test"].mail["To"], "big@small.test")
        # All that was counted has gone out, or nobody wanted it.
        harness.wait_until("no counts", lambda: b"test" not in self.counts_file.read_bytes(),
                           mta.process)
        self.assertEqual(mta.stop(), 0)
        self.assertNotIn(b"test", self.counts_file.read_bytes())

    @harness.needs("openssl")
    def test_signed_by_our_own_key(self):
        if not importlib.util.find_spec("dkim"):
            servers.skip(self, "python3-dkim: not installed")
        import dkim  # pylint: disable=import-outside-toplevel,import-error

        subprocess.run(["openssl", "genrsa", "-out", self.folder / "key.pem", "2048"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (self.folder / "key.pem").chmod(0o600)
        mta = self.border_mta(self.config(interval="1s"), """
[sign]
networks = ["192.0.2.0/24"]
[[sign.dkim]]
domain = "example.test"
selector = "s"
key = "key.pem"
""")
        record = mta.log.wait("the record", lambda line: 's._domainkey.example.test TXT' in line
                              and line.split('TXT \\"')[1].split('\\"')[0])
        self.send(mta, "sender.test", 1)
        self.files(1, mta)
        text = next(self.out.glob("*.eml")).read_bytes()
        self.assertTrue(text.startswith(b"DKIM-Signature: "))
        self.assertTrue(dkim.verify(text, dnsfunc=lambda *_, **__: record.encode()), text)

    def test_single_messages_that_fail(self):
        mta = self.border_mta(self.config(), """
[checks.dmarc.reports.failure]
enabled = true
per_hour = 2
""")
        self.send(mta, "sender.test", 1, author="failing.test")
        self.send(mta, "sender.test", 3)  # nobody asks for these
        harness.wait_until("a failure report", lambda: list(self.out.glob("failure-*.eml")),
                           mta.process)
        file, = self.out.glob("*.eml")
        mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.SMTP)
        self.assertEqual(mail["From"], "dmarc-noreply@example.test")
        self.assertEqual(mail["To"], "ruf@failing.test")
        self.assertEqual(mail["Auto-Submitted"], "auto-generated")
        self.assertEqual([part.get_content_type() for part in mail.iter_parts()],
                         ["text/plain", "message/feedback-report", "text/rfc822-headers"])
        text = file.read_text()
        self.assertIn("\nReported-Domain: failing.test\n", text)
        self.assertIn("\nFrom: a@failing.test\nSubject: x\n", text)
        self.assertNotIn("bob@", text)
        self.send(mta, "sender.test", 3, author="failing.test")
        mta.event("what is dropped", event="note", where="dmarc failure reports", level="warning")
        self.assertEqual(mta.stop(), 0)

    # --- When something is wrong ------------------------------------------------------------------

    def test_the_same_one_after_a_crash(self):
        kept = self.folder / "counts"
        config = self.config(interval="1s", file="counts")
        mta = self.border_mta(config)
        self.out.rmdir()
        self.send(mta, "sender.test", 4)
        trouble = mta.event("trouble", event="note", where="dmarc reports", level="error")
        told = re.search(r"the report on sender\.test cannot be written: (\S+\.eml): No such file",
                         trouble["what"])
        self.assertTrue(told, trouble["what"])
        mta.kill()
        closed = kept.read_bytes()
        self.out.mkdir()
        # Twice: the second time border_mta had no time to save that the report was written.
        for _ in range(2):
            kept.write_bytes(closed)
            mta = self.border_mta(config)
            report, = self.files(1, mta)
            self.assertEqual([str(file) for file in self.out.glob("*.eml")], [told[1]])
            self.assertEqual(counts(report), {("sender.test", True): 4})
            mta.kill()

    def test_goes_on_when_the_folder_is_back(self):
        mta = self.border_mta(self.config(interval="2s", file="counts"))
        self.out.rmdir()
        self.send(mta, "sender.test", 4)
        mta.event("trouble", event="note", where="dmarc reports", level="error")
        self.out.mkdir()
        report, = self.files(1, mta)
        self.assertEqual(counts(report), {("sender.test", True): 4})
        mta.log.wait("the end of it", lambda line: "reports are written again" in line)

    def test_damaged_counts_are_put_aside(self):
        self.counts_file.write_bytes(b"gatepost dmarc reports, but not whole")
        mta = self.border_mta(self.config(interval="1s"))
        trouble = mta.event("trouble", event="note", where="dmarc reports", level="error")
        self.assertIn(f"{self.counts_file}: is damaged; it was moved to {self.counts_file}.damaged",
                      trouble["what"])
        self.assertTrue(self.counts_file.with_name(".counts.damaged").exists())
        self.send(mta, "sender.test", 1)
        self.files(1, mta)

    def test_places_that_are_not_good(self):
        (self.folder / "taken").mkdir()
        for settings, key, why in (
                ({"directory": "absent/"}, "directory", "absent: user "),
                ({"file": "absent/counts"}, "file", "absent: user "),
                ({"file": "taken/"}, "file", "taken: is no file; name another one")):
            file = self.folder / "c.toml"
            file.write_text(self.config(**settings), encoding="utf-8")
            for arguments in ([], ["--check-config"]):
                done = self.run_program(harness.BORDER_MTA, "--config", file, *arguments)
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertRegex(done.stdout, rf"c\.toml:\d+:\d+: checks\.dmarc\.reports\.{key}: ")
                self.assertIn(f"{self.folder}/{why}", done.stdout)
                self.assertEqual(done.stdout.count("\n"), 1, done.stdout)

    @servers.needs_users
    def test_counts_that_cannot_be_read(self):
        """They stay where they are, and nothing begins without them."""
        self.folder.chmod(0o777)
        program = shutil.copy(harness.BORDER_MTA, self.folder)  # where others may run it
        self.out.chmod(0o777)
        self.counts_file.write_bytes(b"gatepost")
        self.counts_file.chmod(0o600)
        file = self.folder / "c.toml"
        file.write_text(self.config(), encoding="utf-8")
        nobody = pwd.getpwnam("nobody")
        for arguments in ([], ["--check-config"]):
            done = self.run_program(program, "--config", file, *arguments, user=nobody.pw_uid,
                                    group=nobody.pw_gid, extra_groups=[])
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn(f"{self.counts_file}: user {nobody.pw_uid} may not read it (Permission "
                          "denied); chown it, or name another file\n", done.stdout)
        self.assertEqual(self.counts_file.read_bytes(), b"gatepost")
        self.out.chmod(0o333)  # it could be written, but not synced
        done = self.run_program(program, "--config", file, "--check-config", user=nobody.pw_uid,
                                group=nobody.pw_gid, extra_groups=[])
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn(f"{self.out}: user {nobody.pw_uid} may not read and write here (Permission "
                      "denied); name another folder, or chown it\n", done.stdout)
        self.out.chmod(0o777)


if __name__ == "__main__":
    harness.main()
