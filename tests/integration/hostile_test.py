#!/usr/bin/python3
"""Every attack of bench/attacks.py for a moment: the server lives, a good client's mail arrives
meanwhile, memory keeps to its bound, and the log names what was refused. How fast it stays is
measured by bench/hostile, on a machine that does nothing else."""

import collections
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../bench"))

import attacks  # pylint: disable=wrong-import-position
import harness
import rig  # pylint: disable=wrong-import-position

# Of the good client, during each attack: at least, and at most.
MESSAGES, LONGEST = 10, 50
# Resident, at its highest over all attacks. A message in flight may take 64 KiB, and so may the
# replies that a client does not read; the database's and the allocator's own come to some 30 MiB.
MEMORY = 200 << 20

# What the log has to count, at least one of each line; nothing: nobody is refused.
NAMED = {
    "loris_silent": ["accepted"],
    "flood_one_address": ["refused: connections_per_network"],
    "endless_line": ["ended: limit"],
    "endless_header": ["ended: client left"],
    "endless_recipients": ["ended: limit", "ended: client left"],
    "rset_storm": ["ended: limit"],
    "garbage": ["ended: limit", "ended: protocol"],
    "half_closed": ["ended: client left"],
    "reset_in_body": ["ended: client left"],
    "lying_bdat": ["ended: client left", "ended: limit", "ended: protocol"],
    "tls_garbage": ["trouble: tls"],
}


class HostileTest(harness.Test):
    @harness.needs("openssl")
    def test_all_attacks(self):
        rig.raise_descriptor_limit(20000)
        self.pause = threading.Event()
        _, others = rig.cpus()
        server = rig.border_mta(self.folder, harness.BORDER_MTA)
        self.addCleanup(server.kill)
        log = rig.Log(self.folder / "log")
        for attack in attacks.ALL:
            with self.subTest(attack.__name__):
                self.one_attack(server, log, attack, others)
        print(f"memory: {rig.mib(server.peak_memory())} at its highest", flush=True)
        self.assertEqual(server.stop(), 0)

    def one_attack(self, server, log, attack, others):
        log.counts()
        attacker = attacks.Attacker(attack, *server.ports, others)
        seen, wanted = collections.Counter(), NAMED.get(attack.__name__, [])

        def named():
            seen.update(log.counts())
            return not wanted or any(seen[name] for name in wanted)

        try:
            # As long as it takes until it is noticed; some are when they end.
            for sent in range(LONGEST):
                rig.transaction(server.port)
                if sent >= MESSAGES and named():
                    break
                self.pause.wait(0.1)
        finally:
            connections, _, _, _ = attacker.stop()
        harness.wait_until(f"the log names one of {wanted}", named, server.process)
        rig.transaction(server.port)
        self.assertTrue(server.alive())
        self.assertTrue(connections or attack is attacks.nobody)
        # A sanitizer keeps what is freed, and much besides.
        if not {"ASAN_OPTIONS", "TSAN_OPTIONS"} & set(os.environ):
            self.assertLess(server.peak_memory(), MEMORY)
        print(f"{attack.__name__}: {connections:.0f} connections, "
              + ", ".join(f"{k} {v}" for k, v in sorted(seen.items())), flush=True)


if __name__ == "__main__":
    harness.main()
