#!/usr/bin/python3
"""What border_mta makes of what next hops say and do: tries again, gives up, tells recipients apart."""

import signal
import time

import harness
import servers

TEXT = b"Subject: t\r\n\r\nHello\r\n"

# How smtp-sink misbehaves, and what becomes of the message. A 5xx is final wherever it is said to a
# transaction (RFC 5321 §4.2.1); anything else may be different the next time.
SINKS = {
    "connection cut at once": (["-q", "CONNECT"], "deferred"),
    "cut after EHLO": (["-q", "EHLO"], "deferred"),
    "cut after MAIL": (["-q", "MAIL"], "deferred"),
    "cut after RCPT": (["-q", "RCPT"], "deferred"),
    "cut after DATA": (["-q", "DATA"], "deferred"),
    "cut after the dot": (["-q", "."], "deferred"),
    "421 at once": (["-Q", "CONNECT"], "deferred"),
    "421 after EHLO": (["-Q", "EHLO"], "deferred"),
    "421 after MAIL": (["-Q", "MAIL"], "deferred"),
    "421 after RCPT": (["-Q", "RCPT"], "deferred"),
    "421 after DATA": (["-Q", "DATA"], "deferred"),
    "421 after the dot": (["-Q", "."], "deferred"),
    "450 after MAIL": (["-r", "MAIL"], "deferred"),
    "450 after RCPT": (["-r", "RCPT"], "deferred"),
    "450 after DATA": (["-r", "DATA"], "deferred"),
    "450 after the dot": (["-r", "."], "deferred"),
    "500 at once": (["-f", "CONNECT"], "deferred"),  # about the server, not about the message
    "500 after MAIL": (["-f", "MAIL"], "failed"),
    "500 after RCPT": (["-f", "RCPT"], "failed"),
    "500 after DATA": (["-f", "DATA"], "failed"),
    "500 after the dot": (["-f", "."], "failed"),
    "EHLO refused": (["-e"], "delivered"),  # then it is HELO
    "no PIPELINING": (["-p"], "delivered"),
    "no enhanced status codes": (["-E"], "delivered"),
    "no DSN": (["-N"], "delivered"),
    "a firewall's banner": (["-P"], "delivered"),
    "slow to answer DATA": (["-w", "1"], "delivered"),
    "LMTP": (["-L"], "delivered"),
}


