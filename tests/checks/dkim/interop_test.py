#!/usr/bin/env python3
"""DKIM and ARC against other implementations: dkimpy, Mail::DKIM and OpenDKIM.

What we sign they verify, and what they sign we verify; and on thousands of generated messages, each
signed by dkimpy and then changed in one way, we say what dkimpy says, but where as_dkimpy_is_asked
tells why not. dkim_tool is our side. What is not installed is skipped, in CI it fails.
"""

import base64
import importlib.util
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

TOOL = os.path.abspath("tests/checks/dkim/dkim_tool")
# The others ask the clock, and refuse what was signed in the future.
NOW = int(time.time())
DOMAIN = "example.test"
RSA_NAME = f"rsa._domainkey.{DOMAIN}"
ED_NAME = f"ed._domainkey.{DOMAIN}"
# Generated messages; each costs a signature by dkimpy, 2 ms.
ROUNDS = int(os.environ.get("DKIM_ROUNDS", "3000"))

MESSAGE = (
    b"From: Joe <joe@example.test>\r\n"
    b"To: Ann <ann@other.test>,\r\n\tBob <bob@other.test>\r\n"
    b"Subject:  A  folded \r\n  subject\r\n"
    b"Date: Fri, 27 Nov 2026 10:00:00 +0000\r\n"
    b"Message-ID: <1@example.test>\r\n"
    b"MIME-Version: 1.0\r\n"
    b"\r\n"
    b"Hello,  \t world \r\n\r\n  indented\r\n.\r\nend\r\n\r\n\r\n"
)


def needs(present, what):
    """Skips a test where something is absent; in CI it fails then."""
    if present:
        return
    if os.environ.get("CI"):
        raise AssertionError(f"{what} is absent, and CI is set")
    raise unittest.SkipTest(f"{what} is absent")


def load_dkim():
    needs(importlib.util.find_spec("dkim"), "python3-dkim")
    import dkim  # pylint: disable=import-outside-toplevel,import-error

    return dkim


def openssl(*arguments, stdin=b""):
    run = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=True)
    return run.stdout


class Keys:
    """One RSA and one Ed25519 key, made for this run."""

    def __init__(self, folder):
        self.rsa_path = folder / "rsa.pem"
        # In PKCS #1 form, which every program here reads.
        self.rsa_pem = openssl("genrsa", "-traditional", "2048")
        self.rsa_path.write_bytes(self.rsa_pem)
        public = openssl("rsa", "-pubout", "-outform", "DER", stdin=self.rsa_pem)
        self.rsa_record = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()
        self.ed_pem = openssl("genpkey", "-algorithm", "ed25519")
        der = openssl("pkey", "-outform", "DER", stdin=self.ed_pem)
        self.ed_seed = base64.b64encode(der[-32:])
        public = openssl("pkey", "-pubout", "-outform", "DER", stdin=self.ed_pem)
        self.ed_record = "v=DKIM1; k=ed25519; p=" + base64.b64encode(public[-32:]).decode()

    def records(self):
        return {RSA_NAME: self.rsa_record, ED_NAME: self.ed_record}

    def dns(self, name, timeout=5):  # pylint: disable=unused-argument
        """dkimpy's dnsfunc."""
        text = self.records().get(name.decode().rstrip("."))
        return text.encode() if text else None


class Tool:
    """dkim_tool, running."""

    def __init__(self):
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, op, message, **more):
        task = {"op": op, "message": base64.b64encode(message).decode(), "now": NOW, **more}
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=60)


