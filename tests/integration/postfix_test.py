#!/usr/bin/python3
"""border_mta and a whole Postfix, which sends on to a next hop that keeps what comes out."""

import hashlib

import harness
import servers

HEADER = (b"From: alice@sender.test\r\nTo: bob@example.test\r\nSubject: t\r\n"
          b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@sender.test>\r\n\r\n")
BODY = b".\r\n..\r\n.a\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n" + b"x" * 900 + b"\r\n\r\n"


def body_of(text):
    return text.partition(b"\r\n\r\n")[2]


class Postfix(harness.Test):
    def start_all(self, tls, **settings):
        hop = servers.Hop(self)
        postfix = servers.Postfix(self, hop.port, **settings)
        mta = self.border_mta(harness.with_routes(
            f"example.test smtp:[localhost]:{postfix.port} tls={tls}",
            f"elsewhere.test smtp:[localhost]:{postfix.port} tls={tls}"))
        return hop, postfix, mta

    def submit(self, mta, *recipients, text=HEADER + BODY, options=" BODY=8BITMIME", **more):
        with harness.Conversation(mta.port) as client:
            client.reply()
            client.expect("250", "EHLO client.sender.test")
            reply = client.message(text, *recipients, options=options, **more)
            self.assertTrue(reply.startswith("250 2.0.0 "), reply)
            return reply.split()[-1]

    @harness.needs("postfix")
    @servers.needs_aiosmtpd
    @servers.needs_users
    def test_relayed(self):
        hop, postfix, mta = self.start_all("none")
        queue_id = self.submit(mta, "bob@example.test", "carol@example.test")
        for who in ("bob@example.test", "carol@example.test"):
            record = mta.delivery(queue_id, "delivered", to=who)
            self.assertRegex(record["reply"], "^250 2.0.0 Ok: queued as ")
        (mail,) = hop.wait_for(1)
        self.assertEqual(sorted(mail.recipients), ["bob@example.test", "carol@example.test"])
        self.assertEqual(mail.sender, "alice@sender.test")
        self.assertEqual(body_of(mail.text), BODY)
        self.assertTrue(mail.text.startswith(b"Received: from mx.example.test (localhost "))
        self.assertIn(b"by mx.example.test with ESMTP\r\n id ", mail.text)

    @harness.needs("postfix", "openssl")
    @servers.needs_aiosmtpd
    @servers.needs_users
    def test_starttls(self):
        chain, key = harness.certificate(self.folder, "postfix", "localhost")
        hop, postfix, mta = self.start_all(
            "required", smtpd_tls_cert_file=chain, smtpd_tls_key_file=key,
            smtpd_tls_security_level="encrypt", smtpd_tls_received_header="yes")
        record = mta.delivery(self.submit(mta, "bob@example.test"), "delivered")
        self.assertTrue(record["tls"])
        (mail,) = hop.wait_for(1)
        self.assertEqual(body_of(mail.text), BODY)
        self.assertIn(b"(using TLSv1.3 with cipher ", mail.text)
        self.assertIn("TLS connection established from", postfix.log())

    @harness.needs("postfix")
    @servers.needs_aiosmtpd
    @servers.needs_users
    def test_large_message(self):
        hop, postfix, mta = self.start_all("none")
        body = b"".join(b"%s%064d\r\n" % (b"." * (n % 3), n) for n in range(80_000))
        mta.delivery(self.submit(mta, "bob@example.test", text=HEADER + body), "delivered")
        (mail,) = hop.wait_for(1)
        self.assertEqual(hashlib.sha256(body_of(mail.text)).digest(), hashlib.sha256(body).digest())

    @harness.needs("postfix")
    @servers.needs_aiosmtpd
    @servers.needs_users
    def test_refusals(self):
        # What Postfix refuses is kept as failed, for that recipient alone.
        hop, postfix, mta = self.start_all("none", mynetworks="192.0.2.0/24",
                                            smtpd_relay_restrictions="reject_unauth_destination")
        queue_id = self.submit(mta, "bob@example.test", "dave@elsewhere.test")
        record = mta.delivery(queue_id, "failed", to="dave@elsewhere.test")
        self.assertIn("554 5.7.1 ", record["reply"])
        mta.delivery(queue_id, "delivered", to="bob@example.test")
        (mail,) = hop.wait_for(1)
        self.assertEqual(mail.recipients, ["bob@example.test"])

    @harness.needs("postfix")
    @servers.needs_aiosmtpd
    @servers.needs_users
    def test_message_that_is_too_large(self):
        # Postfix says its SIZE; nothing is sent that it would not take.
        hop, postfix, mta = self.start_all("none", message_size_limit="20000")
        queue_id = self.submit(mta, "bob@example.test", text=HEADER + (b"x" * 70 + b"\r\n") * 400)
        record = mta.delivery(queue_id, "failed")
        self.assertIn(" 5.3.4 ", record["reply"])
        mta.delivery(self.submit(mta, "bob@example.test"), "delivered")
        hop.wait_for(1)

    @harness.needs("postfix")
    @servers.needs_aiosmtpd
    @servers.needs_users
    def test_smtputf8(self):
        hop, postfix, mta = self.start_all("none", smtputf8_enable="yes")
        mta.delivery(self.submit(mta, "büb@example.test", sender="älice@sender.test",
                                 options=" SMTPUTF8 BODY=8BITMIME"), "delivered")
        (mail,) = hop.wait_for(1)
        self.assertEqual((mail.sender, mail.recipients), ("älice@sender.test", ["büb@example.test"]))
        self.assertEqual(body_of(mail.text), BODY)

    @harness.needs("postfix", "smtp-source")
    @servers.needs_aiosmtpd
    @servers.needs_users
    def test_many(self):
        hop, postfix, mta = self.start_all("none")
        self.run_ok("smtp-source", "-d", "-s", 5, "-m", 100, "-l", 2000, "-f", "a@sender.test",
                    "-t", "bob@example.test", mta.address)
        hop.wait_for(100, mta.process)
        self.assertEqual(len(hop.mails), 100)
        connections = postfix.log().count(": connect from ")
        self.assertLess(connections, 50, "they are shared")

    # --- Postfix in front -------------------------------------------------------------------------

    @harness.needs("postfix")
    @servers.needs_users
    def test_postfix_as_client(self):
        mta = self.border_mta()
        postfix = servers.Postfix(self, mta.port, smtp_tls_security_level="encrypt",
                                  smtp_tls_loglevel="1")
        with harness.Conversation(postfix.port) as client:
            client.reply()
            client.expect("250", "EHLO client.sender.test")
            client.message(HEADER + BODY, "bob@example.test", options=" BODY=8BITMIME")
        self.assertIn("with ESMTPS (version=TLSv1.3", self.arrived(mta, "bob"))
        harness.wait_until("Postfix' log", lambda: "status=sent (250 2.0.0 OK" in postfix.log())
        self.assertIn("TLS connection established to", postfix.log())

    @harness.needs("postfix")
    @servers.needs_users
    def test_postfix_as_lmtp_client(self):
        mta = self.border_mta(extra='[[channel]]\nname = "default"\nlmtp = true\n')
        postfix = servers.Postfix(self, mta.port, relay_transport=f"lmtp:[127.0.0.1]:{mta.port}")
        with harness.Conversation(postfix.port) as client:
            client.reply()
            client.expect("250", "EHLO client.sender.test")
            client.message(HEADER + BODY, "bob@example.test", "nobody@example.test",
                           "carol@example.test", options=" BODY=8BITMIME")
        self.assertIn(" by mx.example.test with LMTP\n id ", self.arrived(mta, "bob"))
        self.arrived(mta, "carol")
        harness.wait_until("Postfix' log", lambda: postfix.log().count(", status=") >= 3)
        self.assertEqual(postfix.log().count("status=sent (250 2.0.0 "), 2, postfix.log())
        self.assertRegex(postfix.log(), r"to=<nobody@example\.test>, .*dsn=5\.1\.1, status=bounced")

    @harness.needs("postfix")
    @servers.needs_users
    def test_postfix_tells_of_its_client(self):
        mta = self.border_mta(extra='[xclient]\nnetworks = ["127.0.0.1"]\n'
                              '[log]\ntranscript_networks = ["127.0.0.1"]\n')
        postfix = servers.Postfix(self, mta.port, smtp_send_xforward_command="yes")
        with harness.Conversation(postfix.port, source="127.0.0.9") as client:
            client.reply()
            client.expect("250", "EHLO client.sender.test")
            client.message(HEADER + BODY, "bob@example.test", options=" BODY=8BITMIME")
        self.arrived(mta, "bob")
        mta.log.wait("XFORWARD", lambda line: "XFORWARD" in line and "ADDR=127.0.0.9" in line)


if __name__ == "__main__":
    harness.main()
