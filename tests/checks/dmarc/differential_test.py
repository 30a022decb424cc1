#!/usr/bin/python3
"""Random records and identifiers, judged by RFC 7489 by gatepost and by OpenDMARC's library.

tests/support/differential.py says what is done with differences; ACCEPTED has those that the RFC
decides against OpenDMARC, or leaves free.

  differential_test.py PROGRAM [CASES [SEED]]    PROGRAM: evaluate_json
"""

import collections
import ctypes
import os
import random
import re
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
import differential

CASES = 5000
SEED = 7489

SUFFIX_LIST = "/usr/share/publicsuffix/public_suffix_list.dat"

Case = collections.namedtuple("Case", "author records spf dkim")


# The messages ---------------------------------------------------------------------------------

class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.count = 0

    def chance(self, percent):
        return self.random.randrange(100) < percent

    def pick(self, things):
        return self.random.choice(things)

    def tag(self):
        name = self.pick(["sp", "sp", "adkim", "adkim", "aspf", "aspf", "rua", "fo", "ri", "rf", "pct",
                          "x", "np"])
        value = {
            "sp": lambda: self.pick(["none", "quarantine", "reject", "Reject"]
                                    + ["moo", ""] * self.chance(5)),
            "adkim": lambda: self.pick(["r", "s", "s", "S"] + ["q"] * self.chance(5)),
            "aspf": lambda: self.pick(["r", "s", "s", "R"] + ["strict"] * self.chance(5)),
            "rua": lambda: self.pick(["mailto:a@example.com",
                                      "mailto:a@example.com!10m,mailto:b@example.net"]),
            "fo": lambda: self.pick(["0", "1", "d:s", "1:d"]),
            "ri": lambda: self.pick(["86400", "3600"]),
            "rf": lambda: "afrf",
            "pct": lambda: "100",
            "x": lambda: "y",
            "np": lambda: self.pick(["none", "reject"]),
        }[name]()
        return name, value

    def record(self):
        """One that RFC 7489 takes in most cases: no tag twice."""
        tags = {}
        if self.chance(96):
            tags["p"] = self.pick(["none", "quarantine", "reject", "reject", "NONE", "Quarantine"]
                                  + ["moo", "rejects"] * self.chance(4))
        for _ in range(self.random.randrange(0, 5)):
            name, value = self.tag()
            tags.setdefault(name, value)
        version = self.pick(["v=DMARC1"] * 12 + ["v = DMARC1", "v=DMARC2", "v=spf1", "v=dmarc1"])
        text = version
        for name, value in tags.items():
            if self.chance(4):
                name = name.upper()
            text += self.pick(["; ", ";", " ; ", "; "]) + name + self.pick(["=", "=", "=", " = "]) + value
        return text + self.pick(["", ";", "; "])

    def organization(self):
        self.count += 1
        return f"c{self.count}." + self.pick(["com", "org", "co.uk", "com.au", "de", "kobe.jp"])

    def below(self, domain):
        return self.pick(["", "", "a.", "b.", "a.b.", "_x."]) + domain

    def identity(self, organization, author):
        domain = self.pick([author, author, organization, self.below(organization), "c0.com",
                            "a.c0.com", "x" + organization])
        return {"domain": domain.upper() if self.chance(5) else domain, "pass": self.chance(70)}

    def case(self):
        organization = self.organization()
        author = self.below(organization)
        records = {}
        if self.chance(85):
            records["_dmarc." + organization] = self.texts()
        if author != organization and self.chance(40):
            records["_dmarc." + author] = self.texts()
        dkim = [self.identity(organization, author) for _ in range(self.pick([0, 1, 1, 2]))]
        return Case(author, records, self.identity(organization, author), dkim)

    def texts(self):
        return [self.record()]


# OpenDMARC ------------------------------------------------------------------------------------

class Library(ctypes.Structure):
    """OPENDMARC_LIB_T of dmarc.h."""

    _fields_ = [("tld_type", ctypes.c_int), ("tld_source_file", ctypes.c_char * 4096),
                ("nscount", ctypes.c_int), ("nsaddr_list", ctypes.c_ubyte * (3 * 16))]


