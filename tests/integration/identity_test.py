#!/usr/bin/python3
"""examples/identity against nsd, on records of our own and on suites of others."""

import collections
import json
import os
import pathlib
import re
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

# When the suites were made: some signatures are from 2026, none has an x= behind it.
SUITES_NOW = 1796000000

MESSAGE = "From: Alice <alice@{}>\nTo: bob@example.net\nSubject: hello\n\nHello.\n"


# From, the client (it passes SPF for its domain, or has none), --dmarc, and what is expected:
# result, domain, policy, disposition, record_domain, organizational_domain.
DMARC_ZONE = """$TTL 60
. SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 60
. NS ns.invalid.
ns.invalid. A 127.0.0.1
bank.test. TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.bank.test. TXT "v=DMARC1; p=reject; np=quarantine"
there.bank.test. A 192.0.2.1
_dmarc.strict.test. TXT "v=DMARC1; p=quarantine; aspf=s; psd=n"
evil.test. TXT "v=spf1 ip4:192.0.2.2 -all"
_dmarc.evil.test. TXT "v=DMARC1; p=none"
_dmarc.nop.test. TXT "v=DMARC1; sp=reject"
x.nop.test. A 192.0.2.1
_dmarc.badp.test. TXT "v=DMARC1; p=rejected"
_dmarc.blank.test. TXT " v=DMARC1; p=reject"
_dmarc.trial.test. TXT "v=DMARC1; p=reject; t=y"
_dmarc.half.test. TXT "v=DMARC1; p=reject; pct=100"
_dmarc.away.test. CNAME _dmarc.bank.test.
"""
BANK, EVIL, NOBODY = ("192.0.2.1", "a@bank.test"), ("192.0.2.2", "x@evil.test"), ("192.0.2.9", "")
DMARC_CASES = (
    ("ceo@bank.test", BANK, "9989", "pass bank.test reject none bank.test "),
    ("ceo@bank.test", EVIL, "9989", "fail bank.test reject reject bank.test bank.test"),
    ("ceo@there.bank.test", BANK, "9989", "pass there.bank.test reject none bank.test bank.test"),
    ("ceo@there.bank.test", EVIL, "9989", "fail there.bank.test reject reject bank.test bank.test"),
    ("ceo@no.bank.test", EVIL, "9989",
     "fail no.bank.test quarantine quarantine bank.test bank.test"),
    ("ceo@no.bank.test", EVIL, "7489", "fail no.bank.test reject reject bank.test bank.test"),
    ("a@strict.test", BANK, "9989",
     "fail strict.test quarantine quarantine strict.test strict.test"),
    ("a@nop.test", BANK, "9989", "fail nop.test none none nop.test nop.test"),
    ("a@x.nop.test", BANK, "9989", "fail x.nop.test reject reject nop.test nop.test"),
    ("a@nop.test", BANK, "7489", "none nop.test none none  nop.test"),
    ("a@badp.test", BANK, "9989", "none badp.test none none  "),
    ("a@blank.test", BANK, "9989", "none blank.test none none  blank.test"),
    ("a@trial.test", BANK, "9989", "fail trial.test reject quarantine trial.test trial.test"),
    ("a@half.test", BANK, "7489", "fail half.test reject reject half.test half.test"),
    ("a@away.test", BANK, "9989", "fail away.test reject reject away.test away.test"),
    ("a@nothing.test", BANK, "9989", "none nothing.test none none  nothing.test"),
    # Odd From fields.
    ("x@evil.test <ceo@bank.test>", EVIL, "9989",
     "fail bank.test reject reject bank.test bank.test"),
    ("<ceo@bank.test", EVIL, "9989", "fail bank.test reject reject bank.test bank.test"),
    ("ceo@bank.test\nFrom: cfo@bank.test", EVIL, "9989",
     "fail bank.test reject reject bank.test bank.test"),
    ("x@evil.test, ceo@bank.test", EVIL, "9989", "none  none none  "),
    ("x@evil.test, ceo@bank.test", EVIL, "7489",
     "fail bank.test reject reject bank.test bank.test"),
    ("x@evil.test, ceo@bank.test", NOBODY, "7489",
     "fail bank.test reject reject bank.test bank.test"),
    ("nobody", EVIL, "9989", "none  none none  "),
)


