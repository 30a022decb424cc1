#!/usr/bin/python3
"""Who a sender is: border_mta asks nsd about clients, domains and signatures, and acts on it."""

import signal

import harness
import servers

try:
    import dkim
except ImportError:
    dkim = None

ZONE = """$TTL 60
. SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 60
. NS ns.invalid.
ns.invalid. A 127.0.0.1
good.test. MX 10 mx.good.test.
good.test. TXT "v=spf1 ip4:192.0.2.1 -all"
mx.good.test. A 192.0.2.1
mx.good.test. TXT "v=spf1 a -all"
1.2.0.192.in-addr.arpa. PTR mx.good.test.
_dmarc.good.test. TXT "v=DMARC1; p=reject"
soft.test. MX 10 mx.good.test.
soft.test. TXT "v=spf1 ~all"
_dmarc.soft.test. TXT "v=DMARC1; p=quarantine"
null.test. MX 0 .
9.113.0.203.bl.test. A 127.0.0.2
9.113.0.203.bl.test. TXT "listed, see https://bl.test/9"
2.0.0.127.bl.test. A 127.0.0.2
*.blocks.test. A 127.255.255.254
{keys}
"""



def message(domain, more=""):
    return (f"From: Alice <alice@{domain}>\r\nTo: bob@example.test\r\nSubject: hello\r\n"
            f"Date: Sat, 28 Nov 2026 00:00:00 +0000\r\nMessage-ID: <1@{domain}>\r\n{more}"
            "\r\nHello.\r\n").encode()


