"""Independent servers that border_mta delivers to, or that stand before it.

Each function starts one for a test, which ends it again:

    hop = servers.Hop(self)                      aiosmtpd, in this process; keeps what it gets
    postfix = servers.Postfix(self, to=hop.port)
    port = servers.haproxy(self, "send-proxy", mta.port)
"""

import collections
import grp
import importlib.util
import logging
import os
import pathlib
import pwd
import shutil
import socket
import ssl
import tempfile
import threading

import harness

if importlib.util.find_spec("aiosmtpd"):
    from aiosmtpd.controller import Controller, UnixSocketController
    from aiosmtpd.lmtp import LMTP
else:
    Controller = UnixSocketController = LMTP = object

# It tells of handshakes that fail; here many should.
logging.getLogger("mail").setLevel(logging.CRITICAL + 1)

# What a next hop has got: by which connection, from whom, to whom, and the octets of its text.
Mail = collections.namedtuple("Mail", "peer sender recipients options text tls")


def needs_aiosmtpd(test):
    """As harness.needs, for Debian's aiosmtpd, which is a library."""
    if importlib.util.find_spec("aiosmtpd"):
        return test
    return harness.needs("python3-aiosmtpd")(test)


def needs_users(test):
    """Skips a test whose server wants to be root and to become others; a sandbox may have one user."""

    def instead(self):
        if os.geteuid() != 0:
            return skip(self, "its server starts for root only")
        with tempfile.NamedTemporaryFile() as file:
            try:
                shutil.chown(file.name, "nobody")
            except OSError as error:
                return skip(self, f"its server needs users of its own: {error}")
        return test(self)

    instead.__name__ = test.__name__
    return instead


def needs_ipv6(test):
    """Skips a test where there is no ::1."""

    def instead(self):
        with socket.socket(socket.AF_INET6) as any_port:
            try:
                any_port.bind(("::1", 0))
            except OSError as error:
                return skip(self, f"no IPv6 here: {error}")
        return test(self)

    instead.__name__ = test.__name__
    return instead


def skip(test, reason):
    print(f"SKIPPED: {test.id()}: {reason}", flush=True)
    test.skipTest(reason)


