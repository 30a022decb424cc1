"""What the integration tests share: border_mta and other servers, started and stopped by the test.

    class SwaksTest(harness.Test):
        def test_plain(self):
            mta = self.border_mta()
            self.run_ok("swaks", "--server", mta.address, "--to", "bob@example.test")
            self.assertIn("Subject: test", self.arrived(mta, "bob"))

Everything lives in one folder per test and is stopped, by its process id, when the test ends.
Servers get ports that the system chooses. Nothing waits by the clock: a wait is for a line of
output, a connection or a file, and has an end. A test whose program is absent is skipped, in CI it
fails.
"""

import contextlib
import getpass
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

# Far beyond what anything takes on a busy machine; only a test that fails waits so long.
PATIENCE = 60
# Between two looks at something that cannot be waited for.
GLANCE = 0.02

BORDER_MTA = os.path.abspath("examples/border_mta/border_mta")

# What is started ends with the test, also where that is killed.
DIE_TOO = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []

CONFIG = """
[server]
hostname = "mx.example.test"
threads = 2
listen = [{ address = "127.0.0.1:0" }]
[tls]
self_signed = true
[routes]
maildirs = "mail"
rules = [
  "example.test  maildir:{local}",
  "example.test  users: alice, bob, carol",
]
[spool]
directory = "spool"
free_reserve = 0
# No test depends on a name server outside: nobody answers here, at once.
[dns]
servers = ["127.0.0.1:1"]
tries = 1
[checks.mail_domain]
enabled = false
[checks.spf]
enabled = false
[checks.dmarc]
enabled = false
[checks.auth_results]
enabled = false
"""


QUICK_RETRY = """
[relay]
dead_hop = "0s"
[relay.retry]
first = "1s"
longest = "1s"
"""


def with_routes(*rules):
    """CONFIG with other routes, and with retries that a test can wait for."""
    start, end = CONFIG.index("rules = ["), CONFIG.index("[spool]")
    return CONFIG[:start] + f"rules = {json.dumps(rules)}\n" + CONFIG[end:] + QUICK_RETRY


def find_program(name):
    """The path of a program of the system, also of those that only root has in its PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/lib/postfix/sbin")


def needs(*programs):
    """Skips a test where one of the programs is absent; in CI it fails then."""
    absent = [name for name in programs if not find_program(name)]

    def decorate(test):
        def instead(self):
            reason = f"{', '.join(absent)}: not installed; tools/setup does it"
            if os.environ.get("CI"):
                self.fail(reason)
            print(f"SKIPPED: {self.id()}: {reason}", flush=True)
            self.skipTest(reason)

        instead.__name__ = test.__name__
        return instead if absent else test

    return decorate


def free_port():
    """A port that nobody uses now, for servers that cannot be told to choose one themselves."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, condition, process=None):
    """The first true value of condition(). Fails when `process` ends, or patience does."""
    end = time.monotonic() + PATIENCE
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if process is not None and process.poll() is not None:
            raise AssertionError(f"{what}: {process.args} has ended with {process.returncode}")
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {PATIENCE} s")
        pause.wait(GLANCE)


def can_connect(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), timeout=5).close()
        return True
    except OSError:
        return False


class Lines:
    """The lines that a stream gives, as they come; somebody else may wait for one of them."""

    def __init__(self, stream):
        self._lines = []
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream):
        with stream:
            for line in stream:
                with self._changed:
                    self._lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def all(self):
        with self._changed:
            return list(self._lines)

    def wait(self, what, wanted):
        """The first true value that wanted(line) has for a line, from the first line on."""
        end = time.monotonic() + PATIENCE
        seen = 0
        with self._changed:
            while True:
                for line in self._lines[seen:]:
                    seen += 1
                    value = wanted(line)
                    if value:
                        return value
                left = end - time.monotonic()
                if self._ended or left <= 0:
                    text = "\n".join(self._lines[-40:])
                    raise AssertionError(f"{what}: did not come; the last lines:\n{text}")
                self._changed.wait(left)