class NameServer(threading.Thread):
    """Answers TXT questions on a free port of loopback, for as long as the process lives."""

    def __init__(self):
        super().__init__(daemon=True)
        self.records = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.start()

    def where(self):
        """A sockaddr_in."""
        port = self.socket.getsockname()[1]
        return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + bytes([127, 0, 0, 1]) + bytes(8)

    def run(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            self.socket.sendto(self.answer(query), client)

    def answer(self, query):
        name, at = [], 12
        while query[at]:
            name.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        question = query[12:at + 5]
        texts = self.records.get(".".join(name), [])
        reply = query[:2] + struct.pack("!HHHHH", 0x8180 if texts else 0x8183, 1, len(texts), 0, 0) + question
        for text in texts:
            data = bytes([len(text)]) + text.encode()
            reply += b"\xc0\x0c" + struct.pack("!HHIH", 16, 1, 60, len(data)) + data
        return reply


class Theirs:
    """OpenDMARC's library, which is given its DNS records."""

    PASSES = {True: 1, False: 2}
    MAIL_FROM = 1
    POLICIES = {ord("n"): "none", ord("q"): "quarantine", ord("r"): "reject", 0: "unspecified"}
    ENFORCED = {14: "none", 15: "pass", 16: "reject", 17: "quarantine", 18: "none"}
    ALIGNED = {4: "pass", 5: "fail"}

    def __init__(self, library):
        self.opendmarc = library
        library.opendmarc_policy_connect_init.restype = ctypes.c_void_p
        for name in ("connect_shutdown", "store_from_domain", "store_spf", "store_dkim", "query_dmarc",
                     "fetch_alignment", "fetch_p", "fetch_sp"):
            getattr(library, "opendmarc_policy_" + name).argtypes = None
        self.server = NameServer()
        self.settings = Library(tld_type=1, tld_source_file=SUFFIX_LIST.encode(), nscount=1,
                                nsaddr_list=(ctypes.c_ubyte * 48)(*self.server.where()))
        library.opendmarc_policy_library_init(ctypes.byref(self.settings))
        if library.opendmarc_tld_read_file(SUFFIX_LIST.encode(), b"//", b"*.", b"!") != 0:
            raise OSError(SUFFIX_LIST + " cannot be read")

    def evaluate(self, case):
        lib = self.opendmarc
        self.server.records = case.records
        message = ctypes.c_void_p(lib.opendmarc_policy_connect_init(b"192.0.2.1", 4))
        try:
            return self.judge(message, case)
        finally:
            lib.opendmarc_policy_connect_shutdown(message)

    def judge(self, message, case):
        lib = self.opendmarc
        lib.opendmarc_policy_store_from_domain(message, case.author.encode())
        lib.opendmarc_policy_store_spf(message, case.spf["domain"].encode(),
                                       self.PASSES[case.spf["pass"]], self.MAIL_FROM, None)
        for signature in case.dkim:
            lib.opendmarc_policy_store_dkim(message, signature["domain"].encode(), b"s",
                                            self.PASSES[signature["pass"]], None)
        found = lib.opendmarc_policy_query_dmarc(message, case.author.encode())
        enforced = lib.opendmarc_get_policy_to_enforce(message)
        dkim, spf = ctypes.c_int(), ctypes.c_int()
        lib.opendmarc_policy_fetch_alignment(message, ctypes.byref(dkim), ctypes.byref(spf))
        return (found, self.ENFORCED.get(enforced, str(enforced)), self.ALIGNED.get(spf.value, "fail"),
                self.ALIGNED.get(dkim.value, "fail"))


# What differs ---------------------------------------------------------------------------------

def wildcard_suffix(case, ours, theirs):
    """By the list *.kobe.jp are public suffixes; OpenDMARC takes kobe.jp for one."""
    return case.author.endswith(".kobe.jp")


def version_in_lower_case(case, ours, theirs):
    """RFC 7489 §6.4: the version is these octets; OpenDMARC takes any case."""
    return any("v=dmarc1" in text for texts in case.records.values() for text in texts)


def blank_in_version(case, ours, theirs):
    """RFC 7489 §6.4: there may be blanks about the equals sign; OpenDMARC wants none."""
    return any("v = " in text for texts in case.records.values() for text in texts)


def strict_is_not_strict(case, ours, theirs):
    """RFC 7489 §3.1: strict alignment is that of equal domains; OpenDMARC takes others, too."""
    texts = [text for all_texts in case.records.values() for text in all_texts]
    strict = any("=s" in text.lower().replace(" ", "") for text in texts)
    passed = [i["domain"].lower() for i in [case.spf] + case.dkim if i["pass"]]
    aligned_more = "pass" in theirs[2:4] and list(theirs[2:4]) != ours[2:4]
    return strict and aligned_more and any(domain != case.author for domain in passed)


POLICY = re.compile(r";\s*(s?p)\s*=\s*([^;\s]*)", re.IGNORECASE)


def policy_that_is_none(case, ours, theirs):
    """RFC 7489 §6.6.3: where p is missing, or p or sp is not valid, the record stands for p=none if it
    has rua, else for no record; OpenDMARC ends with an error, or takes it as it is."""
    for texts in case.records.values():
        tags = {tag.lower(): value.lower() for tag, value in POLICY.findall(texts[0])}
        if "p" not in tags or not set(tags.values()) <= {"none", "quarantine", "reject"}:
            return True
    return False


def another_version(case, ours, theirs):
    """RFC 7489 §6.6.3: records of another version are discarded, and then the Organizational Domain
    is asked; OpenDMARC ends there with an error."""
    return "v=DMARC2" in "".join(case.records.get("_dmarc." + case.author, []))


def one_signature_is_kept(case, ours, theirs):
    """RFC 7489 §4.2: one aligned signature is enough; OpenDMARC keeps one only, and not always that."""
    return len(case.dkim) > 1 and ours[3] == "pass" and theirs[3] == "fail"


def names_in_upper_case(case, ours, theirs):
    """RFC 4343: names are the same in any case; OpenDMARC does not find the Organizational Domain of
    those in upper case."""
    return any(i["domain"] != i["domain"].lower() for i in [case.spf] + case.dkim if i["pass"])


def bad_alignment(case, ours, theirs):
    """RFC 7489 §6.3: a value that is none is passed over in favour of the default; OpenDMARC ends
    there with an error, or reads its first letter."""
    bad = re.compile(r"\ba(?:dkim|spf)\s*=\s*(?:q|strict)", re.IGNORECASE)
    return any(bad.search(text) for texts in case.records.values() for text in texts)


ACCEPTED = [wildcard_suffix, version_in_lower_case, blank_in_version, strict_is_not_strict,
            another_version, one_signature_is_kept, policy_that_is_none, names_in_upper_case,
            bad_alignment]


# The comparison -------------------------------------------------------------------------------

def outcome(ours):
    """What is done with the message, as OpenDMARC says it."""
    result, policy = ours[:2]
    return {"none": "none", "pass": "pass"}.get(result, policy)


def differs(ours, theirs):
    if outcome(ours) != theirs[1]:
        return True
    return ours[0] in ("pass", "fail") and ours[2:4] != list(theirs[2:4])


def peer():
    try:
        return Theirs(ctypes.CDLL("libopendmarc.so.2"))
    except OSError as missing:
        print(missing)
        return None


def main():
    program, count, seed = differential.arguments(CASES, SEED)
    theirs = peer()
    if theirs is None:
        return differential.absent("OpenDMARC's library, or the public suffix list,")
    generator = Generator(seed)
    cases = [generator.case() for _ in range(count)]
    ours = differential.ask(program, (case._asdict() for case in cases))
    return differential.compare(cases, ours, theirs.evaluate, differs, ACCEPTED, outcome, seed,
                                results_at_least=4)


if __name__ == "__main__":
    sys.exit(main())