def short_folder(test):
    """A folder whose name leaves room for that of a Unix socket (108 octets in all)."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gp.", dir="/tmp"))
    test.addCleanup(shutil.rmtree, folder, ignore_errors=True)
    return folder


def sunk_mail(test, part):
    """The one mail of smtp-sink that has a part; waits for it."""
    found = harness.wait_until(f"mail with {part}", lambda: [m for m in test.sunk() if part in m])
    test.assertEqual(len(found), 1)
    return found[0]


class Hop:
    """A next hop, by aiosmtpd. `answers` has replies to RCPT by recipient, each used once."""

    def __init__(self, test, port=None, **options):
        self.mails = []
        self.answers = {}
        self.most_recipients = None  # of one transaction
        self.data_replies = []  # to the next text, instead of 250
        self.rcpt_commands = []
        self.gate = threading.Event()  # closed: replies to the text have to wait
        self.gate.set()
        self._lmtp = options.pop("lmtp", False)
        self.path = path = options.pop("path", None)
        certificate = options.pop("certificate", None)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            options["tls_context"] = context
        self.port = port or (None if path else harness.free_port())
        self._transports = []
        kind = UnixSocketController if path else Controller
        where = {"unix_socket": str(path)} if path else {"hostname": "127.0.0.1", "port": self.port}
        self._controller = self._observed(kind)(
            self, ready_timeout=harness.PATIENCE, server_hostname="hop.example.test", **where,
            **options)
        self._controller.start()
        self._running = True
        test.addCleanup(self.stop)

    def _observed(self, kind):
        hop = self

        class Observed(kind):
            def factory(self):
                server = (LMTP(hop, **self.SMTP_kwargs) if hop._lmtp else super().factory())
                hop._transports.append(server)
                return server

        return Observed

    def stop(self):
        """Ends it, and all its connections."""
        if not self._running:
            return
        self._running = False
        self.gate.set()
        self.drop_connections()
        self._controller.stop()

    def drop_connections(self):
        """Closes all connections, as a server does that is tired of waiting."""
        def close():
            for server in self._transports:
                if server.transport is not None:
                    server.transport.close()
            self._transports.clear()
            done.set()

        done = threading.Event()
        self._controller.loop.call_soon_threadsafe(close)
        done.wait(harness.PATIENCE)

    def wait_for(self, count, process=None):
        """Waits for so many mails, and gives them."""
        harness.wait_until(f"{count} mails at the next hop", lambda: len(self.mails) >= count,
                           process)
        return list(self.mails)

    def connections(self):
        """How many connections brought mail."""
        return len({mail.peer for mail in self.mails})

    # --- What aiosmtpd calls ------------------------------------------------------------------

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.rcpt_commands.append(address)
        answer = self.answers.pop(address, None)
        if self.most_recipients and len(envelope.rcpt_tos) == self.most_recipients:
            answer = "452 4.5.3 Too many recipients"
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        if not self.gate.is_set():
            await server.loop.run_in_executor(None, self.gate.wait)
        self.mails.append(Mail(
            session.peer, envelope.mail_from, list(envelope.rcpt_tos), list(envelope.mail_options),
            bytes(envelope.original_content), session.ssl is not None))
        replies, self.data_replies = self.data_replies, []
        every = len(envelope.rcpt_tos) if self._lmtp else 1
        return "\r\n".join(replies or ["250 2.0.0 OK"] * every)


class Postfix:
    """A whole Postfix, for root. It takes mail on `port` and sends it on to 127.0.0.1:`to`."""

    def __init__(self, test, to, **settings):
        self._test = test
        self._base = short_folder(test)
        self._base.chmod(0o755)
        self.port = harness.free_port()
        self.log_file = self._base / "log"
        for name in ("etc", "queue", "data"):
            (self._base / name).mkdir()
        shutil.chown(self._base / "data", "postfix")
        self._write(to, settings)
        self._run("start")
        test.addCleanup(self._run, "stop")
        harness.wait_until("Postfix", lambda: harness.can_connect(self.port))

    def _run(self, command):
        self._test.run_ok("postfix", "-c", self._base / "etc", command)

    def log(self):
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def _write(self, to, settings):
        main = {
            "compatibility_level": "3.6",
            "queue_directory": self._base / "queue",
            "data_directory": self._base / "data",
            "command_directory": "/usr/sbin",
            "daemon_directory": "/usr/lib/postfix/sbin",
            "maillog_file": self.log_file,
            "maillog_file_prefixes": self._base,
            "myhostname": "postfix.example.test",
            "mydestination": "",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8",
            "relay_domains": "example.test",
            "relay_transport": f"smtp:[127.0.0.1]:{to}",
            "smtp_dns_support_level": "disabled",
            "alias_maps": "",
            "smtpd_tls_loglevel": "1",
            "in_flow_delay": "0",
            **settings,
        }
        (self._base / "etc" / "main.cf").write_text(
            "".join(f"{key} = {value}\n" for key, value in main.items()), encoding="utf-8")
        unix = ("pickup 1 pickup,cleanup 0 cleanup,qmgr 1 qmgr,tlsmgr 1 tlsmgr,"
                "rewrite - trivial-rewrite,bounce 0 bounce,defer 0 bounce,trace 0 bounce,"
                "verify 1 verify,flush 0 flush,proxymap - proxymap,smtp - smtp,lmtp - lmtp,"
                "error - error,retry - error,anvil 1 anvil,scache 1 scache")
        lines = [f"{self.port} inet n - n - - smtpd", "postlog unix-dgram n - n - 1 postlogd"]
        for name, limit, program in (entry.split() for entry in unix.split(",")):
            private = "n" if name in ("pickup", "cleanup", "qmgr", "flush") else "y"
            lines.append(f"{name} unix {private} - n - {limit} {program}")
        (self._base / "etc" / "master.cf").write_text("\n".join(lines) + "\n", encoding="utf-8")


class Dovecot:
    """Dovecot's LMTP, on a port and on a Unix socket, with a Maildir for whoever is asked for."""

    def __init__(self, test):
        base = short_folder(test)
        base.chmod(0o755)
        for name in ("mail", "run", "state"):
            (base / name).mkdir()
        self.port, self.socket = harness.free_port(), base / "run" / "lmtp"
        self._mail = base / "mail"
        me, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
        login, internal, owner = me, me, (os.geteuid(), os.getegid())
        if os.geteuid() == 0:  # it has users of its own then, and is not root for mail
            login, internal, group = "dovenull", "dovecot", "dovecot"
            nobody = pwd.getpwnam("nobody")
            owner = (nobody.pw_uid, nobody.pw_gid)
            os.chown(self._mail, *owner)
        config = base / "dovecot.conf"
        config.write_text(f"""
base_dir = {base}/run
state_dir = {base}/state
protocols = lmtp
log_path = {base}/log
default_login_user = {login}
default_internal_user = {internal}
default_internal_group = {group}
mail_location = maildir:{base}/mail/%n
first_valid_uid = {owner[0]}
first_valid_gid = {owner[1]}
ssl = no
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = passwd-file
  args = {base}/users
}}
service anvil {{
  chroot =
}}
service lmtp {{
  chroot =
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.port}
  }}
  unix_listener lmtp {{
    mode = 0666
  }}
}}
""", encoding="utf-8")
        (base / "users").write_text("".join(
            f"{user}@example.test::{owner[0]}:{owner[1]}::{base}/mail/{user}::\n"
            for user in ("bob", "carol")), encoding="utf-8")
        test.start("dovecot", "-F", "-c", config, port=self.port)
        harness.wait_until("Dovecot's socket", self.socket.exists)

    def mails(self, user):
        """The messages of a user, as Dovecot keeps them: with its own fields, and LF for CRLF."""
        new = self._mail / user / "new"
        return [file.read_bytes() for file in sorted(new.iterdir())] if new.is_dir() else []


