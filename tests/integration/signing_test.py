#!/usr/bin/python3
"""What border_mta signs and seals, dkimpy verifies, by the records that border_mta asks for."""

import importlib.util
import os
import re
import signal
import subprocess

import harness
import servers

TEXT = (b"From: Alice <alice@mail.sender.test>\r\nTo: bob@example.test\r\n"
        b"Subject: signed\r\nDate: Fri, 27 Nov 2026 10:00:00 +0000\r\n"
        b"Message-ID: <1@sender.test>\r\n\r\nHello\r\n.dot\r\n")


def needs_dkimpy(test):
    """As harness.needs, for Debian's dkimpy, which is a library."""
    if importlib.util.find_spec("dkim"):
        return test
    return harness.needs("python3-dkim")(test)


def signed_by(selector, key="dkim.pem", domain="sender.test"):
    return f"""
[[sign.dkim]]
domain = "{domain}"
selector = "{selector}"
key = "{key}"
"""


ZONE = """$TTL 60
. SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 60
. NS ns.invalid.
ns.invalid. A 127.0.0.1
sender.test. TXT "v=spf1 ip4:127.0.0.1 -all"
"""

OURS = '[sign]\nnetworks = ["127.0.0.1"]\n'
OTHERS = '[sign]\nnetworks = ["192.0.2.0/24"]\n'
SEALED = """
[sign.arc]
domain = "example.test"
selector = "seal"
key = "dkim.pem"
[checks.arc]
enabled = true
"""