class FakeDns:
    """Answers questions on a port of its own: see answer()."""

    def __init__(self, test):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        thread = threading.Thread(target=self._serve, daemon=True)
        thread.start()
        test.addCleanup(self._stop, thread)

    def _serve(self):
        while True:
            question, client = self._socket.recvfrom(4096)
            if not question:
                return
            self.answer(question, question[12:question.index(b"\0", 12) + 5], client)

    def answer(self, question, asked, client):
        """`asked` is the question's name, type and class."""
        raise NotImplementedError

    def say(self, question, asked, rcode, client):
        """An answer, with recursion, and only the question in it."""
        self._socket.sendto(question[:2] + bytes([0x81, 0x80 | rcode]) + b"\0\1\0\0\0\0\0\0" + asked,
                            client)

    def _stop(self, thread):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", ("127.0.0.1", self.port))
        thread.join()
        self._socket.close()


class HeldDns(FakeDns):
    """No name exists, and who asks for slow.test hears so when somebody asks for `until`."""

    def __init__(self, test, until=b"\4last\4test"):
        self._until = until
        self._held, self._over = [], False
        super().__init__(test)

    def answer(self, question, asked, client):
        name = asked.lower()
        self._over = self._over or self._until in name
        if b"\4slow\4test" in name and not self._over:
            self._held.append((question, asked, client))
            return
        for one in (self._held if self._over else []) + [(question, asked, client)]:
            self.say(*one[:2], 3, one[2])
        if self._over:
            self._held = []


class Refusing(FakeDns):
    """Answers each question by SERVFAIL."""

    def answer(self, question, asked, client):
        self.say(question, asked, 2, client)


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


class Dmarc(Test):
    def test_by_both_rfcs(self):
        dns = servers.Nsd(self, DMARC_ZONE)
        for rfc in ("9989", "7489"):
            cases = [case for case in DMARC_CASES if case[2] == rfc]
            requests = []
            for number, (author, (client, sender), _, _) in enumerate(cases):
                file = self.folder / f"{rfc}.{number}.eml"
                file.write_text(f"From: {author}\nSubject: x\n\nx\n", encoding="utf-8")
                requests.append({"client_address": client, "mail_from": sender,
                                 "message": str(file)})
            answers, status = self.batch(dns, requests, "--dmarc", rfc)
            self.assertEqual(status, 0)
            for case, found in zip(cases, answers):
                with self.subTest(case):
                    keys = ("result", "domain", "policy", "disposition", "record_domain",
                            "organizational_domain")
                    self.assertEqual(" ".join(found["dmarc"][key] for key in keys), case[3],
                                     found["dmarc"])


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
            text='nonsense\n\n{"client_address": "x"}\n{"color": "red"}\n{"now": "x"}\n'
                 '{"now": ""}\n{"now": -1}\n{"now": 1.5}\n{"now": true}\n{"helo": 1}\n'
                 '{"message": "/nonexistent"}\n{"client_address": "192.0.2.1", '
                 '"mail_from": "a@example.test"}\n')
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(done.returncode, 1)
        self.assertEqual(["error" in a for a in answers], [True] * 11 + [False])
        self.assertEqual(answers[11]["spf"]["result"], "pass")


    def test_closed_and_full_streams(self):
        """Without an input there is an end; an answer that cannot be written is a failure."""
        closed = subprocess.run(["sh", "-c", 'exec "$0" --batch <&-', IDENTITY],
                                stdout=subprocess.PIPE, check=False, timeout=harness.PATIENCE)
        self.assertEqual((closed.returncode, closed.stdout), (0, b""))
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([IDENTITY, "--help"], stdout=full, check=False,
                                  stderr=subprocess.PIPE, timeout=harness.PATIENCE)
        self.assertEqual(done.returncode, 2)


def zone_of(records):
    """A zone for the whole DNS with these TXT records: texts by name."""
    zone = ("$TTL 60\n. SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 60\n"
            ". NS ns.invalid.\nns.invalid. A 127.0.0.1\n")
    for name, texts in records.items():
        for text in texts:
            escaped = [c if c not in '\\"' else "\\" + c for c in text]
            strings = ["".join(escaped[i:i + 250]) for i in range(0, len(text), 250)] or [""]
            zone += f"{name}. TXT " + " ".join(f'"{s}"' for s in strings) + "\n"
    return zone


