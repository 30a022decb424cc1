#!/usr/bin/python3
"""What border_mta hands on is what it was given, octet by octet, but for the Received field."""

import hashlib
import random
import re

import harness
import servers

HEADER = b"From: alice@sender.test\r\nTo: bob@example.test\r\nSubject: t\r\n\r\n"

# Texts that a careless server changes or cuts off. Each ends with CRLF, as all texts in SMTP do.
CORNERS = {
    "nothing": b"",
    "an empty line": b"\r\n",
    "a header alone": b"Subject: t\r\n",
    "an empty body": HEADER,
    "a dot first": b".Subject: t\r\n\r\n.\r\n",
    "a body of one dot": HEADER + b".\r\n",
    "dots in all lines": HEADER + b"".join(b"." * n + b"\r\n" for n in range(1, 80)),
    "dots behind empty lines": HEADER + b"\r\n.\r\n\r\n..\r\n\r\n.\r\n\r\n",
    "dots within lines": HEADER + b"a.\r\n.a.\r\n a\r\n. .\r\n",
    "commands": HEADER + b".\r\nQUIT\r\n.\r\nMAIL FROM:<x@y.test>\r\nRSET\r\n",
    "white space": HEADER + b" \r\n\t\r\n  trailing  \r\n\r\n\r\n",
    "no header": b"\r\nThis has none.\r\n",
    "a long field": b"X-Long: " + b"x " * 400 + b"\r\n " + b"y" * 900 + b"\r\n\r\nbody\r\n",
    "a long line": HEADER + b"x" * 998 + b"\r\n",
    "eight bits": HEADER + bytes(range(128, 256)) + b"\r\n" + "Grüße, 你好\r\n".encode(),
    "control characters": HEADER + bytes(c for c in range(1, 32) if c not in b"\r\n") + b"\x7f\r\n",
}

# Neither a header nor the empty line of one: it is put between our field and the text, so that
# nobody takes it for more of the header.
WITHOUT_HEADER = {"only a dot": b".\r\n", "only two dots": b"..\r\n", "text": b"hi\r\nTo: x\r\n"}
CORNERS |= WITHOUT_HEADER


def without_received(text):
    """A text without the field that border_mta has put on top; None where there is none."""
    if not text.startswith(b"Received: from "):
        return None
    at = text.find(b"\r\n") + 2
    while text[at:at + 1] in (b" ", b"\t"):
        at = text.find(b"\r\n", at) + 2
    return text[at:]


def random_lines(size, seed):
    """Lines of all lengths, many of them with dots in front."""
    source = random.Random(seed)
    lines, length = [], 0
    while length < size:
        line = b"." * source.choice((0, 0, 0, 1, 2)) + b"x%x" % source.getrandbits(
            source.randrange(8, 3000))
        lines.append(line + b"\r\n")
        length += len(lines[-1])
    return b"".join(lines)