def haproxy(test, options, to, listen="127.0.0.1", checked=False):
    """Starts haproxy; gives its port. `options`: how it speaks to port `to`."""
    port = harness.free_port()
    config = test.folder / f"haproxy.{port}.cfg"
    config.write_text(f"""
global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen mail
    bind {listen}:{port}
    unique-id-format %{{+X}}o%ci:%cp
    {"option smtpchk EHLO haproxy.example.test" if checked else ""}
    server mta 127.0.0.1:{to} {options}
""", encoding="utf-8")
    process = test.start("haproxy", "-db", "-f", config)
    harness.wait_until("haproxy", lambda: harness.can_connect(port, listen.strip("[]")), process)
    return port


def free_udp_and_tcp_port():
    """A port that nobody uses now, by neither."""
    while True:
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]


class Nsd:
    """An authoritative server for the whole DNS: a name that the zone has not does not exist."""

    def __init__(self, test, zone):
        if not harness.find_program("nsd"):
            if os.environ.get("CI"):
                test.fail("nsd: not installed; tools/setup does it")
            skip(test, "nsd: not installed; tools/setup does it")
        self.port = free_udp_and_tcp_port()
        folder = pathlib.Path(tempfile.mkdtemp(prefix="nsd.", dir=test.folder))
        (folder / "zone").write_text(zone, encoding="utf-8")
        config = folder / "nsd.conf"
        config.write_text(f"""server:
  ip-address: 127.0.0.1@{self.port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/pid"
  xfrdfile: "{folder}/xfrd"
  zonelistfile: "{folder}/list"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: zone
""", encoding="utf-8")
        self.process = test.start("nsd", "-d", "-c", config)
        harness.wait_until("nsd answers", self.answers, self.process)

    def answers(self):
        """Whether it has an answer to the question for the root's SOA."""
        question = b"\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x01"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            s.connect(("127.0.0.1", self.port))
            try:
                s.send(question)
                return s.recv(512)[3] & 15 == 0
            except OSError:
                return False