def records_of(dns, folder):
    """The TXT records that a case wants: texts by name, none for a name that is not to be there."""
    records = {}
    for name, what in dns.items():
        if name == "$ref":
            more = json.loads((folder / what).read_text(encoding="utf-8"))
            records.update(records_of(more, folder))
        elif isinstance(what, dict):
            records[name] = []
        else:
            records[name] = [what] if isinstance(what, str) else what
    return records


def by_records(cases, folder):
    """The cases, parted so that none wants another record at a name than its neighbours."""
    parts = []
    for case in cases:
        wanted = records_of(case["dns"], folder)
        for records, some in parts:
            if all(records.get(name, texts) == texts for name, texts in wanted.items()):
                break
        else:
            records, some = {}, []
            parts.append((records, some))
        records.update(wanted)
        some.append(case)
    return parts


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
        cases = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        # nsd has an answer to everything.
        lost = [c for c in cases if c["expect"][0] == "temperror"]
        parts = [(Refusing(self), lost)]
        parts += [(servers.Nsd(self, zone_of(records)), some)
                  for records, some in by_records([c for c in cases if c not in lost], folder)]
        wrong, seen = [], collections.Counter()
        for server, some in parts:
            answers, _ = self.batch(server, [{"message": str(folder / c["message"]),
                                              "now": SUITES_NOW} for c in some])
            for case, found in zip(some, answers):
                seen[case["expect"][0]] += 1
                if not self.dkim_fits(case, found.get("dkim")):
                    wrong.append((case["id"], case["expect"], found.get("dkim")))
        print(f"DKIM messages over the wire: {len(cases) - len(wrong)} of {len(cases)}")
        self.assertEqual(wrong, [])
        self.assertEqual(len(cases), 87)
        for expected in ("pass", "fail", "permerror", "temperror", "none"):
            self.assertGreater(seen[expected], 0, expected)

    def dkim_fits(self, case, signatures):
        """Whether the best result is the one that is expected, and each signature is told of."""
        results = [s["result"] for s in signatures]
        order = ("pass", "temperror", "fail", "policy", "neutral", "permerror")
        got = next((r for r in order if r in results), "none")
        expected = case["expect"][0]
        fits = {"permerror-or-fail": ("permerror", "fail"), "pass-or-policy": ("pass", "policy"),
                "malformed-message": ("none",)}.get(expected, (expected,))
        if got not in fits and not (expected == "not-pass" and got != "pass"):
            return False
        named = [(t.get("d", "").lower(), t.get("s", "")) for t in case["signatures"] or ()]
        if any((s["domain"], s["selector"]) not in named for s in signatures if s["selector"]):
            return False
        return all((s["result"] == "pass") == (s["reason"] == "") for s in signatures)

    def test_arc(self):
        right = total = 0
        for scenario in json.loads((SHARED / "arc/validation.json").read_text(encoding="utf-8")):
            zone = zone_of({name: [text] for name, text in scenario["txt-records"].items()})
            requests = []
            for name, case in scenario["tests"].items():
                (self.folder / name).write_bytes(case["message"].encode())
                requests.append({"message": str(self.folder / name), "now": SUITES_NOW})
            answers, _ = self.batch(servers.Nsd(self, zone), requests)
            for (name, case), found in zip(scenario["tests"].items(), answers):
                total += 1
                good = found["arc"]["result"] in case["cv"].split("-or-")
                instances = {i for i in range(1, 51)
                             if re.search(rf"^arc-[a-z-]+:\s*i\s*=\s*{i}\s*;", case["message"],
                                          re.IGNORECASE | re.MULTILINE)}
                good = good and found["arc"]["sets"] >= len(instances)
                good = good and (found["arc"]["reason"] != "") == (found["arc"]["result"] == "fail")
                right += good
                if not good:
                    print(f"{name}: {case['cv']}: {found['arc']}, {instances}")
        print(f"ARC suite over the wire: {right} of {total}")
        self.assertEqual(right, total)
        self.assertEqual(total, 86)


if __name__ == "__main__":
    harness.main()