class Transfer(harness.Test):
    def relay(self, *rules, spool="", limits=""):
        config = harness.with_routes(*rules).replace("[spool]", f"[spool]\n{spool}")
        return self.border_mta(config + limits)

    def send_all(self, mta, texts, bdat=False):
        with harness.Conversation(mta.port) as client:
            client.reply()
            client.expect("250", "EHLO client.sender.test")
            for number, text in enumerate(texts):
                reply = client.message(text, "bob@example.test", sender=f"{number}@sender.test",
                                       options=" BODY=8BITMIME", bdat=bdat)
                self.assertTrue(reply.startswith("250 2.0.0 "), reply)

    def check_corners(self, hop):
        """By their senders the mails are told apart."""
        mails = {mail.sender: mail for mail in hop.wait_for(len(CORNERS))}
        self.assertEqual(len(hop.mails), len(CORNERS))
        for number, (name, text) in enumerate(CORNERS.items()):
            with self.subTest(name):
                mail = mails[f"{number}@sender.test"]
                self.assertEqual(mail.recipients, ["bob@example.test"])
                expected = b"\r\n" + text if name in WITHOUT_HEADER else text
                self.assertEqual(without_received(mail.text), expected)

    @servers.needs_aiosmtpd
    def test_corners(self):
        hop = servers.Hop(self)
        mta = self.relay(f"example.test smtp:[127.0.0.1]:{hop.port}")
        self.send_all(mta, CORNERS.values())
        self.check_corners(hop)

    @servers.needs_aiosmtpd
    def test_corners_by_way_of_files(self):
        hop = servers.Hop(self)
        mta = self.relay(f"example.test smtp:[127.0.0.1]:{hop.port}", spool="inline_limit = 0")
        self.send_all(mta, CORNERS.values())
        self.check_corners(hop)

    @servers.needs_aiosmtpd
    def test_corners_by_bdat(self):
        hop = servers.Hop(self)
        mta = self.relay(f"example.test smtp:[127.0.0.1]:{hop.port}")
        self.send_all(mta, CORNERS.values(), bdat=True)
        self.check_corners(hop)

    @servers.needs_aiosmtpd
    def test_bdat_without_a_last_line_end(self):
        hop = servers.Hop(self)
        mta = self.relay(f"example.test smtp:[127.0.0.1]:{hop.port}")
        self.send_all(mta, [HEADER + b"no line end"], bdat=True)
        (mail,) = hop.wait_for(1)
        # DATA cannot carry it otherwise.
        self.assertEqual(without_received(mail.text), HEADER + b"no line end\r\n")

    @harness.needs("smtp-sink")
    def test_very_long_line(self):
        # Longer than RFC 5321 §4.5.3.1.6 has it, and than buffers are, where a channel allows it.
        mta = self.relay(f"example.test smtp:[127.0.0.1]:{self.smtp_sink()}",
                         limits="[limits]\ntext_line = 0\n")
        self.send_all(mta, [HEADER + b"x" * 300_000 + b"\r\n.end\r\n"])
        self.assertIn("\n" + "x" * 300_000 + "\n.end\n", servers.sunk_mail(self, "\n.end\n"))

    @servers.needs_aiosmtpd
    def test_large_message(self):
        hop = servers.Hop(self)
        hop.gate.clear()
        mta = self.relay(f"example.test smtp:[127.0.0.1]:{hop.port}")
        bodies = self.folder / "spool" / "bodies"
        text = HEADER + random_lines(5 << 20, seed=1)
        self.send_all(mta, [text])
        (file,) = bodies.iterdir()
        self.assertGreaterEqual(file.stat().st_size, len(text))
        hop.gate.set()
        (mail,) = hop.wait_for(1, mta.process)
        self.assertEqual(hashlib.sha256(without_received(mail.text)).hexdigest(),
                         hashlib.sha256(text).hexdigest())
        harness.wait_until("the file is removed", lambda: not any(bodies.iterdir()), mta.process)

    # --- Envelopes --------------------------------------------------------------------------------

    @harness.needs("smtp-sink")
    def test_senders_and_recipients(self):
        mta = self.relay(f"example.test smtp:[127.0.0.1]:{self.smtp_sink()}")
        cases = (  # as the client says them, and as the next hop should hear them
            ("", "bob@example.test", None),
            ("Alice.O'Hara+x=y@sender.test", "Bob@example.test", None),
            ('"a b"@sender.test', '"..."@example.test', None),
            ("@relay.test,@x.test:alice@sender.test", "bob@example.test", "alice@sender.test"),
            ("alice@[192.0.2.7]", "bob@example.test", None),
            ("alice@[IPv6:2001:db8::7]", "bob@example.test", None),
        )
        for number, (sender, recipient, heard) in enumerate(cases):
            with self.subTest(sender=sender, recipient=recipient):
                with harness.Conversation(mta.port) as client:
                    client.reply()
                    client.expect("250", "EHLO client.sender.test")
                    reply = client.message(b"Subject: case %d\r\n\r\n" % number, recipient,
                                           sender=sender)
                mta.delivery(reply.split()[-1], "delivered")
                mail = servers.sunk_mail(self, f"Subject: case {number}\n")
                self.assertRegex(mail, rf"(?m)^X-Mail-Args: <{re.escape(heard or sender)}>( |$)")
                self.assertRegex(mail, rf"(?m)^X-Rcpt-Args: <{re.escape(recipient)}>( |$)")

    # --- Received -----------------------------------------------------------------------------

    @servers.needs_aiosmtpd
    def test_received(self):
        hop = servers.Hop(self)
        mta = self.relay(f"example.test smtp:[127.0.0.1]:{hop.port}")
        with harness.Conversation(mta.port, source="127.0.0.5") as client:
            client.reply()
            client.expect("250", "EHLO client.sender.test")
            client.message(HEADER, "bob@example.test")
            client.message(HEADER, "bob@example.test", "carol@example.test")
        one, two = hop.wait_for(2)
        if len(one.recipients) == 2:
            one, two = two, one
        field = one.text[:-len(HEADER)].decode().replace("\r\n ", " ").replace("\r\n\t", " ")
        self.assertRegex(field, r"^Received: from client\.sender\.test \(\[127\.0\.0\.5\]\)"
                         r" by mx\.example\.test with ESMTP id \w+ for <bob@example\.test>; "
                         r"\w{3}, \d\d? \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\n$")
        # RFC 5321 §7.6: one recipient does not learn of another.
        self.assertNotIn(b" for ", two.text[:-len(HEADER)])
        self.assertNotIn(b"carol", two.text)

    # --- 8BITMIME and SMTPUTF8 ----------------------------------------------------------------

    def send_utf8(self, mta):
        text = "Subject: Grüße\r\n\r\nHällo\r\n".encode()
        with harness.Conversation(mta.port) as client:
            client.reply()
            client.expect("250", "EHLO client.sender.test")
            reply = client.message(text, "büb@example.test", sender="älice@sender.test",
                                   options=" SMTPUTF8 BODY=8BITMIME")
        self.assertTrue(reply.startswith("250 2.0.0 "), reply)
        return text, reply.split()[-1]

    @servers.needs_aiosmtpd
    def test_smtputf8(self):
        hop = servers.Hop(self)
        mta = self.relay(f"example.test smtp:[127.0.0.1]:{hop.port}")
        text, _ = self.send_utf8(mta)
        (mail,) = hop.wait_for(1)
        self.assertEqual((mail.sender, mail.recipients), ("älice@sender.test", ["büb@example.test"]))
        self.assertIn("SMTPUTF8", mail.options)
        self.assertEqual(without_received(mail.text), text)
        self.assertIn(b" with UTF8SMTP id ", mail.text)  # RFC 6531 §4.3

    @servers.needs_aiosmtpd
    def test_smtputf8_to_a_hop_without(self):
        hop = servers.Hop(self, enable_SMTPUTF8=False)
        mta = self.relay(f"example.test smtp:[127.0.0.1]:{hop.port}")
        _, queue_id = self.send_utf8(mta)
        failed = mta.delivery(queue_id, "failed")
        self.assertIn(" 5.6.7 ", failed["reply"])  # RFC 6531 §3.5
        self.assertEqual(hop.mails, [])

    @servers.needs_aiosmtpd
    def test_body_8bitmime_is_told(self):
        hop = servers.Hop(self)
        mta = self.relay(f"example.test smtp:[127.0.0.1]:{hop.port}")
        self.send_all(mta, [CORNERS["eight bits"]])
        (mail,) = hop.wait_for(1)
        self.assertIn("BODY=8BITMIME", mail.options)

    @harness.needs("smtp-sink")
    def test_eight_bits_to_a_hop_without(self):
        mta = self.relay(f"example.test smtp:[127.0.0.1]:{self.smtp_sink('-8')}")
        self.send_all(mta, [CORNERS["eight bits"]])
        failed = mta.event("the failure", event="delivery", result="failed")
        self.assertIn(" 5.6.3 ", failed["reply"])  # RFC 6152 §3
        self.assertEqual([mail for mail in self.sunk() if "Subject: t" in mail], [])

    # --- DSN --------------------------------------------------------------------------------------

    @harness.needs("smtp-sink")
    def test_dsn_parameters(self):
        # RFC 3461 §5: what the client asks for is asked of the next hop.
        port, port_without = self.smtp_sink(), self.smtp_sink("-N")
        mta = self.relay(f"example.test smtp:[127.0.0.1]:{port}",
                         f"other.test smtp:[127.0.0.1]:{port_without}")
        with harness.Conversation(mta.port) as client:
            client.reply()
            client.expect("250", "EHLO client.sender.test")
            client.expect("250", "MAIL FROM:<alice@sender.test> RET=HDRS ENVID=QQ+2B314159")
            client.expect("250", "RCPT TO:<bob@example.test> NOTIFY=SUCCESS,DELAY"
                          " ORCPT=rfc822;robert+2Bx@example.test")
            client.expect("250", "RCPT TO:<carol@other.test> NOTIFY=NEVER")
            client.expect("354", "DATA")
            client.send(HEADER + b".\r\n")
            queue_id = client.reply().split()[-1]
        mta.delivery(queue_id, "delivered", to="bob@example.test")
        mta.delivery(queue_id, "delivered", to="carol@other.test")
        bob, carol = (servers.sunk_mail(self, part) for part in ("<bob@", "<carol@"))
        self.assertRegex(bob, r"(?m)^X-Mail-Args: <alice@sender\.test>(?=.* RET=HDRS\b)"
                         r"(?=.* ENVID=QQ\+2B314159\b)")
        self.assertRegex(bob, r"(?m)^X-Rcpt-Args: <bob@example\.test>(?=.* NOTIFY=SUCCESS,DELAY\b)"
                         r"(?=.* ORCPT=rfc822;robert\+2Bx@example\.test)")
        self.assertNotRegex(carol, "RET=|ENVID=|NOTIFY=")


if __name__ == "__main__":
    harness.main()