class Sender(harness.Test):
    def border(self, more="", keys=""):
        self.dns = servers.Nsd(self, ZONE.format(keys=keys))
        config = harness.CONFIG[:harness.CONFIG.index("[dns]")] + f"""
[xclient]
networks = ["127.0.0.0/8"]
[dns]
servers = ["127.0.0.1:{self.dns.port}"]
[[checks.dnsbl.lists]]
zone = "bl.test"
about = ["ipv4"]
{more}
"""
        return self.border_mta(config)

    def client(self, mta, address="192.0.2.1", helo="mx.good.test"):
        """A client at that address, as far as border_mta knows."""
        client = harness.Conversation(mta.port)
        self.addCleanup(client.close)
        client.reply()
        client.expect("250", "EHLO proxy.example.test")
        client.expect("220", f"XCLIENT ADDR={address} NAME=[UNAVAILABLE]")
        client.expect("250", f"EHLO {helo}")
        return client

    def header(self, mta, text, sender, address="192.0.2.1"):
        """What the accepted message has got on top, unfolded."""
        reply = self.client(mta, address).message(text, "bob@example.test", sender=sender)
        self.assertTrue(reply.startswith("250 "), reply)
        return self.arrived(mta, "bob").replace("\r\n", "\n").replace("\n ", " ")

    def test_all_is_well(self):
        mta = self.border()
        got = self.header(mta, message("good.test"), "alice@good.test")
        results = [line for line in got.split("\n")
                   if line.startswith("Authentication-Results: mx.example.test;")]
        self.assertEqual(len(results), 1, got)
        for part in ("iprev=pass", "policy.iprev=192.0.2.1", "spf=pass",
                     "smtp.mailfrom=alice@good.test", "dkim=none", "dmarc=pass",
                     "header.from=good.test"):
            self.assertIn(part, results[0])
        self.assertIn("\nReceived-SPF: pass ", got)

    def test_spf_fails(self):
        mta = self.border()
        client = self.client(mta, "198.51.100.7", "somewhere.else.test")
        client.expect("250", "MAIL FROM:<alice@good.test>")
        reply = client.expect("550", "RCPT TO:<bob@example.test>")
        self.assertIn("5.7.23", reply)
        self.assertIn("198.51.100.7 may not send mail for good.test", reply)

    def test_dmarc_rejects(self):
        mta = self.border()
        reply = self.client(mta).message(message("good.test"), "bob@example.test",
                                         sender="alice@soft.test")
        self.assertTrue(reply.startswith("550 5.7.1 "), reply)
        self.assertIn("good.test", reply)

    def test_dmarc_behind_an_upstream(self):
        # SPF leaves our own users there alone, and so DMARC has to.
        mta = self.border('[checks.client]\nupstreams = ["198.51.100.20"]\n')
        for seen, expected in (("home [198.51.100.9]) by up.example.test with ESMTPSA", "250 "),
                               ("pc [192.168.0.7]) by up.example.test with ESMTPS", "250 "),
                               ("x [192.0.2.1]) by up.example.test with ESMTPS", "550 5.7.1 ")):
            text = f"Received: from pc ({seen} id 1;\r\n Sat, 28 Nov 2026 00:00:00 +0000\r\n".encode()
            reply = self.client(mta, "198.51.100.20").message(
                text + message("good.test"), "bob@example.test", sender="alice@soft.test")
            self.assertTrue(reply.startswith(expected), f"{seen}: {reply}")

    def test_dmarc_quarantines(self):
        mta = self.border()
        got = self.header(mta, message("soft.test"), "alice@good.test")
        self.assertIn("dmarc=fail", got)
        self.assertIn("spf=pass", got)

    def test_a_listed_client(self):
        mta = self.border()
        client = self.client(mta, "203.0.113.9", "client.else.test")
        client.expect("250", "MAIL FROM:<alice@soft.test>")
        reply = client.expect("550", "RCPT TO:<bob@example.test>")
        self.assertIn("bl.test", reply)
        self.assertIn("https://bl.test/9", reply)

    def test_what_came_of_lists_is_in_the_log(self):
        mta = self.border("""[[checks.dnsbl.lists]]
zone = "blocks.test"
[checks.dnsbl]
failures = 2
rest = "1h"
""")
        for address in ("192.0.2.1", "203.0.113.9", "192.0.2.1"):
            client = self.client(mta, address)
            client.expect("250", "MAIL FROM:<alice@good.test>")
            client.say("RCPT TO:<bob@example.test>")
        rests = ("blocks.test: 2 questions in a row failed (it answers 127.255.255.254); not asked "
                 "for 3600000 ms (2 asked, 0 listed, 0 failed, 2 blocked, 0 odd, 0 skipped)")
        mta.event("trouble", where="check dnsbl", what=rests)
        mta.signal(signal.SIGUSR1)
        mta.event("note", what="blocks.test: 2 asked, 0 listed, 0 failed, 2 blocked, 0 odd, "
                               "1 skipped; rests")
        self.assertEqual(mta.stop(), 0)
        mta.event("note", what="bl.test: 3 asked, 1 listed, 0 failed, 0 blocked, 0 odd, 0 skipped")

    def test_what_the_caches_spared_is_in_the_log(self):
        mta = self.border()
        for _ in range(2):
            reply = self.client(mta).message(message("good.test"), "bob@example.test",
                                             sender="alice@good.test")
            self.assertTrue(reply.startswith("250 "), reply)
        mta.signal(signal.SIGUSR1)
        told = [mta.event("note", where=where)["what"] for where in ("check spf", "dns")]
        self.assertRegex(told[0], r"^records: [1-9]\d* known, [1-9]\d* read, 0 evicted$")
        self.assertRegex(told[1], r"^[1-9]\d* asked, \d+ known, \d+ known to have nothing, "
                                  r"0 known to fail, 0 stale, \d+ joined, [1-9]\d* queries, "
                                  r"0 timeouts, 0 failed, 0 too many, 0 evicted$")
        mta.event("note", where="check dkim", what="keys: 0 known, 0 read, 0 evicted")
        self.assertEqual(mta.stop(), 0)

    def test_domains_that_take_no_mail(self):
        mta = self.border()
        for sender, code in (("a@nowhere.test", "550"), ("a@null.test", "550")):
            client = self.client(mta)
            client.expect("250", f"MAIL FROM:<{sender}>")
            client.expect(code, "RCPT TO:<bob@example.test>")

    def test_forged_results_go(self):
        mta = self.border()
        forged = "Authentication-Results: mx.example.test; dmarc=pass header.from=forged.test\r\n"
        got = self.header(mta, message("good.test", forged), "alice@good.test")
        self.assertNotIn("forged.test", got)

    def test_a_signature(self):
        if dkim is None:
            servers.skip(self, "python3-dkim: not installed; tools/setup does it")
        key = self.run_ok("openssl", "genrsa", "2048")
        public = self.run_ok("openssl", "rsa", "-pubout", text=key)
        p = "".join(line for line in public.splitlines()
                    if not line.startswith(("-----", "writing")))
        # RFC 1035: a string has at most 255 octets.
        record = f'"v=DKIM1; k=rsa; p={p[:200]}" "{p[200:]}"'
        mta = self.border(keys=f"s1._domainkey.good.test. TXT {record}")
        text = message("good.test")
        signature = dkim.sign(text, b"s1", b"good.test", key.encode())
        got = self.header(mta, signature + text, "bounce@soft.test")
        self.assertIn("dkim=pass", got)
        self.assertIn("header.d=good.test", got)
        self.assertIn("dmarc=pass", got)
        broken = self.client(mta).message((signature + text).replace(b"Hello.", b"Other."),
                                          "bob@example.test", sender="bounce@soft.test")
        self.assertTrue(broken.startswith("550 5.7.1 "), broken)


if __name__ == "__main__":
    harness.main()