class Signing(harness.Test):
    def setUp(self):
        super().setUp()
        self.hop = None
        self.key("dkim.pem")

    def key(self, name, *kind):
        file = self.folder / name
        kind = kind or ("genrsa", "-out", file, "2048")
        subprocess.run(["openssl", *kind], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        file.chmod(0o600)
        return file

    def config(self, more):
        if not self.hop:
            self.hop = servers.Hop(self)
        return harness.with_routes(f"example.test  smtp:[127.0.0.1]:{self.hop.port}") + more

    def sent(self, mta, text=TEXT, port=None):
        """Sends a message; gives it as the next hop has it."""
        before = len(self.hop.mails)
        with harness.Conversation(port or mta.port) as client:
            client.reply()
            client.expect("250", "EHLO client.sender.test")
            reply = client.message(text, "bob@example.test")
            self.assertTrue(reply.startswith("250 "), reply)
        return self.hop.wait_for(before + 1, mta.process)[-1].text

    @staticmethod
    def record(mta, selector):
        """What the DNS has to have, by the log."""
        form = re.compile(rf'the DNS has to have: ({selector}\S*) TXT \\"([^"\\]*)\\"')
        return mta.log.wait(f"the record of {selector}", form.search).groups()

    def verifies(self, text, record):
        import dkim  # pylint: disable=import-outside-toplevel,import-error

        def dns(name, timeout=5):  # pylint: disable=unused-argument
            return record[1].encode() if name.decode().rstrip(".") == record[0] else None

        return dkim.verify(text, dnsfunc=dns)

    # --- DKIM -----------------------------------------------------------------------------------

    @servers.needs_aiosmtpd
    @needs_dkimpy
    @harness.needs("openssl")
    def test_mail_of_our_own(self):
        mta = self.border_mta(self.config(OURS + signed_by("2026b")))
        record = self.record(mta, "2026b")
        self.assertEqual(record[0], "2026b._domainkey.sender.test")
        text = self.sent(mta)
        self.assertTrue(self.verifies(text, record), text)
        self.assertFalse(self.verifies(text.replace(b"Hello", b"Hullo"), record))
        self.assertFalse(self.verifies(text.replace(b"alice@", b"mallory@"), record))
        # Whose key we do not have.
        other = self.sent(mta, TEXT.replace(b"mail.sender.test", b"other.test"))
        self.assertNotIn(b"DKIM-Signature:", other)

    @servers.needs_aiosmtpd
    @needs_dkimpy
    @harness.needs("openssl")
    def test_channel_of_our_own(self):
        inside = '[[channel]]\nname = "inside"\n[sign]\nchannels = ["inside"]\n'
        mta = self.border_mta(
            self.config(inside + signed_by("2026b")).replace(
                'listen = [{ address = "127.0.0.1:0" }]',
                'listen = [{ address = "127.0.0.1:0" }, '
                '{ address = "127.0.0.1:0", channel = "inside" }]'))
        outer, inner = (int(a.rpartition(":")[2]) for a in mta.addresses)
        self.assertNotIn(b"DKIM-Signature:", self.sent(mta, port=outer))
        text = self.sent(mta, port=inner)
        self.assertTrue(self.verifies(text, self.record(mta, "2026b")), text)

    @servers.needs_aiosmtpd
    @needs_dkimpy
    @harness.needs("openssl")
    def test_reload_changes_keys(self):
        mta = self.border_mta(self.config(OURS + signed_by("2026b")))
        self.key("new.pem")
        text = mta.config.read_text(encoding="utf-8")
        # Another selector, with a key that cannot be used: all stays as it was.
        mta.config.write_text(text.replace("2026b", "bad").replace("dkim.pem", "absent.pem"),
                              encoding="utf-8")
        mta.signal(signal.SIGHUP)
        mta.log.wait("the refusal", lambda line: "absent.pem: cannot be read: " in line)
        self.assertTrue(self.verifies(self.sent(mta), self.record(mta, "2026b")))
        mta.config.write_text(text.replace("2026b", "2027a").replace("dkim.pem", "new.pem"),
                              encoding="utf-8")
        mta.signal(signal.SIGHUP)
        self.assertTrue(self.verifies(self.sent_after_reload(mta), self.record(mta, "2027a")))

    def sent_after_reload(self, mta):
        mta.log.wait("the reload", lambda line: "certificates and routes were loaded" in line)
        return self.sent(mta)

    # --- ARC ------------------------------------------------------------------------------------

    @servers.needs_aiosmtpd
    @needs_dkimpy
    @harness.needs("openssl")
    def test_mail_of_others_is_sealed(self):
        import dkim  # pylint: disable=import-outside-toplevel,import-error

        mta = self.border_mta(self.config(OTHERS + signed_by("2026b") + SEALED))
        name, record = self.record(mta, "seal")
        self.assertEqual(name, "seal._domainkey.example.test")
        text = self.sent(mta)
        self.assertNotIn(b"DKIM-Signature:", text)
        self.assertIn(b"ARC-Authentication-Results: i=1; mx.example.test; arc=none", text)

        def dns(asked, timeout=5):  # pylint: disable=unused-argument
            return record.encode() if asked.decode().rstrip(".") == name else None

        state, _, reason = dkim.arc_verify(text, dnsfunc=dns)
        self.assertEqual(state, dkim.CV_Pass, reason)
        state, _, _ = dkim.arc_verify(text.replace(b"Hello", b"Hullo"), dnsfunc=dns)
        self.assertEqual(state, dkim.CV_Fail)

    @servers.needs_aiosmtpd
    @needs_dkimpy
    @harness.needs("openssl")
    def test_chain_goes_on(self):
        import dkim  # pylint: disable=import-outside-toplevel,import-error

        first = self.border_mta(self.config(OTHERS + SEALED))
        name, record = self.record(first, "seal")
        text = self.sent(first)
        first.stop()
        # A string of a record has up to 255 octets.
        parts = " ".join(f'"{record[n:n + 200]}"' for n in range(0, len(record), 200))
        dns = servers.Nsd(self, ZONE + f"{name}. TXT {parts}\n")
        config = self.config(OTHERS + SEALED.replace('"seal"', '"next"'))
        second = self.border_mta(config.replace("127.0.0.1:1\"", f"127.0.0.1:{dns.port}\"").replace(
            "[checks.spf]\nenabled = false",
            # Also for this machine, which is not judged else.
            "[checks.client]\nexempt = []\n[checks.spf]\nenabled = true"))
        following = self.record(second, "next")
        text = self.sent(second, text)
        self.assertIn(b"ARC-Authentication-Results: i=2; mx.example.test; arc=pass", text)
        found = text[text.index(b"i=2; mx.example.test"):].split(b"\r\nARC-")[0]
        self.assertIn(b"spf=pass smtp.mailfrom=alice@sender.test", found)
        records = {name: record, following[0]: following[1]}

        def ask(asked, timeout=5):  # pylint: disable=unused-argument
            return records.get(asked.decode().rstrip("."), "").encode() or None

        state, sets, reason = dkim.arc_verify(text, dnsfunc=ask)
        self.assertEqual((state, len(sets)), (dkim.CV_Pass, 2), reason)

    @servers.needs_aiosmtpd
    @harness.needs("openssl")
    def test_mail_of_our_own_is_not_sealed(self):
        mta = self.border_mta(self.config(OURS + signed_by("2026b") + SEALED))
        text = self.sent(mta)
        self.assertIn(b"DKIM-Signature:", text)
        self.assertNotIn(b"ARC-Seal:", text)

    # --- What keeps it from starting ------------------------------------------------------------

    def fails(self, more, *parts):
        file = self.folder / "c.toml"
        file.write_text(harness.CONFIG + more, encoding="utf-8")
        for arguments in ([], ["--check-config"]):
            done = self.run_mta(file, *arguments)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
            for part in parts:
                self.assertIn(str(part), done.stderr)

    @staticmethod
    def run_mta(file, *arguments):
        return subprocess.run([harness.BORDER_MTA, "--config", str(file), *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=harness.PATIENCE, check=False)

    @harness.needs("openssl")
    def test_keys_that_cannot_be_used(self):
        file = self.folder / "dkim.pem"
        key = OURS + signed_by("2026b")
        # The last line.
        place = f"c.toml:{harness.CONFIG.count(chr(10)) + key.count(chr(10))}:7: sign.dkim[0].key: "
        file.chmod(0o644)
        self.fails(key, place, f"{file}: is open to every user of this machine; run: chmod o= ")
        file.unlink()
        self.fails(key, place, f"{file}: cannot be read: No such file or directory; ")
        file.mkdir()
        self.fails(key, place, f"{file}: is not a regular file; ")
        file.rmdir()
        file.write_text("This is no key.\n", encoding="utf-8")
        file.chmod(0o600)
        self.fails(key, place, f"{file}: no private key in PEM form", "; openssl genrsa -out ")
        file.unlink()
        self.key("dkim.pem", "genrsa", "-aes128", "-passout", "pass:secret", "-out", file, "2048")
        self.fails(key, place, f"{file}: the private key has a passphrase")

    @harness.needs("openssl", "setpriv")
    def test_key_of_somebody_else(self):
        if os.geteuid() != 0:
            self.skipTest("only root can give files away")
        file = self.folder / "dkim.pem"
        os.chown(file, 65534, 65534)
        config = self.folder / "c.toml"
        config.write_text(harness.CONFIG + OURS + signed_by("2026b"), encoding="utf-8")
        done = self.run_program("setpriv", "--bounding-set=-all", "--inh-caps=-all",
                                harness.BORDER_MTA, "--config", config, "--check-config")
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{file}: cannot be read: Permission denied; run: chown 0 {file}", done.stdout)

    @harness.needs("openssl")
    def test_seals_want_chains_looked_at(self):
        self.fails(SEALED.replace("enabled = true", "enabled = false"), ": sign.arc: ",
                   "write enabled = true in [checks.arc]")


if __name__ == "__main__":
    harness.main()