class Retries(harness.Test):
    def submit(self, mta, *recipients, text=TEXT, **options):
        """Sends a message; gives its id in the queue."""
        with harness.Conversation(mta.port) as client:
            client.reply()
            client.expect("250", "EHLO client.sender.test")
            reply = client.message(text, *recipients, **options)
            self.assertTrue(reply.startswith("250 2.0.0 "), reply)
            return reply.split()[-1]

    def queue(self, mta):
        return self.run_ok(harness.BORDER_MTA, "--config", mta.config, "--queue")

    # --- One next hop that misbehaves -------------------------------------------------------------

    @harness.needs("smtp-sink")
    def test_misbehaving_hops(self):
        rules = []
        for number, (name, (options, _)) in enumerate(SINKS.items()):
            port = self.smtp_sink("-B", f"554 5.7.9 because of {number}", *options)
            kind = "lmtp" if name == "LMTP" else "smtp"
            rules.append(f"hop{number}.test {kind}:[127.0.0.1]:{port}")
        config = harness.with_routes(*rules).replace('first = "1s"\nlongest = "1s"', 'first = "1h"')
        mta = self.border_mta(config)
        ids = {name: self.submit(mta, f"bob@hop{number}.test") for number, name in enumerate(SINKS)}
        for number, (name, (_, result)) in enumerate(SINKS.items()):
            with self.subTest(name):
                mta.delivery(ids[name], result)
        self.assertEqual(mta.stop(), 0)
        queue = self.queue(mta)
        for number, (name, (_, result)) in enumerate(SINKS.items()):
            with self.subTest(name):
                if result == "delivered":
                    self.assertNotIn(ids[name], queue)
                elif result == "failed":  # kept, with what the next hop has said
                    self.assertRegex(queue, rf"(?m)^{ids[name]} .*\n    <bob@hop{number}\.test>"
                                     rf"  failed: 554 5\.7\.9 because of {number}$")
                else:
                    self.assertRegex(queue, rf"(?m)^{ids[name]} .*\n    <bob@hop{number}\.test>"
                                     r"  waits \d+[sm], after 1 attempts?: [45]\d\d ")

    @harness.needs("smtp-sink")
    def test_soft_refusal_then_accepted(self):
        port = harness.free_port()
        self.smtp_sink("-r", "RCPT", port=port)
        mta = self.border_mta(harness.with_routes(f"example.test smtp:[127.0.0.1]:{port}"))
        queue_id = self.submit(mta, "bob@example.test", "carol@example.test")
        first = mta.delivery(queue_id, "deferred")
        self.assertTrue(first["reply"].startswith("450 4.3.0 "), first)
        self.end(self.at_port[port])
        self.smtp_sink(port=port)
        mta.delivery(queue_id, "delivered", to="bob@example.test")
        mta.delivery(queue_id, "delivered", to="carol@example.test")
        got = "".join(mail for mail in self.sunk() if "Hello" in mail)
        for who in ("bob", "carol"):
            self.assertEqual(got.count(f"X-Rcpt-Args: <{who}@example.test>"), 1)
        self.assertEqual(mta.stop(), 0)
        self.assertEqual(self.queue(mta), "0 messages, 0 B\n")

    # --- Recipients -------------------------------------------------------------------------------

    @servers.needs_aiosmtpd
    def test_recipients_of_one_transaction(self):
        hop = servers.Hop(self)
        hop.answers = {"gone@example.test": "550 5.1.1 No such user",
                       "full@example.test": "452 4.2.2 Mailbox full"}
        mta = self.border_mta(harness.with_routes(f"example.test smtp:[127.0.0.1]:{hop.port}"))
        queue_id = self.submit(mta, "gone@example.test", "bob@example.test", "full@example.test")
        mta.delivery(queue_id, "failed")
        mta.delivery(queue_id, "deferred")
        mails = hop.wait_for(2, mta.process)
        self.assertEqual([mail.recipients for mail in mails],
                         [["bob@example.test"], ["full@example.test"]])
        self.assertEqual(mta.stop(), 0)
        queue = self.queue(mta)
        self.assertIn("    <gone@example.test>  failed: 550 5.1.1 No such user\n", queue)
        self.assertIn("    <bob@example.test>  delivered", queue)
        self.assertIn("    <full@example.test>  delivered", queue)
        self.assertEqual(hop.rcpt_commands.count("gone@example.test"), 1)

    @servers.needs_aiosmtpd
    def test_recipients_of_many_hops(self):
        one, two = servers.Hop(self), servers.Hop(self)
        lmtp = servers.Hop(self, lmtp=True, path=servers.short_folder(self) / "lmtp")
        mta = self.border_mta(harness.with_routes(
            f"one.test smtp:[127.0.0.1]:{one.port}", f"two.test smtp:[127.0.0.1]:{two.port}",
            f"lmtp.test lmtp:unix:{lmtp.path}", "example.test maildir:{local}", "null.test discard",
            f"down.test smtp:[127.0.0.1]:{harness.free_port()}"))
        queue_id = self.submit(
            mta, "a@one.test", "b@down.test", "c@two.test", "d@lmtp.test", "bob@example.test",
            "e@null.test", "f@one.test", "g@lmtp.test")
        mta.delivery(queue_id, "deferred")
        for hop, recipients in ((one, ["a@one.test", "f@one.test"]), (two, ["c@two.test"]),
                                (lmtp, ["d@lmtp.test", "g@lmtp.test"])):
            (mail,) = hop.wait_for(1, mta.process)
            self.assertEqual(sorted(mail.recipients), recipients)
        self.assertIn("Hello", self.arrived(mta, "bob"))
        mta.delivery(queue_id, "discarded", to="e@null.test")
        for who in ("a@one.test", "c@two.test", "d@lmtp.test", "bob@example.test", "f@one.test"):
            mta.delivery(queue_id, "delivered", to=who)
        self.assertEqual(mta.stop(), 0)
        queue = self.queue(mta)
        self.assertEqual(queue.count("  delivered"), 7, queue)
        self.assertRegex(queue, r"<b@down\.test>  (waits|due).*refused")
        for hop in (one, two, lmtp):
            self.assertEqual(len(hop.mails), 1)

    @servers.needs_aiosmtpd
    def test_lmtp_tells_recipients_apart_at_the_end(self):
        hop = servers.Hop(self, lmtp=True)
        hop.data_replies = ["250 2.0.0 OK", "550 5.7.1 Not this one", "452 4.2.2 Later"]
        mta = self.border_mta(harness.with_routes(f"example.test lmtp:[127.0.0.1]:{hop.port}"))
        queue_id = self.submit(mta, "bob@example.test", "no@example.test", "later@example.test")
        mta.delivery(queue_id, "failed")
        mta.delivery(queue_id, "deferred")
        mails = hop.wait_for(2, mta.process)
        self.assertEqual(mails[1].recipients, ["later@example.test"])
        self.assertEqual(mta.stop(), 0)
        self.assertIn("    <no@example.test>  failed: 550 5.7.1 Not this one\n", self.queue(mta))

    @servers.needs_aiosmtpd
    def test_more_recipients_than_a_hop_takes(self):
        # RFC 5321 §4.5.3.1.10: the others follow in transactions of their own, at once.
        hop = servers.Hop(self)
        hop.most_recipients = 100
        mta = self.border_mta(
            harness.with_routes(f"example.test smtp:[127.0.0.1]:{hop.port}")
            .replace('first = "1s"\nlongest = "1s"', 'first = "1h"'))
        everybody = [f"user{n}@example.test" for n in range(250)]
        self.submit(mta, *everybody)

        def got():
            return sorted(who for mail in list(hop.mails) for who in mail.recipients)

        harness.wait_until("all of them", lambda: len(got()) >= 250, mta.process)
        self.assertEqual(got(), sorted(everybody))
        self.assertEqual([len(mail.recipients) for mail in hop.mails], [100, 100, 50])
        self.assertEqual(hop.connections(), 1)

    # --- Routes -----------------------------------------------------------------------------------

    @servers.needs_aiosmtpd
    def test_new_route_for_what_waits(self):
        hop, config = servers.Hop(self), f"example.test smtp:[127.0.0.1]:{harness.free_port()}"
        mta = self.border_mta(harness.with_routes(config))
        queue_id = self.submit(mta, "bob@example.test")
        mta.delivery(queue_id, "deferred")
        mta.config.write_text(harness.with_routes(f"example.test smtp:[127.0.0.1]:{hop.port}"),
                              encoding="utf-8")
        mta.signal(signal.SIGHUP)
        mta.delivery(queue_id, "delivered")
        self.assertEqual(len(hop.mails), 1)

    def test_route_to_ourselves(self):
        port = harness.free_port()
        mta = self.border_mta(harness.with_routes(f"example.test smtp:[127.0.0.1]:{port}")
                              .replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        self.submit(mta, "bob@example.test")
        failed = mta.event("the loop is found", event="delivery", result="failed")
        self.assertIn(" 5.4.6 ", failed["reply"])
        mta.stop()
        self.assertIn("\n1 message, ", "\n" + self.queue(mta))

    # --- Down, and up again -----------------------------------------------------------------------

    @servers.needs_aiosmtpd
    def test_down_then_up(self):
        port = harness.free_port()
        mta = self.border_mta(harness.with_routes(f"example.test smtp:[127.0.0.1]:{port}"))
        ids = [self.submit(mta, "bob@example.test", sender=f"{n}@sender.test") for n in range(20)]
        for queue_id in ids:
            mta.delivery(queue_id, "deferred")
        hop = servers.Hop(self, port=port)
        for queue_id in ids:
            mta.delivery(queue_id, "delivered")
        self.assertEqual(sorted(m.sender for m in hop.mails),
                         sorted(f"{n}@sender.test" for n in range(20)))

    @servers.needs_aiosmtpd
    def test_second_hop_while_the_first_is_down(self):
        down, hop = harness.free_port(), servers.Hop(self)
        mta = self.border_mta(harness.with_routes(
            f"example.test smtp:[127.0.0.1]:{down}, smtp:[127.0.0.1]:{hop.port}"))
        mta.delivery(self.submit(mta, "bob@example.test"), "delivered")
        first = servers.Hop(self, port=down)
        mta.delivery(self.submit(mta, "bob@example.test"), "delivered")
        self.assertEqual((len(first.mails), len(hop.mails)), (1, 1))

    @servers.needs_aiosmtpd
    def test_giving_up(self):
        config = harness.with_routes(f"example.test smtp:[127.0.0.1]:{harness.free_port()}")
        mta = self.border_mta(config + 'give_up = "2s"\n')
        queue_id = self.submit(mta, "bob@example.test")
        failed = mta.delivery(queue_id, "failed")
        self.assertIn("expired", failed["reply"])
        self.assertIn("refused", failed["reply"])

    # --- Connections ------------------------------------------------------------------------------

    def one_after_the_other(self, mta, hop, count):
        for n in range(count):
            queue_id = self.submit(mta, "bob@example.test", sender=f"{n}@sender.test")
            mta.delivery(queue_id, "delivered")
        self.assertEqual([m.sender for m in hop.mails], [f"{n}@sender.test" for n in range(count)])
        return hop.connections()

    @servers.needs_aiosmtpd
    def test_connections_are_kept(self):
        hop = servers.Hop(self)
        mta = self.border_mta(harness.with_routes(f"example.test smtp:[127.0.0.1]:{hop.port}")
                              .replace("[relay]", '[relay]\nidle_connection = "30s"'))
        self.assertEqual(self.one_after_the_other(mta, hop, 10), 1)

    @servers.needs_aiosmtpd
    def test_connections_serve_so_many(self):
        hop = servers.Hop(self)
        mta = self.border_mta(
            harness.with_routes(f"example.test smtp:[127.0.0.1]:{hop.port}")
            .replace("[relay]", '[relay]\nidle_connection = "30s"\nmessages_per_connection = 3'))
        self.assertEqual(self.one_after_the_other(mta, hop, 10), 4)

    @harness.needs("smtp-source")
    @servers.needs_aiosmtpd
    def test_many_at_once_share_connections(self):
        hop = servers.Hop(self)
        mta = self.border_mta(harness.with_routes(f"example.test smtp:[127.0.0.1]:{hop.port}")
                              .replace("[relay]", "[relay]\ndeliveries_per_hop = 4"))
        self.run_ok("smtp-source", "-d", "-s", 10, "-m", 200, "-l", 1000, "-f", "a@sender.test",
                    "-t", "bob@example.test", mta.address)
        hop.wait_for(200, mta.process)
        self.assertEqual(len(hop.mails), 200)
        self.assertLess(hop.connections(), 20)

    @servers.needs_aiosmtpd
    def test_hop_that_closes_an_idle_connection(self):
        hop = servers.Hop(self)
        mta = self.border_mta(harness.with_routes(f"example.test smtp:[127.0.0.1]:{hop.port}")
                              .replace("[relay]", '[relay]\nidle_connection = "30s"'))
        self.one_after_the_other(mta, hop, 1)
        hop.mails.clear()
        hop.drop_connections()
        # It is not the message's fault, which does not wait for that.
        begin = time.monotonic()
        self.assertEqual(self.one_after_the_other(mta, hop, 1), 1)
        self.assertNotIn("deferred", "\n".join(mta.log.all()), time.monotonic() - begin)

    # --- TLS --------------------------------------------------------------------------------------

    def tls_result(self, hop, tls, result, extra=""):
        """What becomes of a message on the way to localhost; the log's record of it."""
        mta = self.border_mta(harness.with_routes(
            f"example.test smtp:[localhost]:{hop.port} tls={tls}") + extra)
        queue_id = self.submit(mta, "bob@example.test")
        record = mta.delivery(queue_id, result)
        mta.stop()
        return record

    @harness.needs("openssl")
    @servers.needs_aiosmtpd
    def test_starttls(self):
        certificate = harness.certificate(self.folder, "hop", "localhost")
        hop = servers.Hop(self, certificate=certificate)
        trusted = f'[relay.tls]\nca_file = "{certificate[0]}"\nca_directory = ""\n'
        for tls, extra in (("none", ""), ("opportunistic", ""), ("required", ""),
                           ("verify", trusted)):
            hop.mails.clear()
            self.tls_result(hop, tls, "delivered", extra)
            self.assertEqual([m.tls for m in hop.mails], [tls != "none"], tls)

    @harness.needs("openssl")
    @servers.needs_aiosmtpd
    def test_starttls_is_not_good_enough(self):
        plain = servers.Hop(self)
        record = self.tls_result(plain, "required", "deferred")
        self.assertIn("TLS", record["reply"])
        untrusted = servers.Hop(self, certificate=harness.certificate(self.folder, "a", "localhost"))
        record = self.tls_result(untrusted, "verify", "deferred")
        self.assertIn("certificate", record["reply"])
        other_name = harness.certificate(self.folder, "b", "other.example.test")
        misnamed = servers.Hop(self, certificate=other_name)
        trusted = f'[relay.tls]\nca_file = "{other_name[0]}"\nca_directory = ""\n'
        record = self.tls_result(misnamed, "verify", "deferred", trusted)
        self.assertIn("certificate", record["reply"])
        for hop in (plain, untrusted, misnamed):
            self.assertEqual(hop.mails, [])


if __name__ == "__main__":
    harness.main()