class BorderMta:
    """A running border_mta."""

    def __init__(self, folder, config, arguments=(), built_in=False, prefix=()):
        self.folder = pathlib.Path(folder)
        self.config = self.folder / "border_mta.toml"
        if config is not None:
            self.config.write_text(config, encoding="utf-8")
        arguments = ["--config", str(self.config), *arguments]
        if built_in:
            arguments = ["--dir", str(self.folder), "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            [*DIE_TOO, *prefix, BORDER_MTA, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self.output = Lines(self.process.stdout)
        self.log = Lines(self.process.stderr)
        try:
            self.output.wait("border_mta is ready", lambda line: line == "ready")
        except BaseException as error:
            self.kill()
            raise AssertionError(f"{error}\n" + "\n".join(self.log.all()[-40:])) from error
        self.addresses = [
            line.removeprefix("listening on ")
            for line in self.output.all()
            if line.startswith("listening on ")
        ]
        # Of the first that is no Unix socket.
        self.address = next((a for a in self.addresses if not a.startswith("unix:")), "none:0")
        self.port = int(self.address.rpartition(":")[2])

    def event(self, what, /, **fields):
        """Waits for a log line whose fields have these values."""

        def wanted(line):
            if not line.startswith("{"):
                return None
            record = json.loads(line)
            return record if all(record.get(k) == v for k, v in fields.items()) else None

        return self.log.wait(what, wanted)

    def delivery(self, queue_id, result, **fields):
        """Waits for an attempt to deliver a message that ends so, and gives its log line."""
        return self.event(f"{queue_id} {result}", event="delivery", queue=queue_id, result=result,
                          **fields)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        """The exit status, once it has ended."""
        return self.process.wait(PATIENCE)

    def stop(self):
        """Ends it gracefully and gives its exit status."""
        self.process.terminate()
        return self.wait()

    def kill(self):
        """Ends it at once, as a crash would."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Test(unittest.TestCase):
    """One folder, and whatever runs in it."""

    def setUp(self):
        # Not TEST_TMPDIR: its path is too long for Unix sockets, and other servers' users cannot
        # enter.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="gatepost."))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.at_port = {}  # the processes that start() has started, by their ports

    # --- Servers ------------------------------------------------------------------------------

    def border_mta(self, config=CONFIG, extra="", arguments=(), prefix=()):
        """Starts border_mta; where `config` is None, with the configuration of the last one.
        `prefix` is a command that runs it."""
        mta = BorderMta(self.folder, None if config is None else config + extra, arguments,
                        prefix=prefix)
        self.addCleanup(mta.kill)
        return mta

    def start(self, *command, port=None, **options):
        """Starts another server, and waits until its port, if named, takes connections."""
        log = open(self.folder / f"{os.path.basename(command[0])}.log", "ab")
        self.addCleanup(log.close)
        program = find_program(command[0]) or command[0]
        process = subprocess.Popen(
            [*DIE_TOO, program, *map(str, command[1:])],
            **{"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **options},
        )
        self.addCleanup(self.end, process)
        if port is not None:
            self.at_port[port] = process
            wait_until(f"{command[0]} on port {port}", lambda: can_connect(port), process)
        return process

    def smtp_sink(self, *options, port=None):
        """Starts Postfix's smtp-sink, which writes a file sink.* per message; gives its port."""
        port = port or free_port()
        # It wants to know whom to be where it could be root.
        user = ["-u", getpass.getuser()] if os.geteuid() == 0 else []
        self.start("smtp-sink", *user, "-d", self.folder / "sink.", *options,
                   f"127.0.0.1:{port}", "16", port=port)
        return port

    def sunk(self):
        """The messages that smtp-sink has. What it has refused it takes away, maybe just now."""
        found = []
        for file in sorted(self.folder.glob("sink.*")):
            with contextlib.suppress(FileNotFoundError):
                found.append(file.read_text(encoding="utf-8", errors="surrogateescape"))
        return found

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()

    # --- Clients ------------------------------------------------------------------------------

    def run_program(self, *command, text=None, **options):
        """Runs a program to its end; the result has returncode and stdout (with stderr)."""
        command = [find_program(command[0]) or command[0], *map(str, command[1:])]
        return subprocess.run(
            command,
            input=text if text is not None else "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
            **options,
        )

    def run_ok(self, *command, text=None, **options):
        """The same, and it has to succeed; gives what it said."""
        done = self.run_program(*command, text=text, **options)
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}")
        return done.stdout

    # --- Mail ---------------------------------------------------------------------------------

    def messages(self, user):
        """The messages that are in a user's Maildir."""
        new = self.folder / "mail" / user / "new"
        return [file.read_text(encoding="utf-8", errors="surrogateescape")
                for file in sorted(new.iterdir())] if new.is_dir() else []

    def arrived(self, mta, user, count=1):
        """Waits until a user has so many messages, and gives the last one."""
        wait_until(f"mail for {user}", lambda: len(self.messages(user)) >= count, mta.process)
        found = self.messages(user)
        self.assertEqual(len(found), count)
        return found[-1]


def certificate(folder, name, host="mx.example.test"):
    """A self-signed certificate for a host, made by openssl: the files of chain and key."""
    chain, key = pathlib.Path(folder) / f"{name}.pem", pathlib.Path(folder) / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", key, "-out", chain, "-days", "2", "-subj", f"/CN={host}",
         "-addext", f"subjectAltName=DNS:{host}"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    return chain, key


class Conversation:
    """A client that says exactly what a test wants, and reads whole replies."""

    def __init__(self, port, host="127.0.0.1", source=None):
        self.socket = socket.create_connection(
            (host, port), timeout=PATIENCE, source_address=(source, 0) if source else None)
        self._buffer = b""

    def send(self, octets):
        self.socket.sendall(octets.encode("utf-8") if isinstance(octets, str) else octets)

    def reply(self):
        """One reply, all of its lines."""
        lines = []
        while True:
            while b"\r\n" not in self._buffer:
                more = self.socket.recv(65536)
                if not more:
                    raise AssertionError(f"closed after {lines} {self._buffer!r}")
                self._buffer += more
            line, self._buffer = self._buffer.split(b"\r\n", 1)
            lines.append(line.decode("utf-8", "replace"))
            if line[3:4] != b"-":
                return "\n".join(lines)

    def say(self, line):
        """Sends a command line, and gives the reply."""
        self.send(line + "\r\n")
        return self.reply()

    def expect(self, code, line):
        """Sends a command line; its reply, which has to begin with `code`."""
        reply = self.say(line)
        assert reply.startswith(code), f"{line}: {reply}"
        return reply

    def message(self, text, *recipients, sender="alice@sender.test", options="", bdat=False):
        """One transaction, without EHLO; gives the reply to the text, which are octets."""
        self.expect("250", f"MAIL FROM:<{sender}>{options}")
        for who in recipients:
            self.expect("250", f"RCPT TO:<{who}>")
        if bdat:
            self.send(b"BDAT %d LAST\r\n" % len(text) + text)
            return self.reply()
        self.expect("354", "DATA")
        # RFC 5321 4.5.2: a dot more before every line that begins with one.
        self.send(re.sub(rb"(?m)^\.", b"..", text) + b".\r\n")
        return self.reply()

    def closed(self):
        """Waits until the server closes; nothing more may come."""
        try:
            return self._buffer == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:  # what we sent was not read
            return True

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def main():
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]])