class Test(unittest.TestCase):
    """A folder, keys, and our tool."""

    @classmethod
    def setUpClass(cls):
        needs(shutil.which("openssl"), "openssl")
        cls.folder_object = tempfile.TemporaryDirectory()  # pylint: disable=consider-using-with
        cls.folder = pathlib.Path(cls.folder_object.name)
        cls.keys = Keys(cls.folder)
        cls.tool = Tool()

    @classmethod
    def tearDownClass(cls):
        cls.tool.close()
        cls.folder_object.cleanup()

    def sign(self, message, key="rsa", header="relaxed", body="relaxed"):
        pem = self.keys.rsa_pem if key == "rsa" else self.keys.ed_pem
        answer = self.tool.ask(
            "sign",
            message,
            pem=pem.decode(),
            domain=DOMAIN,
            selector=key,
            header=header,
            body=body,
        )
        return base64.b64decode(answer["fields"]) + message

    def verify(self, message):
        return self.tool.ask("verify", message, keys=self.keys.records())


FORMS = [(h, b) for h in ("simple", "relaxed") for b in ("simple", "relaxed")]


class DkimpyTest(Test):
    """python3-dkim."""

    def test_it_verifies_ours(self):
        dkim = load_dkim()
        for key in ("rsa", "ed"):
            for header, body in FORMS:
                with self.subTest(key=key, header=header, body=body):
                    signed = self.sign(MESSAGE, key, header, body)
                    self.assertTrue(dkim.verify(signed, dnsfunc=self.keys.dns), signed)

    def test_we_verify_its(self):
        dkim = load_dkim()
        for header, body in FORMS:
            for name, selector, pem in (
                (b"rsa-sha256", b"rsa", self.keys.rsa_pem),
                (b"ed25519-sha256", b"ed", self.keys.ed_seed),
            ):
                form = (header.encode(), body.encode())
                field = dkim.sign(
                    MESSAGE, selector, DOMAIN.encode(), pem, canonicalize=form,
                    signature_algorithm=name,
                )
                with self.subTest(name=name, form=form):
                    self.assertEqual(self.verify(field + MESSAGE)["outcome"], "pass")

    def test_chains(self):
        """Its ARC validates our chains, and ours its."""
        dkim = load_dkim()
        message, status = self.sign(MESSAGE), "none"
        for _ in range(3):
            answer = self.tool.ask(
                "seal", message, pem=self.keys.rsa_pem.decode(), domain=DOMAIN, selector="rsa",
                results="spf=pass smtp.mailfrom=example.test", status=status,
            )
            message, status = base64.b64decode(answer["fields"]) + message, "pass"
            cv, results, reason = dkim.arc_verify(message, dnsfunc=self.keys.dns)
            self.assertEqual(cv, b"pass", (reason, results))
            verdict = self.tool.ask("validate", message, keys=self.keys.records())
            self.assertEqual(verdict["outcome"], "pass", verdict)

    def test_its_chains(self):
        dkim = load_dkim()
        needs(importlib.util.find_spec("authres"), "python3-authres")
        message = MESSAGE
        for state in (b"none", b"pass", b"pass"):
            stamp = b"Authentication-Results: mx.example.test; arc=%s\r\n" % state
            fields = dkim.arc_sign(
                stamp + message, b"rsa", DOMAIN.encode(), self.keys.rsa_pem, b"mx.example.test",
                include_headers=[b"from", b"to", b"subject"],
            )
            self.assertEqual(len(fields), 3)
            message = b"".join(fields) + message
            verdict = self.tool.ask("validate", message, keys=self.keys.records())
            self.assertEqual(verdict["outcome"], "pass", verdict)


