#!/usr/bin/python3
"""border_mta finds next hops by MX records, which nsd has (RFC 5321 section 5.1, RFC 7505)."""

import harness
import servers

ZONE = """$TTL 60
. SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 60
. NS ns.invalid.
ns.invalid. A 127.0.0.1
two.test. MX 10 mx.example.test.
two.test. MX 5 localhost.
null.test. MX 0 .
here.test. MX 10 mx.example.test.
none.test. TXT "nothing else"
"""

TEXT = b"Subject: by MX\r\n\r\nHello\r\n"


class ByMx(harness.Test):
    hop = None

    def config(self, dns_port, relay_from='["127.0.0.1"]'):
        """Everything goes by MX, to the next hop's port."""
        self.hop = self.hop or servers.Hop(self)
        config = harness.with_routes(f"*  smtp:{{domain}}:{self.hop.port}")
        return (config.replace("127.0.0.1:1\"", f"127.0.0.1:{dns_port}\"")
                .replace("[relay]\n", f"[relay]\nrelay_from = {relay_from}\n"))

    def client(self, mta):
        client = harness.Conversation(mta.port)
        self.addCleanup(client.close)
        client.reply()
        client.expect("250", "EHLO client.sender.test")
        return client

    @servers.needs_aiosmtpd
    def test_the_best_host_gets_it(self):
        mta = self.border_mta(self.config(servers.Nsd(self, ZONE).port))
        reply = self.client(mta).message(TEXT, "bob@two.test", "carol@two.test")
        for who in ("bob@two.test", "carol@two.test"):
            done = mta.delivery(reply.split()[-1], "delivered", to=who)
            self.assertEqual(done["hop"], f"smtp:[localhost]:{self.hop.port}")
        (mail,) = self.hop.mails
        self.assertEqual(mail.recipients, ["bob@two.test", "carol@two.test"])

    @servers.needs_aiosmtpd
    def test_nothing_is_taken_for_who_takes_nothing(self):
        mta = self.border_mta(self.config(servers.Nsd(self, ZONE).port))
        client = self.client(mta)
        client.expect("250", "MAIL FROM:<alice@sender.test>")
        client.expect("556 5.1.10 null.test takes no mail", "RCPT TO:<bob@null.test>")
        client.expect("550 5.1.2 absent.test does not exist", "RCPT TO:<bob@absent.test>")
        client.expect("550 5.4.4 none.test has neither", "RCPT TO:<bob@none.test>")
        client.expect("554 5.4.6 The MX records of here.test lead here", "RCPT TO:<bob@here.test>")
        client.expect("250", "RCPT TO:<bob@two.test>")

    @servers.needs_aiosmtpd
    def test_dns_that_is_away_is_asked_again(self):
        mta = self.border_mta(self.config(1))
        reply = self.client(mta).message(TEXT, "bob@two.test")
        put_off = mta.delivery(reply.split()[-1], "deferred", attempt=1)
        self.assertTrue(put_off["reply"].startswith("451 4.4.3 The DNS does not tell"), put_off)
        self.assertEqual(mta.stop(), 0)
        mta = self.border_mta(self.config(servers.Nsd(self, ZONE).port))
        mta.delivery(reply.split()[-1], "delivered")
        self.assertEqual(len(self.hop.mails), 1)

    def cut_through(self, dns_port):
        config = self.config(dns_port)
        start, end = config.index("[spool]"), config.index("# No test")
        # Neither a spool nor retries.
        retries = harness.QUICK_RETRY.removeprefix("\n[relay]\n")
        config = (config[:start] + config[end:]).replace(retries, "")
        return config.replace("[relay]\n", '[relay]\nmode = "cut_through"\n')

    @servers.needs_aiosmtpd
    def test_cut_through(self):
        mta = self.border_mta(self.cut_through(servers.Nsd(self, ZONE).port))
        client = self.client(mta)
        self.assertTrue(client.message(TEXT, "bob@two.test").startswith("250 "))
        self.assertEqual(len(self.hop.mails), 1)
        client.expect("250", "MAIL FROM:<alice@sender.test>")
        client.expect("556 5.1.10 ", "RCPT TO:<bob@null.test>")

    @servers.needs_aiosmtpd
    def test_cut_through_with_dns_that_is_away(self):
        client = self.client(self.border_mta(self.cut_through(1)))
        client.expect("250", "MAIL FROM:<alice@sender.test>")
        client.expect("451 4.4.3 ", "RCPT TO:<bob@two.test>")

    @servers.needs_aiosmtpd
    def test_strangers_get_no_answers_of_the_dns(self):
        mta = self.border_mta(self.config(servers.Nsd(self, ZONE).port, '["192.0.2.0/24"]'))
        client = self.client(mta)
        client.expect("250", "MAIL FROM:<alice@sender.test>")
        for domain in ("two", "null", "absent"):
            client.expect("550 5.7.1 ", f"RCPT TO:<bob@{domain}.test>")


if __name__ == "__main__":
    harness.main()
