#!/usr/bin/python3
"""What got a 250 arrives, whatever happens to border_mta: kill -9 at any moment, stops, a damaged spool."""

import collections
import hashlib
import random
import re
import shutil
import threading

import harness
import servers

# Enough to meet every step of a message's way in and out; a storm of hundreds is a bench's task.
KILLS = 10
STOPS = 4
CLIENTS = 6
# Most are kept in the database, some in a file of their own.
SIZES = (500, 500, 2_000, 20_000, 300_000)


def text_of(number):
    """A message that tells its number and whether it is whole."""
    source = random.Random(number)
    size = SIZES[number % len(SIZES)]
    body = b"\r\n".join(b"%0256x" % source.getrandbits(1024) for _ in range(size // 258 + 1))
    digest = hashlib.sha256(body).hexdigest().encode()
    return b"Subject: number %d\r\nX-Digest: %s\r\n\r\n%s\r\n" % (number, digest, body)


def number_of(text):
    """The number of a message that has arrived. Fails where it is not whole."""
    header, _, body = text.partition(b"\r\n\r\n")
    number = int(re.search(rb"(?m)^Subject: number (\d+)\r$", header + b"\r\n")[1])
    digest = re.search(rb"(?m)^X-Digest: (\w+)\r$", header + b"\r\n")[1].decode()
    assert hashlib.sha256(body[:-2]).hexdigest() == digest, f"message {number} is damaged"
    return number


class Load:
    """Clients that send numbered messages to a server that comes and goes. They note each 250."""

    def __init__(self, test, port):
        self.accepted = set()
        self._port = port
        self._next = 0
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

    def wait_for(self, more, mta):
        """Waits until so many more messages have got their 250."""
        goal = len(self.accepted) + more
        harness.wait_until(f"{goal} messages", lambda: len(self.accepted) >= goal, mta.process)

    def _run(self):
        while not self._stopping.is_set():
            try:
                with harness.Conversation(self._port) as client:
                    client.reply()
                    client.expect("250", "EHLO client.sender.test")
                    while not self._stopping.is_set():
                        self._send(client)
            except (OSError, AssertionError):
                self._stopping.wait(harness.GLANCE)  # it was killed, or says that it goes

    def _send(self, client):
        with self._lock:
            number, self._next = self._next, self._next + 1
        if client.message(text_of(number), "bob@example.test").startswith("250 "):
            with self._lock:
                self.accepted.add(number)


class Durability(harness.Test):
    def setUp(self):
        super().setUp()
        self.port = harness.free_port()

    def config(self, *rules):
        # The port stays the same over restarts.
        return harness.with_routes(*rules).replace("127.0.0.1:0", f"127.0.0.1:{self.port}")

    def submit(self, *recipients, number=0):
        with harness.Conversation(self.port) as client:
            client.reply()
            client.expect("250", "EHLO client.sender.test")
            reply = client.message(text_of(number), *recipients)
            self.assertTrue(reply.startswith("250 2.0.0 "), reply)
            return reply.split()[-1]

    def queue(self, mta):
        return self.run_ok(harness.BORDER_MTA, "--config", mta.config, "--queue")

    def bodies(self):
        return list((self.folder / "spool" / "bodies").iterdir())

    # --- Crashes and stops ------------------------------------------------------------------------

    @servers.needs_aiosmtpd
    def test_kill_while_the_next_hop_is_down(self):
        hop_port = harness.free_port()
        mta = self.border_mta(self.config(f"example.test smtp:[127.0.0.1]:{hop_port}"))
        for number in range(10):  # two of them in files
            queue_id = self.submit("bob@example.test", number=number)
            mta.delivery(queue_id, "deferred")
        mta.kill()
        self.assertEqual(len(self.bodies()), 2)
        hop = servers.Hop(self, port=hop_port)
        mta = self.border_mta(config=None)
        hop.wait_for(10, mta.process)
        harness.wait_until("no files are left", lambda: not self.bodies(), mta.process)
        self.assertEqual(sorted(number_of(mail.text) for mail in hop.mails), list(range(10)))
        mta.stop()
        self.assertEqual(self.queue(mta), "0 messages, 0 B\n")

    @servers.needs_aiosmtpd
    def test_kill_between_two_next_hops(self):
        # Who has got the message does not get it again.
        up, down_port = servers.Hop(self), harness.free_port()
        mta = self.border_mta(self.config(f"up.test smtp:[127.0.0.1]:{up.port}",
                                          f"down.test smtp:[127.0.0.1]:{down_port}"))
        for number in range(5):
            queue_id = self.submit("a@up.test", "b@down.test", number=number)
            mta.delivery(queue_id, "delivered", to="a@up.test")
            mta.delivery(queue_id, "deferred", to="b@down.test")
        mta.kill()
        down = servers.Hop(self, port=down_port)
        mta = self.border_mta(config=None)
        down.wait_for(5, mta.process)
        mta.stop()
        for hop in (up, down):
            self.assertEqual(sorted(number_of(mail.text) for mail in hop.mails), list(range(5)))

    @servers.needs_aiosmtpd
    def test_kills_under_load(self):
        hop = servers.Hop(self)
        mta = self.border_mta(self.config(f"example.test smtp:[127.0.0.1]:{hop.port}"))
        load, chance = Load(self, self.port), random.Random()
        for _ in range(KILLS):
            load.wait_for(chance.randrange(5, 60), mta)
            mta.kill()
            mta = self.border_mta(config=None)
        load.stop()
        self.check_arrived(load, hop, mta)
        duplicates = self.duplicates(hop)
        print(f"{KILLS} kills: {len(load.accepted)} accepted, {len(hop.mails)} arrived, of these "
              f"{duplicates} again", flush=True)
        # Only what was under way to the next hop when it happened: deliveries_per_hop.
        self.assertLessEqual(duplicates, KILLS * 20)

    @servers.needs_aiosmtpd
    def test_stops_under_load(self):
        hop = servers.Hop(self)
        mta = self.border_mta(self.config(f"example.test smtp:[127.0.0.1]:{hop.port}"))
        load, chance = Load(self, self.port), random.Random()
        for _ in range(STOPS):
            load.wait_for(chance.randrange(5, 60), mta)
            self.assertEqual(mta.stop(), 0)
            mta = self.border_mta(config=None)
        load.stop()
        self.check_arrived(load, hop, mta)
        self.assertEqual(self.duplicates(hop), 0, "an orderly stop finishes what it has begun")

    def check_arrived(self, load, hop, mta):
        self.assertTrue(load.accepted)
        harness.wait_until(
            "all that was accepted",
            lambda: load.accepted <= {number_of(mail.text) for mail in list(hop.mails)}, mta.process)
        harness.wait_until("no files are left", lambda: not self.bodies(), mta.process)

    def duplicates(self, hop):
        counts = collections.Counter(number_of(mail.text) for mail in hop.mails)
        return sum(counts.values()) - len(counts)

    # --- Damage -----------------------------------------------------------------------------------

    @servers.needs_aiosmtpd
    def test_damaged_database(self):
        # It does not start, as often as it is tried; after the repair nothing is lost.
        hop_port = harness.free_port()
        mta = self.border_mta(self.config(f"example.test smtp:[127.0.0.1]:{hop_port}"))
        for number in range(5):
            self.submit("bob@example.test", number=number)
        mta.kill()
        database = self.folder / "spool" / "db"
        (manifest,) = database.glob("MANIFEST-*")
        current = database / "CURRENT"
        for file, octets in ((manifest, b"nonsense" * 10), (current, b"nonsense"), (current, None)):
            kept = file.read_bytes()
            file.unlink()
            if octets is not None:
                file.write_bytes(octets)
            for _ in range(2):
                done = self.run_program(harness.BORDER_MTA, "--config", mta.config)
                self.assertEqual(done.returncode, 2, done.stdout)
                (line,) = done.stdout.splitlines()
                self.assertIn("border_mta.toml:", line)
                self.assertIn(": spool.directory: ", line)
                self.assertIn("restore db/ from a backup, or move it away", line)
            file.write_bytes(kept)
        hop = servers.Hop(self, port=hop_port)
        mta = self.border_mta(config=None)
        hop.wait_for(5, mta.process)
        self.assertEqual(sorted(number_of(mail.text) for mail in hop.mails), list(range(5)))

    @servers.needs_aiosmtpd
    def test_damaged_log(self):
        # One octet, in the middle: no start, until the operator asks for what can be read.
        hop_port = harness.free_port()
        mta = self.border_mta(self.config(f"example.test smtp:[127.0.0.1]:{hop_port}"))
        for number in (3, 8, 13, 18, 23, 28):  # 20 kB each
            self.submit("bob@example.test", number=number)
        mta.kill()
        (log,) = (self.folder / "spool" / "db").glob("*.log")
        octets = bytearray(log.read_bytes())
        octets[octets.index(b"number 8\r\n")] ^= 1
        log.write_bytes(octets)
        for _ in range(2):
            done = self.run_program(harness.BORDER_MTA, "--config", mta.config)
            self.assertEqual(done.returncode, 2, done.stdout)
            (line,) = done.stdout.splitlines()
            for part in (": spool.directory: ", log.name, "--repair"):
                self.assertIn(part, line)
        said = self.run_ok(harness.BORDER_MTA, "--config", mta.config, "--repair")
        self.assertIn("what can be read is salvaged", said)
        hop = servers.Hop(self, port=hop_port)
        mta = self.border_mta(config=None)
        hop.wait_for(5, mta.process)
        arrived = sorted(number_of(mail.text) for mail in hop.mails)
        self.assertEqual(arrived, [3, 13, 18, 23, 28])
        self.assertTrue((self.folder / "spool" / "lost" / log.name).exists())

    @servers.needs_aiosmtpd
    def test_damaged_files(self):
        # A message that cannot be read keeps no other from its way, and is not half delivered.
        hop_port = harness.free_port()
        mta = self.border_mta(self.config(f"example.test smtp:[127.0.0.1]:{hop_port}"))
        ids = {number: self.submit("bob@example.test", number=number) for number in (0, 4, 9, 14, 19)}
        mta.kill()
        bodies = self.folder / "spool" / "bodies"
        self.assertEqual(len(self.bodies()), 4)
        (bodies / ids[4]).unlink()
        with open(bodies / ids[9], "r+b") as file:
            file.truncate(1000)
        octets = bytearray((bodies / ids[19]).read_bytes())
        octets[len(octets) // 2] ^= 1
        (bodies / ids[19]).write_bytes(octets)
        hop = servers.Hop(self, port=hop_port)
        mta = self.border_mta(config=None)
        hop.wait_for(2, mta.process)
        for number in (4, 9, 19):
            record = mta.delivery(ids[number], "deferred",
                                  reply="451 4.3.0 The spool cannot read the message")
            mta.event("the reason", event="trouble", where="spool", session=record["session"])
        self.assertEqual(sorted(number_of(mail.text) for mail in hop.mails), [0, 14])
        mta.stop()
        self.assertRegex(self.queue(mta), r"(?m)^3 messages, ")

    def test_no_room(self):
        # Where the disk is as good as full, clients are told to come again.
        if shutil.disk_usage(self.folder).free >= 1 << 40:
            self.skipTest("the disk has more room than can be kept free")
        mta = self.border_mta(self.config("example.test discard").replace(
            "free_reserve = 0", 'free_reserve = "1024 GiB"'))
        with harness.Conversation(self.port) as client:
            client.reply()
            client.expect("250", "EHLO client.sender.test")
            client.expect("250", "MAIL FROM:<alice@sender.test>")
            client.expect("250", "RCPT TO:<bob@example.test>")
            client.expect("452 4.3.1", "DATA")
            client.expect("221", "QUIT")
        mta.stop()


if __name__ == "__main__":
    harness.main()
