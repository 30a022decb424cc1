#!/usr/bin/python3
"""examples/identity against nsd, on records of our own and on suites of others."""

import json
import os
import pathlib
import socket
import subprocess
import threading
import time

import harness
import servers

IDENTITY = os.path.abspath("examples/identity/identity")
SHARED = pathlib.Path(os.environ.get("GATEPOST_SHARED", "/nonexistent")) / "data"

ZONE = """$TTL 60
. SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 60
. NS ns.invalid.
ns.invalid. A 127.0.0.1
example.test. TXT "v=spf1 ip4:192.0.2.0/28 include:_spf.example.test -all exp=why.example.test"
_spf.example.test. TXT "v=spf1 ip6:2001:db8::/64 ?all"
why.example.test. TXT "%{i} is not one of ours"
mx.example.test. A 192.0.2.1
1.2.0.192.in-addr.arpa. PTR mx.example.test.
_dmarc.example.test. TXT "v=DMARC1; p=quarantine; sp=reject"
broken.test. TXT "v=spf1 a:%{x} -all"
when.test. TXT "v=spf1 -all exp=t.when.test"
t.when.test. TXT "%{t}"
"""

MESSAGE = "From: Alice <alice@{}>\nTo: bob@example.net\nSubject: hello\n\nHello.\n"


class HeldDns:
    """No name exists, and who asks for slow.test hears so when somebody asks for `until`."""

    def __init__(self, test, until=b"\4last\4test"):
        self._until = until
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        thread = threading.Thread(target=self._serve, daemon=True)
        thread.start()
        test.addCleanup(self._stop, thread)

    def _serve(self):
        held, over = [], False
        while True:
            question, client = self._socket.recvfrom(4096)
            if not question:
                return
            end = question.index(b"\0", 12) + 5
            name = question[12:end].lower()
            over = over or self._until in name
            # An answer, with recursion, and only the question in it: NXDOMAIN.
            answer = question[:2] + b"\x81\x83\0\1\0\0\0\0\0\0" + question[12:end]
            held.append((answer, client))
            if b"\4slow\4test" in name and not over:
                continue
            for one in (held if over else held[-1:]):
                self._socket.sendto(*one)
            held = [] if over else held[:-1]

    def _stop(self, thread):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", ("127.0.0.1", self.port))
        thread.join()
        self._socket.close()


class Test(harness.Test):
    def run_identity(self, *arguments, text=""):
        return subprocess.run([IDENTITY, *map(str, arguments)], input=text, capture_output=True,
                              text=True, timeout=harness.PATIENCE, check=False)

    def ask(self, dns, *arguments, text=""):
        done = self.run_identity("--json", "--dns", f"127.0.0.1:{dns.port}", *arguments, text=text)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def batch(self, dns, requests, *arguments):
        lines = "".join(json.dumps(r) + "\n" for r in requests)
        done = self.run_identity("--batch", "--dns", f"127.0.0.1:{dns.port}", *arguments,
                                 text=lines)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(answers), len(requests))
        return answers, done.returncode

    def message(self, domain):
        file = self.folder / f"{domain}.eml"
        file.write_text(MESSAGE.format(domain), encoding="utf-8")
        return file


