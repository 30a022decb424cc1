#!/usr/bin/python3
"""A storm of kill -9: what got a 250 arrives, once, or twice where the protocol cannot tell.

Clients send numbered messages without a pause, small and large ones (those have a file each in the
spool), by DATA and by BDAT, to one next hop and to two. Meanwhile border_mta is killed at random
moments, sometimes before it has come up again. The next hops take what they get, but now and then
say 451, or take a message and close before they have said so.

GATEPOST_STORM_KILLS is how often it is killed (40), GATEPOST_STORM_SEED which storm it is.
"""

import collections
import hashlib
import os
import random
import re
import socket
import socketserver
import subprocess
import threading

import harness

KILLS = int(os.environ.get("GATEPOST_STORM_KILLS", "40"))
SEED = int(os.environ.get("GATEPOST_STORM_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
CLIENTS = 6
# Around inline_limit, which is 256 KiB, and far from it.
SIZES = (300, 1_000, 4_000, 20_000, 255_000, 263_000, 700_000)
WEIGHTS = (30, 20, 20, 10, 1, 1, 1)
# How long it may live, in seconds: some moments are in the middle of the load, some in the start.
LIFE = 0.6
# As relay.deliveries_per_hop has it: what can be under way to one next hop when it is killed.
UNDER_WAY = 20
# One in so many messages that a next hop refuses for now; takes, and closes without a word.
REFUSED, UNANSWERED = 40, 60


class Arrival:
    """`told`: it was answered. `heard`: the other end went on after that, so it knows."""

    def __init__(self, life, told):
        self.life, self.told, self.heard = life, told, False



def text_of(number):
    """A message that tells its number and whether it is whole."""
    source = random.Random(SEED ^ number)
    (size,) = source.choices(SIZES, WEIGHTS)
    body = b"\r\n".join(b"%0256x" % source.getrandbits(1024) for _ in range(size // 258 + 1))
    digest = hashlib.sha256(body).hexdigest().encode()
    return b"Subject: number %d\r\nX-Digest: %s\r\n\r\n%s\r\n" % (number, digest, body)


def number_of(text):
    """The number of a message that has arrived, or None where it is not whole."""
    header, _, body = text.partition(b"\r\n\r\n")
    number = re.search(rb"(?m)^Subject: number (\d+)\r?$", header)
    digest = re.search(rb"(?m)^X-Digest: (\w+)\r?$", header)
    whole = number and digest and hashlib.sha256(body[:-2]).hexdigest().encode() == digest[1]
    return int(number[1]) if whole else None


class Hop:
    """A next hop that counts what arrives. `life` is the number of the border_mta that runs now."""

    def __init__(self, test, name, life):
        self.name = name
        self.arrivals = collections.defaultdict(list)  # by number of the message
        self.damaged = []
        self.refused = 0
        self.tame = False  # takes everything from now on
        self._life = life
        self._chance = random.Random(f"{SEED} {name}")
        self._lock = threading.Lock()
        hop = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    hop.serve(self.rfile, self.wfile)
                except OSError:
                    pass  # the other end was killed

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        test.addCleanup(self._server.server_close)
        test.addCleanup(self._server.shutdown)

    def serve(self, received, sent):
        sent.write(b"220 hop.example.test ESMTP\r\n")
        taken = None
        while True:
            line = received.readline()
            if not line.endswith(b"\r\n"):
                return
            if taken:
                taken.heard = True
            verb = line[:4].upper()
            if verb == b"DATA":
                sent.write(b"354 Go on\r\n")
                text = self._read_text(received)
                if text is None:
                    return
                taken = self._take(text, sent)
                if taken and not taken.told:
                    return
            elif verb == b"EHLO":
                sent.write(b"250-hop.example.test\r\n250-PIPELINING\r\n250 SIZE\r\n")
            elif verb == b"QUIT":
                sent.write(b"221 Bye\r\n")
                return
            else:
                sent.write(b"250 OK\r\n")

    @staticmethod
    def _read_text(received):
        lines = []
        while True:
            line = received.readline()
            if not line.endswith(b"\r\n"):
                return None
            if line == b".\r\n":
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") else line)

    def _take(self, text, sent):
        """Notes a message, and answers, unless that is not told. None: it was refused."""
        number = number_of(text)
        with self._lock:
            if number is not None and not self.tame and self._chance.randrange(REFUSED) == 0:
                self.refused += 1
                sent.write(b"451 4.3.0 Not now\r\n")
                return None
            told = self.tame or self._chance.randrange(UNANSWERED) != 0
            arrival = Arrival(self._life(), told)
            if number is None:
                self.damaged.append(text[:200])
            else:
                self.arrivals[number].append(arrival)
        if told:
            sent.write(b"250 2.0.0 OK\r\n")
        return arrival


class Clients:
    """They send without a pause to a server that comes and goes, and note each 250."""

    def __init__(self, test, port):
        self.accepted = {}  # the hops that each message is for
        self.sent = 0
        self._port = port
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()
        test.addCleanup(self.stop)

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self):
        while not self._stopping.is_set():
            try:
                with harness.Conversation(self._port) as client:
                    client.reply()
                    client.expect("250", "EHLO client.sender.test")
                    while not self._stopping.is_set():
                        self._send(client)
            except (OSError, AssertionError):
                self._stopping.wait(harness.GLANCE)  # it was killed

    def _send(self, client):
        with self._lock:
            number = self.sent
            self.sent += 1
        hops = ("one", "two") if number % 4 == 0 else ("one",)
        reply = client.message(text_of(number), *(f"bob@{hop}.test" for hop in hops),
                               bdat=number % 3 == 0)
        if reply.startswith("250 "):
            with self._lock:
                self.accepted[number] = hops


class CrashStorm(harness.Test):
    def setUp(self):
        super().setUp()
        self.life = 0
        self.port = harness.free_port()
        self.chance = random.Random(SEED)
        self.pause = threading.Event()
        print(f"GATEPOST_STORM_KILLS={KILLS} GATEPOST_STORM_SEED={SEED}", flush=True)

    def config(self, hops):
        rules = (f"{hop.name}.test smtp:[127.0.0.1]:{hop.port}" for hop in hops)
        return harness.with_routes(*rules).replace("127.0.0.1:0", f"127.0.0.1:{self.port}")

    def kill_before_it_is_up(self, config_file):
        """Starts it, and kills it while it opens its spool, or whatever it does by then."""
        process = subprocess.Popen(
            [*harness.DIE_TOO, harness.BORDER_MTA, "--config", str(config_file)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pause.wait(self.chance.random() * 0.1)
        process.kill()
        process.wait()

    def test_storm(self):
        hops = [Hop(self, name, lambda: self.life) for name in ("one", "two")]
        mta = self.border_mta(self.config(hops))
        clients = Clients(self, self.port)
        kills = 0
        while kills < KILLS:
            self.pause.wait(self.chance.random() * LIFE)
            self.assertIsNone(mta.process.poll(), "it ended by itself")
            mta.kill()
            kills += 1
            self.life += 1
            while kills < KILLS and self.chance.random() < 0.2:
                self.kill_before_it_is_up(mta.config)
                kills += 1
                self.life += 1
            mta = self.border_mta(config=None)
        clients.stop()
        self.wait_for_all(clients, hops, mta)
        self.report(clients, hops, kills)
        for hop in hops:
            self.check_twice(hop)
            self.assertEqual(hop.damaged, [])
        self.assertGreater(len(clients.accepted), kills, "hardly anything was sent")
        self.check_left(hops, mta)

    @staticmethod
    def missing(clients, hops):
        return [(number, hop.name) for hop in hops for number, to in clients.accepted.items()
                if hop.name in to and number not in hop.arrivals]

    def wait_for_all(self, clients, hops, mta):
        try:
            harness.wait_until("all that was accepted", lambda: not self.missing(clients, hops),
                               mta.process)
        except AssertionError:
            self.report(clients, hops, KILLS)
            raise

    def check_twice(self, hop):
        """Who got a message again must have had it before a kill that came in between, or could
        not say that it had it; and few at a time."""
        again = collections.Counter()
        for number, arrivals in hop.arrivals.items():
            for before, after in zip(arrivals, arrivals[1:]):
                if not before.told:
                    continue
                # What the killed one sent last may be read when the next one is up already.
                if before.heard:
                    self.assertLess(before.life, after.life, f"{number} twice, and no crash")
                again[before.life] += 1
        for life, count in again.items():
            self.assertLessEqual(count, UNDER_WAY, f"again after kill {life + 1}")

    def check_left(self, hops, mta):
        """In the end nothing is left in the spool, and no file of a message that is gone."""
        for hop in hops:
            hop.tame = True
        queue = ""
        for _ in range(10):  # what was put off is due within a second
            self.pause.wait(1)
            self.assertEqual(mta.stop(), 0)
            queue = self.run_ok(harness.BORDER_MTA, "--config", mta.config, "--queue")
            if queue == "0 messages, 0 B\n":
                break
            mta = self.border_mta(config=None)
        self.assertEqual(queue, "0 messages, 0 B\n")
        self.assertEqual(list((self.folder / "spool" / "bodies").iterdir()), [])

    def report(self, clients, hops, kills):
        counts = collections.Counter(
            len(hop.arrivals[number]) for hop in hops for number, to in clients.accepted.items()
            if hop.name in to and number in hop.arrivals)
        unheard = {n for hop in hops for n in hop.arrivals} - set(clients.accepted)
        untold = sum(not a.told for hop in hops for all in hop.arrivals.values() for a in all)
        print(f"{kills} kills: {clients.sent} sent, {len(clients.accepted)} got 250; "
              f"copies: {sum(counts.values())}, of these once {counts[1]}, twice {counts[2]}, "
              f"more often {sum(n for times, n in counts.items() if times > 2)}; "
              f"lost {len(self.missing(clients, hops))}. "
              f"Delivered without a 250 to the client: {len(unheard)}; "
              f"refused for now by the next hop: {sum(hop.refused for hop in hops)}; "
              f"taken by it without a word: {untold}", flush=True)


if __name__ == "__main__":
    socket.setdefaulttimeout(harness.PATIENCE)
    harness.main()
