#!/usr/bin/python3
"""Every attack of bench/attacks.py for a moment: the server lives, a good client's mail arrives
meanwhile, memory keeps to its bound, the log names what was refused, and nothing of the attack is
left behind. How fast the server stays is measured by bench/hostile, on a machine that does nothing
else."""

import collections
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../bench"))

import attacks  # pylint: disable=wrong-import-position
import harness
import rig  # pylint: disable=wrong-import-position

# Messages of the good client during each attack, at least; and for how many seconds it goes on, at
# most, until the log has named what is to be named.
MESSAGES, LONGEST = 10, 40

# Short, so that each limit is reached in a moment. The good client keeps far from all of them.
LIMITS = """
[limits]
header = "64 KiB"
message = "256 KiB"
drain = "256 KiB"
recipients = 100
first_command_timeout = "2s"
command_timeout = "2s"
data_timeout = "2s"
write_timeout = "2s"
tls_timeout = "2s"
proxy_timeout = "2s"
rate_grace = "1s"
"""

# What the log has to count while the attack goes on, at least one of each line. Who "left" has not
# always closed: in half_closed nobody does but the server.
NAMED = {
    "loris_silent": ["limit: first_command_timeout"],
    "loris_command": ["limit: first_command_timeout"],
    "loris_mail": ["limit: command_timeout"],
    "loris_recipient": ["limit: command_timeout"],
    "loris_data": ["limit: data_timeout"],
    "loris_header": ["limit: min_body_rate"],
    "loris_body": ["limit: min_body_rate"],
    "loris_chunk": ["limit: min_body_rate"],
    "loris_between_chunks": ["limit: command_timeout"],
    "loris_starttls": ["limit: tls_timeout"],
    "loris_tls": ["limit: tls_timeout"],
    "loris_proxy": ["refused: proxy_timeout"],
    "never_reads": ["limit: write_timeout"],
    "hello_burst": ["limit: transactions"],
    "flood": ["accepted", "ended: client left"],
    "flood_one_address": ["refused: connections_per_network"],
    "flood_kept": ["refused: connections"],
    "endless_line": ["limit: bad_commands"],
    "endless_header": ["message: refused", "limit: drain"],
    "endless_text_line": ["message: refused", "limit: drain"],
    "endless_recipients": ["limit: bad_commands"],
    "rset_storm": ["limit: idle_commands"],
    "garbage": ["limit: bad_commands"],
    "garbage_behind_envelope": ["limit: bad_commands"],
    "text_behind_refusal": ["verdict: delivery", "ended: protocol"],
    "half_closed": ["ended: client left"],
    "reset_in_body": ["ended: client left"],
    "lying_bdat": ["ended: protocol", "limit: bad_commands", "ended: client left"],
    "tls_handshakes": ["over TLSv1.3", "ended: client left"],
    "tls_garbage": ["ended: tls failed", "trouble: tls"],
    "tls_renegotiation": ["over TLSv1.2", "ended: tls failed", "trouble: tls"],
}

# Of these, so many.
IN_BULK = {"refused: connections": 200, "refused: connections_per_network": 200}


class Events:
    """What the log has counted: in `seen` since that was cleared, and since the server began."""

    def __init__(self, path):
        self.seen = collections.Counter()
        self._log = rig.Log(path)
        self._open = 0  # sessions

    def _read(self):
        more = self._log.counts()
        self.seen.update(more)
        ended = sum(n for name, n in more.items() if name.startswith("ended: "))
        self._open += more["accepted"] - ended

    def names(self, wanted):
        self._read()
        return all(self.seen[name] >= IN_BULK.get(name, 1) for name in wanted)

    def all_is_over(self, messages):
        """So many messages are in, and no session is open."""
        self._read()
        return self.seen["message: accepted"] >= messages and self._open == 0


class HostileTest(harness.Test):
    def setUp(self):
        super().setUp()
        rig.raise_descriptor_limit(20000)
        self.pause = threading.Event()

    @harness.needs("openssl")
    def test_all_attacks(self):
        self.attacked_by(set(attacks.ALL) - set(attacks.TAKES_ALL_PLACES), LIMITS)

    def test_all_places_taken(self):
        self.attacked_by(attacks.TAKES_ALL_PLACES, rig.FEW_PLACES)

    def test_all_are_named(self):
        self.assertEqual({attack.__name__ for attack in attacks.ALL}, set(NAMED))

    def attacked_by(self, some, config):
        server = rig.border_mta(self.folder, harness.BORDER_MTA, rig.CONFIG + config)
        self.addCleanup(server.kill)
        log, descriptors = Events(self.folder / "log"), server.descriptors()
        for attack in attacks.ALL:
            if attack in some:
                with self.subTest(attack.__name__):
                    self.one_attack(server, log, attack)
        print(f"memory: {rig.mib(server.peak_memory())} at its highest", flush=True)
        self.assertLess(server.descriptors(), descriptors + 20)
        self.assertEqual(server.stop(), 0)

    def one_attack(self, server, log, attack):
        log.seen.clear()
        wanted = NAMED[attack.__name__]
        stays = attack in attacks.TAKES_ALL_PLACES
        session = rig.Session(server.port) if stays else None
        attacker = attacks.Attacker(attack, server.ports, rig.cpus()[1])
        try:
            sent = self.send_until_named(server, session, log, wanted)
        finally:
            connections, _, _, _ = attacker.stop()
            if session:
                session.close()
        print(f"{attack.__name__}: {connections:.0f} connections, "
              + ", ".join(f"{k} {v}" for k, v in sorted(log.seen.items())), flush=True)
        self.assertTrue(log.names(wanted), f"the log names not all of {wanted}")
        harness.wait_until("its sessions have ended", lambda: log.all_is_over(sent), server.process)
        rig.transaction(server.port)
        harness.wait_until("one more message", lambda: log.all_is_over(sent + 1), server.process)
        # Nobody but the good client has sent one.
        self.assertEqual(log.seen["message: accepted"], sent + 1)
        self.assertTrue(server.alive())
        # A sanitizer keeps what is freed, and much besides.
        if not {"ASAN_OPTIONS", "TSAN_OPTIONS"} & set(os.environ):
            self.assertLess(server.peak_memory(), rig.MEMORY_BOUND)

    def send_until_named(self, server, session, log, wanted):
        """Messages of the good client, while the attack goes on; gives how many."""
        begin, sent = time.monotonic(), 0
        while sent < MESSAGES or not log.names(wanted):
            if sent >= MESSAGES and time.monotonic() > begin + LONGEST:
                break
            if session:
                session.message()
            else:
                rig.transaction(server.port)
            sent += 1
            self.pause.wait(0.1)
        return sent


if __name__ == "__main__":
    harness.main()
