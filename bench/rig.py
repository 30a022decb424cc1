"""What the load tools share: a server on a CPU of its own, its memory, its log, and a good client.

The server runs on CPU 0, whatever loads it on the others, so that neither takes time from the
other. A tool looks for the server in bazel-bin, and says how to build it where it is absent.
"""

import collections
import contextlib
import getpass
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 60
# Before a tool moves itself to some of them.
ALL_CPUS = sorted(os.sched_getaffinity(0))
BUILD = "bazel build --config=opt //examples/border_mta //examples/sink"

# Of messages in flight, and of the whole program: beside them [spool] memory, 64 MiB, and what the
# database, the sessions and the allocator hold.
MEMORY = 64 << 20
MEMORY_BOUND = MEMORY + (128 << 20)

CONFIG = f"""
[server]
hostname = "mx.example.test"
threads = 1
memory = {MEMORY}
listen = [
  {{ address = "127.0.0.1:0" }},
  {{ address = "127.0.0.1:0", tls = true }},
  {{ address = "127.0.0.1:0", proxy = true }},
]
[proxies]
networks = ["127.0.0.0/8"]
[tls]
self_signed = true
[routes]
rules = ["example.test discard", "example.test users: bob, carol"]
[spool]
directory = "spool"
free_reserve = 0
[log]
level = "debug"
file = "log"
"""

# For an attack that takes all of them. Who stays in one session sends many messages.
FEW_PLACES = """
[connections]
total = 200
[limits]
transactions = 0
"""


def find_server(name, given=None):
    path = pathlib.Path(given or f"bazel-bin/examples/{name}/{name}")
    if not path.exists():
        sys.exit(f"{path} is not there. Build it first: {BUILD}")
    return str(path.resolve())


def cpus():
    """CPU 0 for the server, the rest for everybody else; one CPU is shared."""
    return {ALL_CPUS[0]}, set(ALL_CPUS[1:]) or {ALL_CPUS[0]}


def raise_descriptor_limit(wanted):
    """As far as we may; gives how many there are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        try:
            hard = wanted
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
        except (ValueError, OSError):
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit


def wait_until(what, condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        pause.wait(0.01)


class Server:
    """A server that is started, watched and stopped. `memory` as the kernel has it, in octets."""

    def __init__(self, command, folder, ready, where=None):
        where = where or cpus()[0]
        self.folder = pathlib.Path(folder)
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, where))  # pylint: disable=subprocess-popen-preexec-fn
        self.ports = []
        for line in self.process.stdout:
            if line.startswith("listening on "):
                self.ports.append(int(line.rpartition(":")[2]))
            if ready(line):
                break
        else:
            raise AssertionError("the server did not start: " + self.process.stderr.read())
        for stream in (self.process.stdout, self.process.stderr):
            threading.Thread(target=stream.read, daemon=True).start()

    @property
    def port(self):
        return self.ports[0]

    def alive(self):
        return self.process.poll() is None

    def _status(self, key):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        (line,) = [l for l in text.splitlines() if l.startswith(key + ":")]
        return int(line.split()[1]) << 10

    def memory(self):
        return self._status("VmRSS")

    def peak_memory(self):
        return self._status("VmHWM")

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self):
        """Graceful; gives the exit status."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self):
        if self.alive():
            self.process.kill()
            self.process.wait()


def border_mta(folder, path=None, config=CONFIG):
    (pathlib.Path(folder) / "border_mta.toml").write_text(config, encoding="utf-8")
    return Server([find_server("border_mta", path), "--config", "border_mta.toml"], folder,
                  lambda line: line == "ready\n")


def sink(folder, path=None):
    """A next hop, beside the clients."""
    return Server([find_server("sink", path), "--port", "0"], folder,
                  lambda line: line.startswith("listening on "), cpus()[1])


