#!/usr/bin/python3
"""border_mta delivers to independent servers: smtp-sink, aiosmtpd, Postfix, Dovecot's LMTP."""

import grp
import os
import pwd
import shutil

import harness

MESSAGE = "Subject: to a next hop\r\n\r\nHello\r\n..dot\r\n.\r\n"


class NextHops(harness.Test):
    def send(self, mta, *recipients, text=MESSAGE):
        """Sends a message; gives its id in the queue."""
        with harness.Conversation(mta.port) as client:
            client.reply()
            client.say("EHLO client.sender.test")
            client.say("MAIL FROM:<alice@sender.test> BODY=8BITMIME")
            for who in recipients:
                reply = client.say(f"RCPT TO:<{who}>")
                self.assertTrue(reply.startswith("250 "), reply)
            client.say("DATA")
            client.send(text)
            reply = client.reply()
            self.assertTrue(reply.startswith("250 2.0.0 "), reply)
            client.say("QUIT")
            return reply.split()[-1]

    # --- smtp-sink ----------------------------------------------------------------------------

    @harness.needs("smtp-sink")
    def test_smtp_sink(self):
        port = self.smtp_sink()
        mta = self.border_mta(harness.with_routes(f"example.test  smtp:[127.0.0.1]:{port}"))
        queue_id = self.send(mta, "bob@example.test", "carol@example.test")
        for who in ("bob@example.test", "carol@example.test"):
            done = mta.delivery(queue_id, "delivered", to=who)
            self.assertTrue(done["reply"].startswith("250 "), done)
        (mail,) = self.sunk()
        self.assertIn("\nHello\n.dot\n", mail)
        self.assertIn("X-Rcpt-Args: <bob@example.test>", mail)
        self.assertIn("X-Rcpt-Args: <carol@example.test>", mail)

    @harness.needs("smtp-sink")
    def test_temporary_refusal_is_tried_again(self):
        port = harness.free_port()
        mta = self.border_mta(harness.with_routes(f"example.test  smtp:[127.0.0.1]:{port}"))
        queue_id = self.send(mta, "bob@example.test")
        mta.delivery(queue_id, "deferred", attempt=1)
        self.smtp_sink(port=port)
        mta.delivery(queue_id, "delivered")
        self.assertEqual(len(self.sunk()), 1)

    @harness.needs("smtp-sink")
    def test_second_hop_takes_over(self):
        port = self.smtp_sink()
        dead = harness.free_port()
        mta = self.border_mta(harness.with_routes(
            f"example.test  smtp:[127.0.0.1]:{dead}, smtp:[127.0.0.1]:{port}"))
        queue_id = self.send(mta, "bob@example.test")
        mta.delivery(queue_id, "delivered")

    @harness.needs("smtp-sink")
    def test_permanent_refusal_is_kept_and_listed(self):
        port = self.smtp_sink("-f", "RCPT")
        mta = self.border_mta(harness.with_routes(f"example.test  smtp:[127.0.0.1]:{port}"))
        queue_id = self.send(mta, "bob@example.test")
        mta.delivery(queue_id, "failed")
        mta.stop()
        listed = self.run_ok(harness.BORDER_MTA, "--config", mta.config, "--queue")
        self.assertRegex(listed, rf"(?s){queue_id} .*<bob@example\.test>  failed: 5\d\d ")

    @harness.needs("smtp-sink", "smtp-source")
    def test_many(self):
        port = self.smtp_sink()
        mta = self.border_mta(harness.with_routes(f"example.test  smtp:[127.0.0.1]:{port}")
                              + "[checks.volume_limit]\nenabled = false\n")
        self.run_ok("smtp-source", "-s", 10, "-m", 300, "-l", 3000, "-f", "alice@sender.test",
                    "-t", "bob@example.test", mta.address)
        harness.wait_until("all of them", lambda: len(self.sunk()) >= 300, mta.process)
        self.assertEqual(len(self.sunk()), 300)

    # --- aiosmtpd -----------------------------------------------------------------------------

    def aiosmtpd(self, *options):
        port = harness.free_port()
        self.start("/usr/bin/python3", "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}", *options,
                   "-c", "aiosmtpd.handlers.Mailbox", self.folder / "box", port=port)
        return port

    def box(self):
        new = self.folder / "box" / "new"
        return [f.read_text(encoding="utf-8") for f in new.iterdir()] if new.is_dir() else []

    @harness.needs("openssl")
    def test_aiosmtpd_starttls(self):
        chain, key = harness.certificate(self.folder, "hop", "hop.example.test")
        port = self.aiosmtpd("--tlscert", chain, "--tlskey", key)
        mta = self.border_mta(harness.with_routes(
            f"example.test  smtp:[127.0.0.1]:{port} tls=required"))
        queue_id = self.send(mta, "bob@example.test")
        done = mta.delivery(queue_id, "delivered")
        self.assertTrue(done["tls"])
        (mail,) = self.box()
        self.assertIn("Subject: to a next hop", mail)

    def test_aiosmtpd_smtputf8(self):
        port = self.aiosmtpd("--smtputf8")
        mta = self.border_mta(harness.with_routes(
            f"example.test  smtp:[127.0.0.1]:{port} tls=none"))
        with harness.Conversation(mta.port) as client:
            client.reply()
            client.say("EHLO client.sender.test")
            client.say("MAIL FROM:<älice@sender.test> SMTPUTF8 BODY=8BITMIME")
            self.assertTrue(client.say("RCPT TO:<büb@example.test>").startswith("250 "))
            client.say("DATA")
            reply = client.say("Subject: Grüße\r\n\r\nHällo\r\n.")
        mta.delivery(reply.split()[-1], "delivered")
        (mail,) = self.box()
        self.assertIn("Subject: Grüße", mail)

    @harness.needs("openssl")
    def test_certificate_that_does_not_verify(self):
        chain, key = harness.certificate(self.folder, "hop", "other.example.test")
        port = self.aiosmtpd("--tlscert", chain, "--tlskey", key)
        mta = self.border_mta(harness.with_routes(
            f"example.test  smtp:[localhost]:{port} tls=verify"))
        queue_id = self.send(mta, "bob@example.test")
        done = mta.delivery(queue_id, "deferred")
        self.assertIn("certificate", done["reply"].lower())
        self.assertEqual(self.box(), [])

    # --- Dovecot ------------------------------------------------------------------------------

    @harness.needs("dovecot")
    def test_dovecot_lmtp(self):
        port = self.dovecot()
        mta = self.border_mta(harness.with_routes(f"example.test  lmtp:[127.0.0.1]:{port}"))
        queue_id = self.send(mta, "bob@example.test", "carol@example.test")
        for who in ("bob", "carol"):
            mta.delivery(queue_id, "delivered",
                      to=f"{who}@example.test")
            (mail,) = [f for f in self.dovecot_mail(f"{who}@example.test").iterdir()]
            self.assertIn("\nHello\n.dot\n", mail.read_text(encoding="utf-8"))

    def dovecot_mail(self, user):
        return self.folder / "dovecot" / "mail" / user / "new"

    def dovecot(self):
        base, port = self.folder / "dovecot", harness.free_port()
        me, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
        login, internal, mail = me, me, (os.geteuid(), os.getegid())
        if os.geteuid() == 0:  # it has users of its own then, and will not be root for mail
            login, internal, group = "dovenull", "dovecot", "dovecot"
            nobody = pwd.getpwnam("nobody")
            mail = (nobody.pw_uid, nobody.pw_gid)
        for name in ("mail", "run", "state"):
            (base / name).mkdir(parents=True)
        os.chown(base / "mail", *mail)
        self.folder.chmod(0o755)
        config = base / "dovecot.conf"
        config.write_text(f"""
base_dir = {base}/run
state_dir = {base}/state
protocols = lmtp
log_path = {base}/log
default_login_user = {login}
default_internal_user = {internal}
default_internal_group = {group}
mail_location = maildir:{base}/mail/%u
first_valid_uid = {mail[0]}
first_valid_gid = {mail[1]}
ssl = no
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={mail[0]} gid={mail[1]} home={base}/mail/%u
}}
service anvil {{
  chroot =
}}
service lmtp {{
  chroot =
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
""", encoding="utf-8")
        self.start("dovecot", "-F", "-c", config, port=port)
        return port

    # --- Postfix ------------------------------------------------------------------------------

    @harness.needs("postfix", "smtp-sink")
    def test_postfix(self):
        if os.geteuid() != 0:
            self.skipTest("Postfix starts for root only")
        sink = self.smtp_sink()
        port = self.postfix(sink)
        mta = self.border_mta(harness.with_routes(f"example.test  smtp:[127.0.0.1]:{port}"))
        queue_id = self.send(mta, "bob@example.test")
        done = mta.delivery(queue_id, "delivered")
        self.assertIn("queued as", done["reply"])
        # smtp-sink makes the file before it writes it.
        harness.wait_until("the mail behind Postfix, whole",
                           lambda: any("\nHello\n.dot\n" in mail for mail in self.sunk()))

    def postfix(self, sink):
        base, port = self.folder / "postfix", harness.free_port()
        for name in ("etc", "queue", "data"):
            (base / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        shutil.chown(base / "data", "postfix")
        (base / "etc" / "main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {base}/queue
data_directory = {base}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file = {base}/log
maillog_file_prefixes = {base}
myhostname = pf.example.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relay_domains = example.test
relay_transport = smtp:[127.0.0.1]:{sink}
smtp_dns_support_level = disabled
alias_maps =
""", encoding="utf-8")
        services = f"{port} inet n - n - - smtpd\npostlog unix-dgram n - n - 1 postlogd\n"
        for name, limit, program in (
                ("pickup", 1, "pickup"), ("cleanup", 0, "cleanup"), ("qmgr", 1, "qmgr"),
                ("tlsmgr", 1, "tlsmgr"), ("rewrite", "-", "trivial-rewrite"),
                ("bounce", 0, "bounce"), ("defer", 0, "bounce"), ("trace", 0, "bounce"),
                ("verify", 1, "verify"), ("flush", 0, "flush"), ("proxymap", "-", "proxymap"),
                ("smtp", "-", "smtp"), ("error", "-", "error"), ("retry", "-", "error"),
                ("anvil", 1, "anvil"), ("scache", 1, "scache")):
            private = "n" if name in ("pickup", "cleanup", "qmgr", "flush") else "-"
            services += f"{name} unix {private} - n - {limit} {program}\n"
        (base / "etc" / "master.cf").write_text(services, encoding="utf-8")
        self.run_ok("postfix", "-c", base / "etc", "start")
        self.addCleanup(self.run_program, "postfix", "-c", base / "etc", "stop")
        harness.wait_until("Postfix", lambda: harness.can_connect(port))
        return port


if __name__ == "__main__":
    harness.main()
