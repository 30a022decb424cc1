#!/usr/bin/python3
"""border_mta delivers by LMTP to Dovecot, over TCP and over a Unix socket."""

import harness
import servers

TEXT = b"From: alice@sender.test\r\nSubject: t\r\n\r\n.\r\n..dots\r\nGr\xc3\xbc\xc3\x9fe\r\n"


class Dovecot(harness.Test):
    def submit(self, mta, *recipients, text=TEXT, **options):
        with harness.Conversation(mta.port) as client:
            client.reply()
            client.expect("250", "EHLO client.sender.test")
            reply = client.message(text, *recipients, options=" BODY=8BITMIME", **options)
            self.assertTrue(reply.startswith("250 2.0.0 "), reply)
            return reply.split()[-1]

    def check_delivered(self, route):
        dovecot = servers.Dovecot(self)
        mta = self.border_mta(harness.with_routes("example.test " + route(dovecot)))
        queue_id = self.submit(mta, "bob@example.test", "carol@example.test")
        for user in ("bob", "carol"):
            record = mta.delivery(queue_id, "delivered", to=f"{user}@example.test")
            self.assertRegex(record["reply"], "^250 2.0.0 .*Saved$")
            (mail,) = dovecot.mails(user)
            self.assertIn(b"Return-Path: <alice@sender.test>\n", mail)
            self.assertTrue(mail.endswith(TEXT.replace(b"\r\n", b"\n")), mail)

    @harness.needs("dovecot")
    def test_tcp(self):
        self.check_delivered(lambda dovecot: f"lmtp:[127.0.0.1]:{dovecot.port}")

    @harness.needs("dovecot")
    def test_unix_socket(self):
        self.check_delivered(lambda dovecot: f"lmtp:unix:{dovecot.socket}")

    @harness.needs("dovecot")
    def test_unknown_user_among_others(self):
        dovecot = servers.Dovecot(self)
        mta = self.border_mta(harness.with_routes(f"example.test lmtp:unix:{dovecot.socket}"))
        queue_id = self.submit(mta, "bob@example.test", "nobody@example.test", "carol@example.test")
        record = mta.delivery(queue_id, "failed", to="nobody@example.test")
        self.assertIn("550 5.1.1 ", record["reply"])
        mta.delivery(queue_id, "delivered", to="bob@example.test")
        mta.delivery(queue_id, "delivered", to="carol@example.test")
        self.assertEqual([len(dovecot.mails(user)) for user in ("bob", "carol")], [1, 1])

    @harness.needs("dovecot")
    def test_large_message_and_null_sender(self):
        dovecot = servers.Dovecot(self)
        mta = self.border_mta(harness.with_routes(f"example.test lmtp:unix:{dovecot.socket}"))
        text = TEXT + b"".join(b"%s%064d\r\n" % (b"." * (n % 3), n) for n in range(16_000))
        mta.delivery(self.submit(mta, "bob@example.test", text=text, sender=""), "delivered")
        (mail,) = dovecot.mails("bob")
        self.assertTrue(mail.endswith(text.replace(b"\r\n", b"\n")))
        self.assertIn(b"Return-Path: <>\n", mail)

    @harness.needs("dovecot")
    def test_socket_that_is_not_there_yet(self):
        path = servers.short_folder(self) / "lmtp"
        mta = self.border_mta(harness.with_routes(f"example.test lmtp:unix:{path}"))
        queue_id = self.submit(mta, "bob@example.test")
        record = mta.delivery(queue_id, "deferred")
        self.assertIn("No such file or directory", record["reply"])
        dovecot = servers.Dovecot(self)
        path.symlink_to(dovecot.socket)
        mta.delivery(queue_id, "delivered")
        self.assertEqual(len(dovecot.mails("bob")), 1)


if __name__ == "__main__":
    harness.main()