class SmtpSink:
    """Postfix's smtp-sink: takes all messages, and throws them away."""

    def __init__(self, folder):
        program = shutil.which("smtp-sink") or shutil.which("smtp-sink", path="/usr/sbin:/sbin")
        if not program:
            sys.exit("smtp-sink is not installed (Postfix); tools/setup does it")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        # It wants to know whom to be where it could be root.
        user = ["-u", getpass.getuser()] if os.geteuid() == 0 else []
        self._process = subprocess.Popen([program, *user, f"127.0.0.1:{self.port}", "64"], cwd=folder,
                                         stdin=subprocess.DEVNULL)
        wait_until("smtp-sink listens", self._listens)

    def _listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 5).close()
            return True
        except OSError:
            return False

    def kill(self):
        self._process.kill()
        self._process.wait()


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Log:
    """Counts the events of border_mta's log, as it grows: why clients were turned away, how
    sessions ended and by which limit, what was said of messages, what went wrong."""

    def __init__(self, path):
        self._path = path
        self._at = 0

    def counts(self):
        """Of what was written since the last call."""
        seen = collections.Counter()
        with open(self._path, "rb") as file:
            file.seek(self._at)
            text = file.read()
        end = text.rfind(b"\n") + 1
        self._at += end
        for line in text[:end].splitlines():
            event = json.loads(line)
            kind = event["event"]
            if kind == "connection":
                seen["refused: " + event["refused_by"] if not event["accepted"] else "accepted"] += 1
            elif kind == "session":
                seen["ended: " + event["ended_by"]] += 1
                if "tls" in event:
                    seen["over " + event["tls"]] += 1
                if "limit" in event:
                    seen["limit: " + event["limit"]] += 1
            elif kind == "message":
                seen["message: " + event["result"]] += 1
            elif kind == "verdict" and event["verdict"] in ("refuse", "defer", "drop"):
                seen["verdict: " + event["check"]] += 1
            elif kind == "trouble":
                seen["trouble: " + event["where"]] += 1
        return seen


def folder_in_memory():
    """A new folder, in memory where the system has room for files there: the disk's moods are not
    what is measured."""
    where = "/dev/shm" if os.path.isdir("/dev/shm") and os.access("/dev/shm", os.W_OK) else None
    return pathlib.Path(tempfile.mkdtemp(prefix="gatepost.", dir=where))


def remove(folder):
    shutil.rmtree(folder, ignore_errors=True)


# --- The good client -----------------------------------------------------------------------------

TEXT = (b"Date: Fri, 27 Nov 2026 12:00:00 +0000\r\nFrom: <alice@sender.test>\r\n"
        b"Subject: of the good client\r\n\r\n" + (b"x" * 70 + b"\r\n") * 28 + b".\r\n")


class Refused(Exception):
    """The server said something else than expected."""


def _expect(stream, code):
    while True:
        line = stream.readline()
        if not line.startswith(code):
            raise Refused(line.decode("ascii", "replace").strip() or "closed")
        if line[3:4] != b"-":
            return


class Session:
    """One session of the good client."""

    def __init__(self, port, source="127.0.0.1"):
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self._socket.makefile("rb")
        _expect(self._stream, b"220")
        self._say(b"EHLO client.sender.test\r\n", b"250")

    def _say(self, words, code):
        self._socket.sendall(words)
        _expect(self._stream, code)

    def message(self):
        self._say(b"MAIL FROM:<alice@sender.test>\r\n", b"250")
        self._say(b"RCPT TO:<bob@example.test>\r\n", b"250")
        self._say(b"DATA\r\n", b"354")
        self._say(TEXT, b"250")

    def quit(self):
        self._say(b"QUIT\r\n", b"221")

    def close(self):
        self._stream.close()
        self._socket.close()


def transaction(port, source="127.0.0.1"):
    """One whole session with one message, from connect to close; gives its seconds."""
    begin = time.perf_counter()
    with contextlib.closing(Session(port, source)) as session:
        session.message()
        session.quit()
    return time.perf_counter() - begin


class GoodClient:
    """Sends one message after the other, with pauses, on a thread; notes how long each took. Each has
    a session of its own; where it `stays`, all have one, which is open before start()."""

    def __init__(self, port, per_second=50, stays=False):
        self.times = []
        self.failures = []
        self._port, self._pause = port, 1 / per_second
        self._session = Session(port) if stays else None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self):
        self._thread.start()
        return self

    def _run(self):
        chance = random.Random(1)
        while not self._stopping.wait(self._pause * (0.5 + chance.random())):
            try:
                self.times.append(self._one())
            except (OSError, Refused) as error:
                self.failures.append(str(error))

    def _one(self):
        if not self._session:
            return transaction(self._port)
        begin = time.perf_counter()
        self._session.message()
        return time.perf_counter() - begin

    def stop(self):
        self._stopping.set()
        self._thread.join()
        if self._session:
            self._session.close()
        return self


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def mib(octets):
    return f"{octets / (1 << 20):.1f} MiB"
