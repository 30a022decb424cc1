#!/usr/bin/python3
"""A disk that is full: clients hear 452, nothing that got a 250 is lost, and when there is room
again mail comes in as before, without anybody's doing.

The spool lies on a file system of 48 MiB of its own, which only this test's processes see.
"""

import errno
import os
import re
import select
import subprocess
import threading

import harness

SIZE = 48 << 20
# Part of it, in a file that can be removed.
BALLAST = 24 << 20
NO_ROOM = "452 4.3.1 "


class SmallDisk:
    """A file system that is mounted for the processes started by `prefix` alone. As root, or
    where users may have namespaces; None elsewhere."""

    def __init__(self, test, where):
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        script = f"mount -t tmpfs -o size={SIZE} none '{where}' && echo mounted && exec cat"
        self._keeper = subprocess.Popen(
            [*harness.DIE_TOO, "unshare", "--mount", *user, "sh", "-c", script],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        test.addCleanup(self._end)
        readable, _, _ = select.select([self._keeper.stdout], [], [], harness.PATIENCE)
        if not readable or self._keeper.stdout.readline() != "mounted\n":
            self._keeper.kill()
            reason = "may not mount a file system here: " + self._keeper.stderr.read().strip()
            if os.environ.get("CI"):
                test.fail(reason)
            print(f"SKIPPED: {test.id()}: {reason}", flush=True)
            test.skipTest(reason)
        pid = self._keeper.pid
        users = ["--user", "--preserve-credentials"] if user else []
        self.prefix = ["nsenter", "--target", str(pid), "--mount", *users, "--wd=/", "--"]
        self._root = f"/proc/{pid}/root{where}"

    def _end(self):
        self._keeper.stdin.close()
        self._keeper.wait(harness.PATIENCE)
        self._keeper.stdout.close()
        self._keeper.stderr.close()

    def path(self, name):
        """What this process calls a file there."""
        return os.path.join(self._root, name)

    def free(self):
        state = os.statvfs(self._root)
        return state.f_bavail * state.f_frsize

    def fill(self, name, octets):
        with open(self.path(name), "wb") as file:
            os.posix_fallocate(file.fileno(), 0, octets)

    def fill_rest(self):
        """Takes what is left; the server may take some of it at the same time."""
        with open(self.path("rest"), "wb") as file:
            size = 0
            for _ in range(100):
                octets = self.free()
                if octets == 0:
                    return
                try:
                    os.posix_fallocate(file.fileno(), size, octets)
                    size += octets
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise


class FullDisk(harness.Test):
    def setUp(self):
        super().setUp()
        where = self.folder / "disk"
        where.mkdir()
        self.disk = SmallDisk(self, where)
        self.port, self.hop_port = harness.free_port(), harness.free_port()
        self.accepted = []
        self.mta = None

    def config(self, reserve, disk="disk/spool"):
        text = harness.with_routes(f"example.test smtp:[127.0.0.1]:{self.hop_port}")
        text = text.replace("127.0.0.1:0", f"127.0.0.1:{self.port}")
        text = text.replace('directory = "spool"', f'directory = "{disk}"\nmemtable = "1 MiB"')
        return text.replace("free_reserve = 0", f'free_reserve = "{reserve}"')

    def start_there(self, config):
        self.mta = self.border_mta(config, prefix=self.disk.prefix)
        return self.mta

    def greeted(self):
        client = harness.Conversation(self.port)
        self.addCleanup(client.close)
        client.reply()
        client.expect("250", "EHLO client.sender.test")
        return client

    def send(self, client, size):
        """Sends one message; gives the first reply that is no success, or "" where there is none."""
        number = len(self.accepted)
        text = b"Subject: number %d\r\n\r\n" % number + b"x" * 76 + b"\r\n"
        text += (b"y" * 76 + b"\r\n") * (size // 78)
        for line in ("MAIL FROM:<alice@sender.test>", "RCPT TO:<bob@example.test>", "DATA"):
            reply = client.say(line)
            if reply[0] not in "23":
                client.expect("250", "RSET")
                return reply
        client.send(text + b".\r\n")
        reply = client.reply()
        if not reply.startswith("250 "):
            return reply
        self.accepted.append(number)
        return ""

    def troubles(self):
        return "\n".join(line for line in self.mta.log.all() if '"trouble"' in line)

    def fill(self, client, size):
        """Sends until there is no room left."""
        for _ in range(2 * SIZE // size):
            reply = self.send(client, size)
            if reply:
                self.assertTrue(reply.startswith(NO_ROOM), reply + "\n" + self.troubles())
                return
        self.fail("the disk was never full")

    def goes_on(self, client, mta):
        """It is as before: mail comes in, and all that ever got a 250 goes out, once."""
        harness.wait_until("mail is taken again", lambda: not self.send(client, 100), mta.process)
        for size in (1_000, 400_000, 100):
            self.assertEqual(self.send(client, size), "")
        sink = self.smtp_sink_counts()
        harness.wait_until("all mail", lambda: len(sink()) >= len(self.accepted), mta.process)
        self.assertEqual(sorted(sink()), self.accepted)

    def smtp_sink_counts(self):
        self.smtp_sink(port=self.hop_port)

        def numbers():
            return [int(found[1]) for found in
                    (re.search(r"(?m)^Subject: number (\d+)$", mail) for mail in self.sunk())
                    if found]

        return numbers

    def check(self, reserve, size):
        mta = self.start_there(self.config(reserve))
        self.disk.fill("ballast", BALLAST)
        client = self.greeted()
        self.fill(client, size)
        self.assertGreater(len(self.accepted), 3)
        # Not an octet is left, and for some seconds the spool tries in vain. The session goes on,
        # others come in, and hear the same.
        self.disk.fill_rest()
        other = self.greeted()
        threading.Event().wait(3)
        # What the log has got already of the disk may take one more.
        for _ in range(3):
            self.fill(other, size)
        client.expect("250", "NOOP")
        other.expect("221", "QUIT")
        os.unlink(self.disk.path("rest"))
        os.unlink(self.disk.path("ballast"))
        self.goes_on(client, mta)
        client.expect("221", "QUIT")
        self.assertEqual(mta.stop(), 0)

    @harness.needs("smtp-sink", "nsenter", "unshare")
    def test_reserve_is_reached(self):
        self.check("8 MiB", 100_000)

    @harness.needs("smtp-sink", "nsenter", "unshare")
    def test_no_space_for_the_database(self):
        self.check("0 B", 100_000)

    @harness.needs("smtp-sink", "nsenter", "unshare")
    def test_no_space_for_files(self):
        self.check("0 B", 3_000_000)

    @harness.needs("smtp-sink", "nsenter", "unshare")
    def test_killed_while_full(self):
        config = self.config("0 B")
        mta = self.start_there(config)
        client = self.greeted()
        for size in (100, 1_000, 300_000):
            self.assertEqual(self.send(client, size), "")
        self.disk.fill("ballast", BALLAST)
        self.fill(client, 100_000)
        self.disk.fill_rest()
        mta.kill()
        self.assertEqual(self.disk.free(), 0)
        # It may need room to start; if so it says where, and what to do.
        done = self.run_program("timeout", "5", *self.disk.prefix, harness.BORDER_MTA, "--config",
                                mta.config)
        if done.returncode != 124:
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn("No space left", done.stdout)
        os.unlink(self.disk.path("rest"))
        os.unlink(self.disk.path("ballast"))
        mta = self.start_there(None)
        self.goes_on(self.greeted(), mta)


if __name__ == "__main__":
    harness.main()