class PerlTest(Test):
    """Mail::DKIM. Debian's has no Ed25519."""

    VERIFY = """
        use Mail::DKIM::Verifier; use Mail::DKIM::DNS; use Mail::DKIM::PublicKey;
        my $record = shift; local $/; my $text = <STDIN>;
        my $v = Mail::DKIM::Verifier->new();
        no warnings 'redefine';
        *Mail::DKIM::DNS::query = sub { return Fake->new($record); };
        $v->PRINT($text); $v->CLOSE; print $v->result_detail;
        package Fake; sub new { bless { r => $_[1] }, $_[0] } sub type { 'TXT' }
        sub char_str_list { $_[0]{r} } sub txtdata { $_[0]{r} } sub name { '' }
    """
    SIGN = """
        use Mail::DKIM::Signer; my ($file, $method) = @ARGV;
        my $text = do { local $/; <STDIN> };  # it reads the key by lines
        my $s = Mail::DKIM::Signer->new(Algorithm => 'rsa-sha256', Method => $method,
            Domain => 'example.test', Selector => 'rsa', KeyFile => $file);
        $s->PRINT($text); $s->CLOSE; print $s->signature->as_string, "\\r\\n";
    """

    def perl(self, script, *arguments, stdin):
        command = ["perl", "-e", script, *map(str, arguments)]
        run = subprocess.run(command, input=stdin, capture_output=True, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def setUp(self):
        needs(shutil.which("perl"), "perl")
        probe = subprocess.run(["perl", "-MMail::DKIM", "-e1"], capture_output=True, check=False)
        needs(probe.returncode == 0, "libmail-dkim-perl")

    def test_it_verifies_ours(self):
        for header, body in FORMS:
            signed = self.sign(MESSAGE, "rsa", header, body)
            said = self.perl(self.VERIFY, self.keys.rsa_record, stdin=signed)
            self.assertEqual(said, b"pass", (header, body))

    def test_we_verify_its(self):
        for header, body in FORMS:
            field = self.perl(self.SIGN, self.keys.rsa_path, f"{header}/{body}", stdin=MESSAGE)
            self.assertEqual(self.verify(field + MESSAGE)["outcome"], "pass", (header, body, field))


class OpenDkimTest(Test):
    """opendkim, which checks or signs one file in place of a connection's messages."""

    # As from a milter of version 2, of blanks behind the colon it sees all but the first: not ours.
    MESSAGE = MESSAGE.replace(b"Subject:  A", b"Subject: A")
    FIELD = re.compile(rb"hname='(DKIM-Signature)' hvalue='([^']*)'")

    def setUp(self):
        self.program = shutil.which("opendkim", path="/usr/sbin:/usr/bin")
        needs(self.program, "opendkim")

    def run_on(self, message, *settings):
        """What opendkim says of a message."""
        config = self.folder / "opendkim.conf"
        config.write_text("\n".join((*settings, "Syslog no", "")), encoding="ascii")
        path = self.folder / "message"
        # It reads files as Unix has them.
        path.write_bytes(message.replace(b"\r\n", b"\n"))
        command = [self.program, "-x", config, "-t", path, "-vv"]
        run = subprocess.run(command, capture_output=True, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout + run.stderr

    def test_it_verifies_ours(self):
        records = self.folder / "keys"
        records.write_text(f"{RSA_NAME} {self.keys.rsa_record}\n", encoding="ascii")
        good = b"verification (s=rsa, d=example.test, 2048-bit key) succeeded"
        for header, body in FORMS:
            signed = self.sign(self.MESSAGE, "rsa", header, body)
            with self.subTest(header=header, body=body):
                self.assertIn(good, self.run_on(signed, "Mode v", f"TestPublicKeys {records}"))

    def test_we_verify_its(self):
        for header, body in FORMS:
            said = self.run_on(
                self.MESSAGE,
                "Mode s",
                f"Domain {DOMAIN}",
                "Selector rsa",
                f"KeyFile {self.keys.rsa_path}",
                "RequireSafeKeys no",  # others may read the file
                "SignatureAlgorithm rsa-sha256",
                f"Canonicalization {header}/{body}",
            )
            found = self.FIELD.search(said)
            self.assertIsNotNone(found, said)
            field = found[1] + b": " + found[2].replace(b"\n", b"\r\n") + b"\r\n"
            with self.subTest(header=header, body=body):
                verdict = self.verify(field + self.MESSAGE)
                self.assertEqual(verdict["outcome"], "pass", (field, verdict))


class Generator:
    """Messages that are odd in all ways that signatures care for, and changes to them."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def words(self, most):
        accented = "\u00e9".encode().decode("latin-1")
        letters = ("a", "Bb", "word", "=3D", accented, "x" * 70, ";", ":")
        gaps = (" ", "  ", "\t", " \t ")
        out = ""
        for _ in range(self.random.randrange(most)):
            out += self.random.choice(letters) + self.random.choice(gaps)
        return out

    def field(self, name):
        value = self.words(6)
        while self.random.random() < 0.3:
            # A line of blanks alone would be no fold (RFC 5322 section 3.2.2).
            value += "\r\n" + self.random.choice((" ", "\t", "  ")) + "y" + self.words(4)
        before = self.random.choice(("", "", "", " ", "\t"))
        return f"{name}:{before}{value}\r\n"

    def body(self):
        lines = []
        for _ in range(self.random.randrange(8)):
            kind = self.random.random()
            if kind < 0.2:
                lines.append("")
            elif kind < 0.3:
                lines.append(self.random.choice((" ", "\t", "  \t")))
            elif kind < 0.35:
                lines.append("z" * 1500)
            else:
                lines.append(self.random.choice(("", " ", "\t")) + self.words(8))
        text = "".join(line + "\r\n" for line in lines)
        return text + "\r\n" * self.random.randrange(3)

    def message(self):
        names = ["Subject", "To", "X-One", "X-One", "Received", "Received", "Date", "Cc"]
        self.random.shuffle(names)
        fields = [self.field(name) for name in names[: self.random.randrange(2, len(names) + 1)]]
        fields.insert(self.random.randrange(len(fields)), "From: Joe <joe@example.test>\r\n")
        return ("".join(fields) + "\r\n" + self.body()).encode("latin-1")

    def signed_names(self, message):
        """What h= says: fields that are there, some twice, and some that are not."""
        head = message.split(b"\r\n\r\n")[0]
        lines = [line for line in head.split(b"\r\n") if line[:1] not in (b" ", b"\t")]
        present = [line.split(b":")[0].lower() for line in lines if line]
        # dkimpy refuses to sign what RFC 6376 section 5.4.1 advises against.
        wanted = [name for name in present if name.strip() != b"received"]
        names = [n for n in wanted if self.random.random() < 0.7 or n == b"from"]
        if b"from" not in names:
            names.append(b"from")
        names += self.random.sample([b"from", b"subject", b"x-none", b"cc"], 2)
        return names

    def changed(self, message):
        """The message, changed in one way; and the name of that way."""
        ways = [
            ("nothing", lambda m: m),
            ("blank lines at the end", lambda m: m + b"\r\n\r\n"),
            ("a blank at the end of a line", self.blank_at_line_end),
            ("a blank doubled", lambda m: self.replaced(m, b" ", b"  ")),
            ("a blank to a tab", lambda m: self.replaced(m, b" ", b"\t")),
            ("a letter", lambda m: self.replaced(m, b"a", b"b")),
            ("an octet removed", self.octet_removed),
            ("a field on top", lambda m: b"X-One: new\r\n" + m),
            ("From on top", lambda m: FROM_ON_TOP + m),
            ("Subject in capitals", lambda m: m.replace(b"Subject:", b"SUBJECT:")),
            ("a field removed", lambda m: self.field_removed(m, b"X-One:")),
            ("a line added", lambda m: m + b"more\r\n"),
            ("fields swapped", self.fields_swapped),
        ]
        name, way = self.random.choice(ways)
        return name, way(message)

    def replaced(self, message, old, new):
        places = [i for i in range(len(message)) if message.startswith(old, i)]
        if not places:
            return message
        at = self.random.choice(places)
        return message[:at] + new + message[at + len(old) :]

    def blank_at_line_end(self, message):
        return self.replaced(message, b"\r\n", b" \r\n")

    def octet_removed(self, message):
        places = [i for i, c in enumerate(message) if c not in b"\r\n:"]
        at = self.random.choice(places)
        return message[:at] + message[at + 1 :]

    @staticmethod
    def field_removed(message, name):
        at = message.find(b"\r\n" + name)
        if at < 0:
            return message
        end = at + 2
        while True:
            end = message.index(b"\r\n", end) + 2
            if message[end : end + 1] not in (b" ", b"\t"):
                return message[: at + 2] + message[end:]

    @staticmethod
    def fields_swapped(message):
        return message.replace(b"X-One:", b"X-Two:").replace(b"Received:", b"X-One:")


FIELD_BEGIN = re.compile(rb"[!-9;-~]+[ \t]*:")
FROM_ON_TOP = b"From: eve@evil.test\r\n"


def with_blank_line(message):
    """The message with an empty line before the first line that is no field."""
    at = 0
    while at < len(message):
        if message.startswith(b"\r\n", at):
            break
        if message[at : at + 1] not in (b" ", b"\t") and not FIELD_BEGIN.match(message, at):
            return message[:at] + b"\r\n" + message[at:]
        at = message.index(b"\r\n", at) + 2
    return message


def as_dkimpy_is_asked(message, names):
    """The message in which dkimpy has to see what we see in `message`, whose h= is `names`.

    Two differences are known, and these alone:

    - dkimpy reads an h= that has From as if it had From once more, so that a signature breaks when
      one is added. RFC 6376 section 5.4.2 takes the last field for each name and no more, and
      section 8.15 leaves it to signers to name a field once more than it is there. So a From on top
      is outside of what a signature with one From covers: dkimpy is asked without it.
    - A header that ends without an empty line, by a line that is no field, dkimpy refuses. RFC 6376
      section 3.8 leaves open what is said of malformed messages; we let the body begin there
      (smtp/header_reader.hpp), and dkimpy is asked about that.
    """
    if message.startswith(FROM_ON_TOP) and names.count(b"from") == 1:
        message = message.removeprefix(FROM_ON_TOP)
    return with_blank_line(message)


class DifferentialTest(Test):
    """Generated messages, signed by dkimpy and changed: we say what dkimpy says."""

    def dkimpy_passes(self, dkim, message):
        try:
            return bool(dkim.verify(message, dnsfunc=self.keys.dns))
        except (dkim.DKIMException, ValueError, IndexError):
            # A header, base64 or an i= shorter than d= that it cannot read.
            return False

    def test_same_answers(self):
        dkim = load_dkim()
        seed = int(os.environ.get("DKIM_SEED", "6376"))
        made = Generator(seed)
        differing, passed = [], 0
        for number in range(ROUNDS):
            message = made.message()
            header, body = made.random.choice(FORMS)
            options = {"canonicalize": (header.encode(), body.encode())}
            if made.random.random() < 0.2:
                options["length"] = True
            ed25519 = made.random.random() < 0.7
            if ed25519:
                options["signature_algorithm"] = b"ed25519-sha256"
            signer = dkim.DKIM(message, debug_content=False, **{
                k: v for k, v in options.items() if k == "signature_algorithm"
            })
            names = made.signed_names(message)
            field = signer.sign(
                b"ed" if ed25519 else b"rsa",
                DOMAIN.encode(),
                self.keys.ed_seed if ed25519 else self.keys.rsa_pem,
                canonicalize=options["canonicalize"],
                include_headers=list(names),
                length=options.get("length", False),
            )
            what, changed = made.changed(field + message)
            ours = self.verify(changed)["outcome"] == "pass"
            theirs = self.dkimpy_passes(dkim, as_dkimpy_is_asked(changed, names))
            passed += theirs
            if ours != theirs:
                differing.append((number, what, header, body, ours, theirs, changed))
        print(f"differential: {ROUNDS} messages, dkimpy passes {passed}, {len(differing)} differ")
        self.assertEqual(differing[:3], [])
        self.assertGreater(passed, ROUNDS // 10)
        self.assertLess(passed, ROUNDS * 9 // 10)


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False, verbosity=2).result.wasSuccessful())
