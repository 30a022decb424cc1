#!/usr/bin/python3
"""Who the client is: behind haproxy with TLS, IPv6 and health checks, and what depends on it."""

import socket
import struct

import harness
import servers

PROXY_V2 = b"\r\n\r\n\x00\r\nQUIT\n"


def crc32c(octets):
    """Castagnoli's CRC, bit by bit."""
    crc = 0xFFFFFFFF
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def header_v2(source, extra=b"", checksum=True, damage=0):
    """A PROXY header of version 2 for a client with IPv4, with TLVs and a checksum."""
    addresses = bytes(map(int, source.split("."))) + bytes((192, 0, 2, 1)) + struct.pack(
        "!HH", 40000, 25)
    tail = addresses + extra + (b"\x03\x00\x04\x00\x00\x00\x00" if checksum else b"")
    header = PROXY_V2 + b"\x21\x11" + struct.pack("!H", len(tail)) + tail
    if checksum:
        header = header[:-4] + struct.pack("!I", crc32c(header) ^ damage)
    return header


class TrueClient(harness.Test):
    def behind_proxy(self, more="", tls=False):
        listener = '{ address = "127.0.0.1:0", proxy = true, tls = %s }' % str(tls).lower()
        return self.border_mta(harness.CONFIG.replace(
            '{ address = "127.0.0.1:0" }', listener) + "[proxies]\nnetworks = [\"127.0.0.1\"]\n"
            + more)

    def check_from(self, mta, address, count=1):
        """The client's address, in the message and in the log."""
        mail = self.arrived(mta, "bob", count).replace("\n ", " ")
        self.assertIn(f"([{address}])", mail)
        shown = f"[{address[5:]}]" if address.startswith("IPv6:") else address
        mta.log.wait("the log", lambda line: '"event":"message"' in line
                     and f'"client":"{shown}:' in line)
        return mail

    def swaks(self, port, *options, host="127.0.0.1", source="127.0.0.9"):
        return self.run_program(
            "swaks", "--server", host, "--port", port, "--local-interface", source, "--helo",
            "client.sender.test", "--from", "alice@sender.test", "--to", "bob@example.test",
            *options)

    # --- haproxy ----------------------------------------------------------------------------------

    @harness.needs("haproxy", "swaks")
    def test_starttls_through_haproxy(self):
        mta = self.behind_proxy()
        for count, options in enumerate(("send-proxy", "send-proxy-v2",
                                         "send-proxy-v2 proxy-v2-options crc32c,unique-id"), 1):
            done = self.swaks(servers.haproxy(self, options, mta.port), "--tls")
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertIn(" with ESMTPS (version=TLSv1.3 ", self.check_from(mta, "127.0.0.9", count))

    @harness.needs("haproxy", "swaks")
    def test_implicit_tls_through_haproxy(self):
        mta = self.behind_proxy(tls=True)
        done = self.swaks(servers.haproxy(self, "send-proxy-v2", mta.port), "--tls-on-connect")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn(" with ESMTPS ", self.check_from(mta, "127.0.0.9"))

    @harness.needs("haproxy")
    @servers.needs_ipv6
    def test_ipv6_through_haproxy(self):
        mta = self.behind_proxy()
        for count, options in enumerate(("send-proxy", "send-proxy-v2"), 1):
            port = servers.haproxy(self, options, mta.port, listen="[::1]")
            with harness.Conversation(port, "::1") as client:
                client.reply()
                client.expect("250", "EHLO client.sender.test")
                client.message(b"Subject: t\r\n\r\n", "bob@example.test")
            self.check_from(mta, "IPv6:::1", count)

    @harness.needs("haproxy", "swaks")
    def test_health_checks_of_haproxy(self):
        # They come without a client: LOCAL. haproxy forwards to nobody who does not answer them.
        mta = self.behind_proxy()
        port = servers.haproxy(self, "send-proxy-v2 check check-send-proxy inter 200ms", mta.port,
                               checked=True)
        mta.event("a check by haproxy", event="session", helo="haproxy.example.test")
        done = self.swaks(port)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.check_from(mta, "127.0.0.9")

    @harness.needs("haproxy")
    def test_what_depends_on_the_client(self):
        # Connection limits count clients, not the proxy; rules choose channels by client.
        mta = self.behind_proxy("[connections]\nper_network = 2\n" """
[[channel]]
name = "partners"
greeting = "ESMTP for partners"
[[channel_rule]]
networks = ["127.0.0.12"]
channel = "partners"
""")
        port = servers.haproxy(self, "send-proxy-v2", mta.port)
        clients = [harness.Conversation(port, source=f"127.0.0.{n}") for n in (11, 11, 12, 12)]
        for client, text in zip(clients, ("ESMTP", "ESMTP", "ESMTP for partners",
                                          "ESMTP for partners")):
            self.addCleanup(client.close)
            self.assertEqual(client.reply(), f"220 mx.example.test {text}")
        with harness.Conversation(port, source="127.0.0.11") as third:
            self.assertTrue(third.reply().startswith("421 4.7.0 "))
        with harness.Conversation(port, source="127.0.0.13") as other:
            self.assertTrue(other.reply().startswith("220 "))

    # --- Headers by hand --------------------------------------------------------------------------

    def test_checksums(self):
        mta = self.behind_proxy()
        with harness.Conversation(mta.port) as client:
            client.send(header_v2("192.0.2.7", extra=b"\x05\x00\x03abc\xe0\x00\x00"))
            self.assertTrue(client.reply().startswith("220 "))
            client.expect("250", "EHLO client.sender.test")
            client.message(b"Subject: t\r\n\r\n", "bob@example.test")
        self.check_from(mta, "192.0.2.7")
        with harness.Conversation(mta.port) as client:
            client.send(header_v2("192.0.2.7", damage=1))
            self.assertTrue(client.closed())

    def test_headers_in_pieces(self):
        mta = self.behind_proxy()
        for header in (header_v2("192.0.2.7"), b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 25\r\n",
                       b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 25\r\n", b"PROXY UNKNOWN\r\n"):
            with harness.Conversation(mta.port) as client:
                client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for octet in header:
                    client.send(bytes([octet]))
                self.assertTrue(client.reply().startswith("220 "), header)

    def test_bad_headers(self):
        mta = self.behind_proxy("[limits]\nproxy_timeout = \"1s\"\n")
        for header in (b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 70000\r\n",
                       b"PROXY TCP4 192.0.2.007 192.0.2.1 40000 25\r\n",
                       b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 25\n",
                       b"PROXY " + b"x" * 200, b"GET / HTTP/1.0\r\n\r\n",
                       PROXY_V2 + b"\x31\x11\x00\x0c" + bytes(12),
                       PROXY_V2 + b"\x21\x11\xff\xff" + bytes(5000),
                       b"PROXY TCP4 192.0.2.7"):  # and nothing more: the time limit
            with self.subTest(header[:60]), harness.Conversation(mta.port) as client:
                client.send(header)
                try:
                    self.assertTrue(client.closed())
                except ConnectionResetError:
                    pass  # there was more that nobody read

    # --- XCLIENT ----------------------------------------------------------------------------------

    def trusting(self):
        return self.border_mta(extra='[xclient]\nnetworks = ["127.0.0.30"]\n')

    @harness.needs("swaks")
    def test_xclient_by_swaks(self):
        mta = self.trusting()
        done = self.swaks(mta.port, "--xclient-addr", "192.0.2.7", "--xclient-name",
                          "host.sender.test", "--xclient-port", "4711", source="127.0.0.30")
        self.assertEqual(done.returncode, 0, done.stdout)
        mail = self.arrived(mta, "bob").replace("\n ", " ")
        self.assertIn("from client.sender.test (host.sender.test [192.0.2.7])", mail)
        mta.event("the log", event="message", client="192.0.2.7:4711")

    @harness.needs("swaks")
    def test_xclient_with_ipv6_and_tls(self):
        mta = self.trusting()
        done = self.swaks(mta.port, "--tls", "--xclient-addr", "IPV6:2001:db8::7", "--xclient-name",
                          "[UNAVAILABLE]", source="127.0.0.30")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.check_from(mta, "IPv6:2001:db8::7")

    @harness.needs("swaks")
    def test_xclient_from_others(self):
        mta = self.trusting()
        done = self.swaks(mta.port, "--xclient-addr", "192.0.2.7", source="127.0.0.31")
        self.assertNotEqual(done.returncode, 0)
        self.assertNotIn("250-XCLIENT", done.stdout)
        with harness.Conversation(mta.port, source="127.0.0.31") as client:
            client.reply()
            client.expect("250", "EHLO proxy.example.test")
            client.expect("502 5.5.1 ", "XCLIENT ADDR=192.0.2.7")
        self.assertEqual(self.messages("bob"), [])

    def test_xclient_is_who_may_relay(self):
        mta = self.border_mta(
            harness.CONFIG.replace("rules = [", 'rules = [ "* discard",'),
            '[xclient]\nnetworks = ["127.0.0.30"]\n[relay]\nrelay_from = ["192.0.2.7"]\n')
        for address, code in (("192.0.2.7", "250"), ("192.0.2.8", "550 5.7.1")):
            with harness.Conversation(mta.port, source="127.0.0.30") as client:
                client.reply()
                client.expect("250", "EHLO proxy.example.test")
                client.expect("220", f"XCLIENT ADDR={address}")
                client.expect("250", "EHLO client.sender.test")
                client.expect("250", "MAIL FROM:<alice@sender.test>")
                client.expect(code, "RCPT TO:<somebody@elsewhere.test>")

    def test_xclient_out_of_order_and_wrong(self):
        mta = self.trusting()
        with harness.Conversation(mta.port, source="127.0.0.30") as client:
            client.reply()
            client.expect("250", "EHLO proxy.example.test")
            client.expect("501 5.5.4", "XCLIENT ADDR=not.an.address")
            client.expect("501 5.5.4", "XCLIENT ADDR=192.0.2.7 COLOUR=green")
            client.expect("501 5.5.4", "XCLIENT NAME=a+0D+0Ab.test")
            client.expect("250", "MAIL FROM:<alice@sender.test>")
            client.expect("503 5.5.1", "XCLIENT ADDR=192.0.2.7")


if __name__ == "__main__":
    harness.main()
