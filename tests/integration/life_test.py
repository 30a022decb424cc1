#!/usr/bin/python3
"""Signals, stops, crashes and the queue: nothing that was accepted is lost."""

import signal
import socket
import ssl

import harness

def with_relay(port):
    return harness.with_routes(f"example.test  smtp:[127.0.0.1]:{port} tls=none")


def begin_message(client):
    for line, code in (("EHLO c.sender.test", "250"), ("MAIL FROM:<alice@sender.test>", "250"),
                       ("RCPT TO:<bob@example.test>", "250"), ("DATA", "354")):
        reply = client.say(line)
        assert reply.startswith(code), reply


class Silent:
    """A next hop that takes connections and says nothing."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen()
        self.port = self.socket.getsockname()[1]

    def close(self):
        self.socket.close()


class Life(harness.Test):
    def send(self, mta, subject="hello"):
        """Sends a message to bob; gives the reply."""
        with harness.Conversation(mta.port) as client:
            client.reply()
            begin_message(client)
            reply = client.say(f"Subject: {subject}\r\n\r\nHello\r\n.")
            self.assertTrue(reply.startswith("250 2.0.0 "), reply)
            client.say("QUIT")
            return reply

    # --- Crashes ------------------------------------------------------------------------------

    @harness.needs("smtp-sink")
    def test_kill_between_reply_and_delivery(self):
        silent = Silent()
        self.addCleanup(silent.close)
        mta = self.border_mta(with_relay(silent.port))
        ids = [self.send(mta, f"number {n}").split()[-1] for n in range(3)]
        connection, _ = silent.socket.accept()  # the delivery has begun
        mta.kill()
        connection.close()
        port = silent.port
        silent.close()

        self.smtp_sink(port=port)
        mta = self.border_mta(config=None)
        for queue_id in ids:
            mta.delivery(queue_id, "delivered")
        mails = self.sunk()
        self.assertEqual(len(mails), 3)
        for n in range(3):
            self.assertEqual(sum(f"Subject: number {n}\n" in m for m in mails), 1)

    def test_kill_in_a_message_leaves_nothing(self):
        mta = self.border_mta()
        with harness.Conversation(mta.port) as client:
            client.reply()
            begin_message(client)
            client.send("Subject: half\r\n\r\n" + "x" * 100_000)
            mta.kill()
        listed = self.run_ok(harness.BORDER_MTA, "--config", mta.config, "--queue")
        self.assertEqual(listed, "0 messages, 0 B\n")

    # --- Classes ------------------------------------------------------------------------------

    def test_recipients_of_another_class_come_in_another_message(self):
        routes = self.folder / "routes"
        routes.write_text("example.test  maildir:{local}\n"
                          "example.test  class: lax\n"
                          "bob@example.test  class: strict\n", encoding="utf-8")
        config = harness.with_routes().replace("rules = []", f'file = "{routes}"')
        mta = self.border_mta(config, '[[channel]]\nname = "default"\nsplit_classes = true\n')
        with harness.Conversation(mta.port) as client:
            client.reply()
            for first, rest in (("alice", {"carol": "250 2.1.5 ", "bob": "452 4.5.3 "}),
                                ("bob", {"alice": "452 4.5.3 ", "carol": "452 4.5.3 "})):
                client.say("EHLO c.sender.test")
                client.say("MAIL FROM:<alice@sender.test>")
                reply = client.say(f"RCPT TO:<{first}@example.test>")
                self.assertTrue(reply.startswith("250 "), reply)
                for who, expected in rest.items():
                    reply = client.say(f"RCPT TO:<{who}@example.test>")
                    self.assertTrue(reply.startswith(expected), reply)
                client.say("DATA")
                reply = client.say(f"Subject: to {first}\r\n\r\nHello\r\n.")
                self.assertTrue(reply.startswith("250 2.0.0 "), reply)
        self.assertIn("Subject: to alice", self.arrived(mta, "carol"))
        self.assertIn("Subject: to bob", self.arrived(mta, "bob"))

    # --- ETRN ---------------------------------------------------------------------------------

    @harness.needs("smtp-sink")
    def test_who_asks_for_its_mail_gets_it(self):
        port = harness.free_port()
        config = with_relay(port)
        for quick, slow in (('first = "1s"', 'first = "1h"'), ('longest = "1s"', 'longest = "1h"'),
                            ('dead_hop = "0s"', 'dead_hop = "1h"\nrelay_from = ["127.0.0.1"]')):
            self.assertIn(quick, config)
            config = config.replace(quick, slow)
        mta = self.border_mta(
            config, '[[channel]]\nname = "default"\n[channel.extensions]\netrn = true\n')
        queue_id = self.send(mta).split()[-1]
        mta.delivery(queue_id, "deferred", attempt=1)
        self.smtp_sink(port=port)
        with harness.Conversation(mta.port) as client:
            client.reply()
            self.assertIn("ETRN", client.say("EHLO c.sender.test"))
            for node, expected in (("other.test", "251 "), ("#queue", "459 "),
                                   ("example.test", "253 2.0.0 OK, 1 pending ")):
                reply = client.say(f"ETRN {node}")
                self.assertTrue(reply.startswith(expected), reply)
        mta.delivery(queue_id, "delivered", attempt=2)
        self.assertEqual(len(self.sunk()), 1)

    # --- Stops --------------------------------------------------------------------------------

    def test_stop_with_nothing_to_do(self):
        mta = self.border_mta()
        self.assertEqual(mta.stop(), 0)

    def test_stop_lets_a_transaction_finish(self):
        mta = self.border_mta()
        with harness.Conversation(mta.port) as idle, harness.Conversation(mta.port) as client:
            idle.reply()
            client.reply()
            begin_message(client)
            client.send("Subject: in the middle\r\n\r\n")
            mta.signal(signal.SIGTERM)
            self.assertTrue(idle.reply().startswith("421 4.3.2 "))
            self.assertTrue(idle.closed())
            harness.wait_until("no new sessions", lambda: not harness.can_connect(mta.port))
            reply = client.say("Hello\r\n.")
            self.assertTrue(reply.startswith("250 2.0.0 "), reply)
            self.assertTrue(client.reply().startswith("421 4.3.2 "))
            self.assertTrue(client.closed())
        self.assertEqual(mta.wait(), 0)
        # Accepted is accepted, now or after the next start.
        self.assertIn("Subject: in the middle", self.arrived(self.border_mta(config=None), "bob"))

    def test_second_signal_ends_at_once(self):
        mta = self.border_mta()
        with harness.Conversation(mta.port) as client:
            client.reply()
            begin_message(client)
            mta.signal(signal.SIGINT)
            harness.wait_until("no new sessions", lambda: not harness.can_connect(mta.port))
            mta.signal(signal.SIGINT)
            self.assertTrue(client.reply().startswith("421 4.3.2 "))
        self.assertEqual(mta.wait(), 0)

    def test_signals_while_it_ends(self):
        for _ in range(10):
            mta = self.border_mta()
            for number in 4 * (signal.SIGTERM, signal.SIGHUP):
                mta.signal(number)
            self.assertEqual(mta.wait(), 0)

    def test_stop_does_not_wait_for_ever(self):
        mta = self.border_mta(
            harness.CONFIG.replace("threads = 2", 'threads = 2\nstop_within = "100ms"'))
        with harness.Conversation(mta.port) as client:
            client.reply()
            begin_message(client)
            mta.signal(signal.SIGTERM)
            self.assertTrue(client.reply().startswith("421 4.3.2 "))
        self.assertEqual(mta.wait(), 0)

    # --- SIGHUP, SIGUSR1 ----------------------------------------------------------------------

    def certificate_of(self, port):
        """The certificate that a new session is shown, as DER."""
        client = harness.Conversation(port)
        client.reply()
        client.say("EHLO c.sender.test")
        client.say("STARTTLS")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        client.socket = context.wrap_socket(client.socket, server_hostname="mx.example.test")
        return client, client.socket.getpeercert(binary_form=True)

    def shown(self, port):
        """The same, of a session that ends there."""
        session, certificate = self.certificate_of(port)
        session.close()
        return certificate

    @harness.needs("openssl")
    def test_reload_of_certificates(self):
        harness.certificate(self.folder, "mx")
        mta = self.border_mta(harness.CONFIG.replace(
            "self_signed = true", 'certificates = [{ chain = "mx.pem", key = "mx.key" }]'))
        old_session, old = self.certificate_of(mta.port)
        harness.certificate(self.folder, "mx")
        mta.signal(signal.SIGHUP)
        mta.log.wait("the reload", lambda line: "certificates and routes were loaded" in line)
        new_session, new = self.certificate_of(mta.port)
        self.assertNotEqual(old, new)
        for session in (old_session, new_session):  # the old one goes on
            with session:
                begin_message(session)
                self.assertTrue(session.say("Subject: x\r\n\r\n.").startswith("250 "))
        self.arrived(mta, "bob", 2)

    @harness.needs("openssl")
    def test_reload_of_a_bad_certificate_keeps_the_old(self):
        chain, _ = harness.certificate(self.folder, "mx")
        mta = self.border_mta(harness.CONFIG.replace(
            "self_signed = true", 'certificates = [{ chain = "mx.pem", key = "mx.key" }]'))
        old = self.shown(mta.port)
        chain.write_text("nonsense", encoding="utf-8")
        mta.signal(signal.SIGHUP)
        mta.log.wait("the error", lambda line: "mx.pem" in line)
        mta.log.wait("what follows from it", lambda line: "what ran before goes on" in line)
        self.assertEqual(self.shown(mta.port), old)

    @harness.needs("openssl")
    def test_reload_is_all_or_nothing(self):
        harness.certificate(self.folder, "mx")
        config = harness.CONFIG.replace(
            "self_signed = true", 'certificates = [{ chain = "mx.pem", key = "mx.key" }]')
        mta = self.border_mta(config)
        old = self.shown(mta.port)
        harness.certificate(self.folder, "mx")
        mta.config.write_text(config + '[relay.tls]\nca_file = "none.pem"\n', encoding="utf-8")
        mta.signal(signal.SIGHUP)
        mta.log.wait("the error", lambda line: "none.pem" in line)
        mta.log.wait("what follows from it", lambda line: "what ran before goes on" in line)
        self.assertEqual(self.shown(mta.port), old)

    def test_other_signals_leave_it_as_it_is(self):
        mta = self.border_mta()
        mta.signal(signal.SIGUSR2)  # means nothing
        mta.signal(signal.SIGHUP)
        mta.log.wait("the reload", lambda line: "certificates and routes were loaded" in line)
        self.assertEqual(mta.stop(), 0)

    def test_reload_beside_an_address_of_the_command_line(self):
        mta = harness.BorderMta(self.folder, None, built_in=True)
        self.addCleanup(mta.kill)
        mta.signal(signal.SIGHUP)
        mta.log.wait("the reload", lambda line: "certificates and routes were loaded" in line)
        self.assertEqual(mta.stop(), 0)
        self.assertNotIn("need a restart", "\n".join(mta.log.all()))

    def test_reload_of_routes(self):
        mta = self.border_mta()
        with harness.Conversation(mta.port) as client:
            client.reply()
            client.say("EHLO c.sender.test")
            client.say("MAIL FROM:<alice@sender.test>")
            self.assertTrue(client.say("RCPT TO:<dave@example.test>").startswith("550 5.1.1 "))
            mta.config.write_text(
                harness.CONFIG.replace("alice, bob", "dave, bob"), encoding="utf-8")
            mta.signal(signal.SIGHUP)
            mta.log.wait("the reload", lambda line: "certificates and routes were loaded" in line)
            self.assertTrue(client.say("RCPT TO:<dave@example.test>").startswith("250 2.1.5 "))
            mta.config.write_text("[server", encoding="utf-8")
            mta.signal(signal.SIGHUP)
            mta.log.wait("the error", lambda line: "border_mta.toml:1:" in line)
            self.assertTrue(client.say("RCPT TO:<dave@example.test>").startswith("250 2.1.5 "))

    def test_reload_says_what_needs_a_restart(self):
        mta = self.border_mta()
        mta.config.write_text(harness.CONFIG + "[limits]\nrecipients = 5\n", encoding="utf-8")
        mta.signal(signal.SIGHUP)
        mta.log.wait("the hint", lambda line: "they need a restart" in line)

    def test_says_which_limits_were_reached(self):
        mta = self.border_mta(extra="[limits]\nrecipients = 1\nheader = \"4 KiB\"\n")
        with harness.Conversation(mta.port) as client:
            client.reply()
            client.expect("250", "EHLO client.sender.test")
            client.expect("250", "MAIL FROM:<alice@sender.test>")
            client.expect("250", "RCPT TO:<bob@example.test>")
            for _ in range(2):
                client.expect("452", "RCPT TO:<carol@example.test>")
            client.expect("250", "RSET")
            reply = client.message(b"X: y\r\n" * 1000 + b"\r\nx\r\n", "bob@example.test")
            self.assertEqual(reply[:4], "552 ")
        self.assertEqual(mta.stop(), 0)
        mta.event("note", where="limits", what="reached since the start: header 1, recipients 2")

    def test_log_file_is_opened_again(self):
        mta = self.border_mta(extra='[log]\nfile = "log"\n')
        log, moved = self.folder / "log", self.folder / "log.1"
        self.send(mta)
        harness.wait_until("the first lines", lambda: "delivered" in log.read_text())
        log.rename(moved)
        mta.signal(signal.SIGUSR1)
        harness.wait_until("the new file", log.exists, mta.process)
        self.send(mta)
        harness.wait_until("lines in it", lambda: "delivered" in log.read_text())
        self.assertEqual(mta.stop(), 0)

    # --- The queue ----------------------------------------------------------------------------

    def queue(self, mta, *arguments):
        return self.run_program(harness.BORDER_MTA, "--config", mta.config, *arguments)

    def test_queue(self):
        mta = self.border_mta(with_relay(harness.free_port()))
        queue_id = self.send(mta).split()[-1]
        mta.delivery(queue_id, "deferred")
        busy = self.queue(mta, "--queue")
        self.assertEqual(busy.returncode, 2)
        self.assertIn("another process", busy.stdout)
        mta.stop()

        listed = self.queue(mta, "--queue")
        self.assertEqual(listed.returncode, 0)
        first, second, last = listed.stdout.splitlines()
        self.assertRegex(first, rf"^{queue_id}  \d+s  \d+ B  from <alice@sender\.test>$")
        self.assertRegex(
            second, r"^    <bob@example\.test>  (waits|due).*, after \d+ attempts: .*refused")
        self.assertRegex(last, r"^1 message, \d+ B$")

        self.assertEqual(self.queue(mta, "--release", queue_id).returncode, 0)
        self.assertIn("  due", self.queue(mta, "--queue").stdout)
        absent = self.queue(mta, "--remove", "00000000000000")
        self.assertEqual(absent.returncode, 1)
        self.assertIn("there is no message 00000000000000", absent.stdout)
        self.assertEqual(self.queue(mta, "--remove", queue_id).returncode, 0)
        self.assertEqual(self.queue(mta, "--queue").stdout, "0 messages, 0 B\n")


if __name__ == "__main__":
    harness.main()