class OneRequest(Test):
    def test_a_client_that_may(self):
        dns = servers.Nsd(self, ZONE)
        found = self.ask(dns, "--client-address", "192.0.2.1", "--helo", "mx.example.test",
                         "--mail-from", "alice@example.test", "--message",
                         self.message("example.test"))
        self.assertEqual(found["spf"]["result"], "pass")
        self.assertEqual(found["spf"]["domain"], "example.test")
        self.assertEqual(found["spf"]["mechanism"], "ip4:192.0.2.0/28")
        self.assertEqual(found["helo_spf"]["result"], "none")
        self.assertEqual(found["iprev"], {"result": "pass", "name": "mx.example.test"})
        self.assertEqual(found["dkim"], [])
        self.assertEqual(found["arc"]["result"], "none")
        self.assertEqual(found["dmarc"]["result"], "pass")
        self.assertEqual(found["dmarc"]["policy"], "quarantine")
        self.assertEqual(found["dmarc"]["disposition"], "none")
        self.assertIn({"name": "example.test", "type": "TXT", "rcode": "NOERROR"}, found["dns"])

    def test_a_client_that_may_not(self):
        dns = servers.Nsd(self, ZONE)
        found = self.ask(dns, "--client-address", "198.51.100.7", "--mail-from",
                         "<alice@example.test>", "--message", self.message("sub.example.test"))
        self.assertEqual(found["spf"]["result"], "fail")
        self.assertEqual(found["spf"]["explanation"], "198.51.100.7 is not one of ours")
        self.assertEqual(found["iprev"]["result"], "permerror")
        self.assertEqual(found["dmarc"]["result"], "fail")
        self.assertEqual(found["dmarc"]["disposition"], "reject")
        self.assertIn({"name": "7.100.51.198.in-addr.arpa", "type": "PTR", "rcode": "NXDOMAIN"},
                      found["dns"])

    def test_the_public_suffix_list(self):
        dns = servers.Nsd(self, ZONE)
        found = self.ask(dns, "--dmarc", "7489", "--message", self.message("a.b.example.test"))
        self.assertEqual(found["dmarc"]["record_domain"], "example.test")
        self.assertEqual(found["dmarc"]["policy"], "reject")

    def test_null_sender(self):
        dns = servers.Nsd(self, ZONE)
        found = self.ask(dns, "--client-address", "2001:db8::5", "--helo", "example.test",
                         "--mail-from", "")
        self.assertEqual(found["spf"]["result"], "pass")
        self.assertEqual(found["helo_spf"]["result"], "pass")

    def test_nobody_answers(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        done = self.run_identity("--json", "--dns", f"127.0.0.1:{port}", "--client-address",
                                 "192.0.2.1", "--mail-from", "a@example.test")
        self.assertEqual(json.loads(done.stdout)["spf"]["result"], "temperror")

    def test_spf_and_the_clients_name_side_by_side(self):
        dns = HeldDns(self, until=b"\7in-addr\4arpa")
        found = self.ask(dns, "--client-address", "192.0.2.1", "--helo", "slow.test",
                         "--mail-from", "a@x.slow.test")
        self.assertEqual(found["spf"]["result"], "none")
        self.assertEqual(found["helo_spf"]["result"], "none")
        self.assertEqual(found["iprev"]["result"], "permerror")

    def test_the_tree(self):
        dns = servers.Nsd(self, ZONE)
        done = self.run_identity("--dns", f"127.0.0.1:{dns.port}", "--client-address",
                                 "2001:db8::1", "--mail-from", "alice@example.test", "--message",
                                 self.message("example.test"))
        self.assertEqual(done.returncode, 0, done.stderr)
        for part in ("SPF of MAIL FROM example.test: pass", "include:_spf.example.test: match",
                     '"v=spf1 ip6:2001:db8::/64 ?all"', "DKIM: none",
                     "DMARC of example.test: pass", "asks for quarantine", "disposition: none",
                     "TXT _dmarc.example.test: NOERROR"):
            self.assertIn(part, done.stdout)

    def test_a_message_from_standard_input(self):
        dns = servers.Nsd(self, ZONE)
        found = self.ask(dns, "--message", "-", text=MESSAGE.format("nowhere.test"))
        self.assertEqual(found["dmarc"]["result"], "none")
        self.assertEqual(found["spf"]["result"], "none")


class CommandLine(Test):
    def test_errors(self):
        for arguments, part in (
            (["--client-address", "1.2.3"], '"1.2.3" is not an IP address'),
            (["--dns", "x"], "is not an address and a port"),
            (["--dmarc", "1"], "is not 9989 or 7489"),
            (["--now", "yesterday"], "is not a time in seconds"),
            (["--message"], "--message wants a value"),
            (["--message", "/nonexistent/mail.eml"], "/nonexistent/mail.eml: cannot be read"),
            (["--what"], '"--what" is no option'),
            (["--batch", "--helo", "x"], "from standard input"),
        ):
            with self.subTest(arguments):
                done = self.run_identity(*arguments)
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn(part, done.stderr)

    def test_help(self):
        done = self.run_identity("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--client-address", done.stdout)


class Batch(Test):
    def test_answers_come_in_order(self):
        dns = servers.Nsd(self, ZONE)
        requests = [{"client_address": f"192.0.2.{n % 32}", "helo": "x.test",
                     "mail_from": "a@example.test", "now": 1700000000} for n in range(2000)]
        answers, status = self.batch(dns, requests)
        self.assertEqual(status, 0)
        for n, found in enumerate(answers):
            self.assertEqual(found["spf"]["result"], "pass" if n % 32 < 16 else "fail")

    def test_a_slow_one_holds_up_no_other(self):
        names = ["slow"] + [f"x{n}" for n in range(600)] + ["last"]
        answers, status = self.batch(HeldDns(self), [
            {"client_address": "192.0.2.1", "mail_from": f"a@{name}.test"} for name in names])
        self.assertEqual(status, 0)
        for name, found in zip(names, answers):
            self.assertEqual(found["spf"]["domain"], f"{name}.test")
            self.assertEqual(found["spf"]["result"], "none")

    def test_the_time(self):
        dns = servers.Nsd(self, ZONE)
        asked = {"client_address": "192.0.2.1", "mail_from": "a@when.test"}
        requests = [asked, asked | {"now": 1600000000}, asked | {"now": "1500000000"},
                    asked | {"now": None}]
        answers, status = self.batch(dns, requests, "--now", "1700000000")
        self.assertEqual(status, 0)
        self.assertEqual([found["spf"]["explanation"] for found in answers],
                         ["1700000000", "1600000000", "1500000000", "1700000000"])
        began = int(time.time())
        answers, _ = self.batch(dns, [asked])
        self.assertIn(int(answers[0]["spf"]["explanation"]), range(began, int(time.time()) + 1))

    def test_without_a_client(self):
        dns = servers.Nsd(self, ZONE)
        answers, status = self.batch(dns, [{"client_address": "", "mail_from": "a@example.test"}])
        self.assertEqual(status, 0)
        self.assertEqual(answers[0]["spf"]["result"], "none")
        self.assertEqual(answers[0]["dns"], [])

    def test_what_is_no_request(self):
        dns = servers.Nsd(self, ZONE)
        done = self.run_identity(
            "--batch", "--dns", f"127.0.0.1:{dns.port}",
            text='nonsense\n{"client_address": "x"}\n{"color": "red"}\n{"now": "x"}\n'
                 '{"now": ""}\n{"now": -1}\n{"now": 1.5}\n{"now": true}\n{"helo": 1}\n'
                 '{"message": "/nonexistent"}\n{"client_address": "192.0.2.1", '
                 '"mail_from": "a@example.test"}\n')
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(done.returncode, 1)
        self.assertEqual(["error" in a for a in answers], [True] * 10 + [False])
        self.assertEqual(answers[10]["spf"]["result"], "pass")


class Suites(Test):
    """What others wrote, through the whole of the tool: DNS on the wire, JSON in and out."""

    def setUp(self):
        super().setUp()
        if not SHARED.is_dir():
            if os.environ.get("CI"):
                self.fail("GATEPOST_SHARED names no folder with data")
            servers.skip(self, "GATEPOST_SHARED names no folder with data")

    def test_rfc7208(self):
        scenarios = json.loads((SHARED / "spf/rfc7208-tests.json").read_text(encoding="utf-8"))
        index = json.loads((SHARED / "spf/zones/index.json").read_text(encoding="utf-8"))
        right = total = 0
        for entry in index:
            if entry["timeout_names"] or entry["not_servable"]:
                continue  # nsd answers at once, and cannot serve everything
            zone = (SHARED / "spf" / entry["zone"]).read_text(encoding="utf-8")
            tests = scenarios[entry["scenario"]]["tests"]
            cases = tests.values() if isinstance(tests, dict) else tests
            requests = [{"client_address": c["host"], "helo": c["helo"],
                         "mail_from": c["mailfrom"]} for c in cases]
            answers, _ = self.batch(servers.Nsd(self, zone), requests)
            for case, found in zip(cases, answers):
                expect = case["expect"]
                total += 1
                good = found["spf"]["result"] in ([expect] if isinstance(expect, str) else expect)
                right += good
                if not good:
                    print(f"{entry['zone']}: {case}: {found['spf']}")
        print(f"RFC 7208 suite over the wire: {right} of {total}")
        self.assertEqual(right, total)
        self.assertGreater(total, 50)

    def test_dkim(self):
        folder = SHARED / "dkim"
        cases = [c for c in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
                 if c["expect"][0] in ("pass", "none")]
        dns = servers.Nsd(self, (folder / "all-keys.zone").read_text(encoding="utf-8"))
        answers, _ = self.batch(dns, [{"message": str(folder / c["message"])} for c in cases])
        wrong = []
        for case, found in zip(cases, answers):
            expected = (case.get("expect_rfc8301") or case["expect"])[0]
            passes = any(s["result"] == "pass" for s in found.get("dkim", []))
            if passes != (expected == "pass"):
                wrong.append((case["id"], expected, found.get("dkim")))
        print(f"DKIM messages over the wire: {len(cases) - len(wrong)} of {len(cases)}")
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    harness.main()
