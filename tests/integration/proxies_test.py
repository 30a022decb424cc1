#!/usr/bin/python3
"""The true client behind haproxy's PROXY headers and behind XCLIENT, from trusted networks only."""

import harness


class Proxies(harness.Test):
    def behind_proxy(self, proxies='"127.0.0.1"'):
        return harness.CONFIG.replace(
            'listen = [{ address = "127.0.0.1:0" }]',
            'listen = [{ address = "127.0.0.1:0", proxy = true }]',
        ) + f"[proxies]\nnetworks = [{proxies}]\n"

    def haproxy(self, port):
        """Starts haproxy in front of a port; gives its ports by what they send."""
        ports = {name: harness.free_port() for name in ("v1", "v2", "v2tlv")}
        config = self.folder / "haproxy.cfg"
        config.write_text(f"""
global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen v1
    bind 127.0.0.1:{ports["v1"]}
    server s 127.0.0.1:{port} send-proxy
listen v2
    bind 127.0.0.1:{ports["v2"]}
    server s 127.0.0.1:{port} send-proxy-v2
listen v2tlv
    bind 127.0.0.1:{ports["v2tlv"]}
    unique-id-format %{{+X}}o%ci:%cp
    server s 127.0.0.1:{port} send-proxy-v2 proxy-v2-options unique-id,crc32c
""", encoding="utf-8")
        process = self.start("haproxy", "-db", "-f", config)
        for proxy_port in ports.values():
            harness.wait_until("haproxy", lambda p=proxy_port: harness.can_connect(p), process)
        return ports

    @harness.needs("haproxy", "swaks")
    def test_haproxy(self):
        mta = self.border_mta(self.behind_proxy())
        for count, (name, port) in enumerate(self.haproxy(mta.port).items(), 1):
            # Another loopback address, so that client and proxy can be told apart.
            self.run_ok("swaks", "--server", f"127.0.0.1:{port}", "--local-interface", "127.0.0.9",
                        "--from", "alice@sender.test", "--to", "bob@example.test",
                        "--header", f"Subject: by {name}")
            self.arrived_from(mta, count, f"by {name}", "127.0.0.9")

    def arrived_from(self, mta, count, subject, address):
        self.arrived(mta, "bob", count)
        (mail,) = [m for m in self.messages("bob") if f"Subject: {subject}\n" in m]
        self.assertIn(f"([{address}])", mail)

    def test_headers_by_hand(self):
        mta = self.border_mta(self.behind_proxy())
        with harness.Conversation(mta.port) as client:
            client.send("PROXY TCP4 192.0.2.7 192.0.2.1 40000 25\r\n")
            self.assertTrue(client.reply().startswith("220 "))
        with harness.Conversation(mta.port) as client:
            client.send("EHLO no.header.test\r\n")
            self.assertTrue(client.closed(), "no header, no session")

    def test_proxy_that_is_not_trusted(self):
        mta = self.border_mta(self.behind_proxy('"192.0.2.0/24"'))
        with harness.Conversation(mta.port) as client:
            client.send("PROXY TCP4 192.0.2.7 192.0.2.1 40000 25\r\n")
            self.assertTrue(client.closed())

    def test_header_where_none_is_awaited(self):
        mta = self.border_mta()
        with harness.Conversation(mta.port) as client:
            client.reply()
            reply = client.say("PROXY TCP4 192.0.2.7 192.0.2.1 40000 25")
            self.assertTrue(reply.startswith("500 "), reply)

    def test_xclient(self):
        mta = self.border_mta(extra='[xclient]\nnetworks = ["127.0.0.1"]\n')
        with harness.Conversation(mta.port) as client:
            client.reply()
            self.assertIn("XCLIENT ", client.say("EHLO proxy.test"))
            reply = client.say("XCLIENT ADDR=192.0.2.7 NAME=client.sender.test")
            self.assertTrue(reply.startswith("220 "), reply)
            client.say("EHLO client.sender.test")
            client.say("MAIL FROM:<alice@sender.test>")
            client.say("RCPT TO:<bob@example.test>")
            client.say("DATA")
            client.say("Subject: by XCLIENT\r\n\r\n.")
        self.arrived(mta, "bob")
        self.assertIn("[192.0.2.7]", self.messages("bob")[0])

    def test_xclient_from_others(self):
        mta = self.border_mta(extra='[xclient]\nnetworks = ["192.0.2.0/24"]\n')
        with harness.Conversation(mta.port) as client:
            client.reply()
            self.assertNotIn("XCLIENT", client.say("EHLO proxy.test"))
            self.assertRegex(client.say("XCLIENT ADDR=192.0.2.7"), "^5[05]")


if __name__ == "__main__":
    harness.main()
