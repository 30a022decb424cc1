#!/usr/bin/python3
"""Random zones, evaluated by gatepost and by pyspf (Debian's python3-spf).

tests/support/differential.py says what is done with differences; ACCEPTED has those that the RFC
decides against pyspf, or leaves free.

  differential_test.py PROGRAM [CASES [SEED]]    PROGRAM: evaluate_json
"""

import collections
import os
import random
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
import differential

CASES = 2000
SEED = 7208

# So many that it is never reached: the two count void lookups differently. RFC 7208 §4.6.4 counts
# terms, pyspf questions (also those for a domain's own record, for each host of an mx, and for names
# that no term asked about). evaluate_test.cc has the limit itself.
NO_LIMIT = 1000

NAMES = ["example.com", "example.net", "a.example.com", "b.example.com", "c.example.com",
         "mx.example.com", "mx.example.net", "d.example.org", "xn--bcher-kva.example", "_s.example.com"]
ADDRESSES = ["192.0.2.1", "192.0.2.2", "192.0.2.129", "198.51.100.7"]
ADDRESSES6 = ["2001:db8::1", "2001:db8::2", "2001:db8:1::1", "2001:db8:ffff::7"]
LOCAL_PARTS = ["a", "strong-bad", "x.y+z", "u_v=w", "A-B.c"]
MACROS = ["%{d}", "%{o}", "%{h}", "%{l}", "%{i}", "%{ir}", "%{v}", "%{d2}", "%{d1r}", "%{l1r-}",
          "%{lr+-.}", "%{o2r}", "%{s}", "%{p}", "%{D}", "%{L}", "%{S}", "%%", "%_", "%-"]
BAD_MACROS = ["%{x}", "%{d", "%(d)", "%", "%a", "%{c}", "%{r}", "%{t}"]
BAD_TERMS = ["moo", "all.", "all:x.y", "a:", "a/33", "a/", "a//129", "a:example", "mx:museum.",
             "ip4:1.2.3", "ip4:1.2.3.4/33", "ip4:1.2.3.256", "ip6:1.2.3.4", "ip6:::g", "ip4", "ip6:",
             "exists", "exists:", "include", "include:", "ptr:", "ptr/8", "exists:a.b/8", "redirect=",
             "exp=", "=x", "-x=y", "1x=y", "a:b.c:80", "--all", "a:x.y/24/64", "ip4:1.2.3.4//8"]

Case = collections.namedtuple("Case", "zone client sender helo")


# The zones ------------------------------------------------------------------------------------

class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, percent):
        return self.random.randrange(100) < percent

    def pick(self, things):
        return self.random.choice(things)

    def domain_spec(self):
        if self.chance(70):
            return self.pick(NAMES) + ("." if self.chance(10) else "")
        text = ""
        for _ in range(self.random.randrange(1, 4)):
            text += self.pick(BAD_MACROS if self.chance(4) else MACROS)
            text += self.pick(["", ".", "-x.", "."])
        return text + self.pick(["", "example.com", "x.example.net", ".com"])

    def cidr(self):
        if self.chance(60):
            return ""
        return self.pick(["/24", "/32", "/0", "//64", "//32", "/25//48", "//0", "/30"])

    def network(self):
        if self.chance(50):
            bits = self.pick(["", "/24", "/32", "/0", "/25"])
            return "ip4:" + self.pick(ADDRESSES + ["192.0.2.128", "0.0.0.0", "203.0.113.9"]) + bits
        bits = self.pick(["", "/64", "/32", "/0", "/48"])
        return "ip6:" + self.pick(ADDRESSES6 + ["::", "2001:DB8::", "::ffff:192.0.2.1"]) + bits

    def mechanism(self):
        name = self.pick(["a", "a", "mx", "mx", "ptr", "exists", "include", "include", "ip", "ip", "ip"])
        if name == "ip":
            return self.network()
        needs_domain = name in ("exists", "include")
        spec = ":" + self.domain_spec() if needs_domain or self.chance(60) else ""
        return name + spec + (self.cidr() if name in ("a", "mx") else "")

    def term(self):
        if self.chance(2):
            return self.pick(BAD_TERMS)
        if self.chance(4):
            return self.pick(["x=y", "x.y=%{d}", "moo=", "u=%(d)", "v-1=%{d2}.a"])
        return self.pick(["", "", "", "+", "-", "~", "?"]) + self.mechanism()

    def record(self):
        terms = [self.term() for _ in range(self.random.randrange(0, 6))]
        if self.chance(60):
            terms.append(self.pick(["-all", "~all", "?all", "all", "-ALL"]))
        if self.chance(25):
            terms.insert(self.random.randrange(len(terms) + 1), "redirect=" + self.domain_spec())
        if self.chance(25):
            terms.insert(self.random.randrange(len(terms) + 1), "exp=" + self.domain_spec())
        text = self.pick(["v=spf1", "v=spf1", "v=spf1", "V=SPF1"])
        for term in terms:
            text += self.pick([" ", " ", " ", "  "]) + term
        if self.chance(3):
            at = self.random.randrange(6, len(text) + 1)
            text = text[:at] + self.pick(["\t", "\n", "\u00e9", ":", "/", "%", "=", ".", "-"]) + text[at:]
        return text + self.pick(["", "", " "])

    def records_of(self, name):
        records = []
        for _ in range(self.pick([0, 1, 1, 1, 2])):
            records.append({"type": "A", "data": self.pick(ADDRESSES)})
        for _ in range(self.pick([0, 0, 1, 1, 2])):
            records.append({"type": "AAAA", "data": self.pick(ADDRESSES6)})
        for preference in range(self.pick([0, 0, 1, 2, 2, 3] + ([11] if self.chance(10) else []))):
            records.append({"type": "MX", "data": [preference, self.pick(NAMES)]})
        if self.chance(92):
            records.append({"type": "TXT", "data": self.record()})
        for _ in range(self.pick([0] * 11 + [1])):
            other = self.pick([self.record(), "hello %{d} %{i}", "%{x}", "hi", "hi", "hi"])
            records.append({"type": "TXT", "data": other})
        if self.chance(3):
            records.append({"rcode": "TIMEOUT"})
        return records

    def case(self):
        zone = {name: self.records_of(name) for name in NAMES if self.chance(95)}
        client = self.pick(ADDRESSES * 2 + ADDRESSES6 + ["::ffff:192.0.2.1"])
        reverse = reverse_name(client)
        names = [self.pick(NAMES) for _ in range(self.pick([0, 1, 1, 2, 3]))]
        if names:
            zone[reverse] = [{"type": "PTR", "data": name} for name in names]
        for _ in range(3):
            zone.setdefault(self.pick(["1.2.0.192.x.example.net", "a.example.com.example.com",
                                       "bad.strong.example.com", "com.x.example.net"]),
                            [{"type": "A", "data": "127.0.0.2"},
                             {"type": "TXT", "data": self.pick(["Go away, %{i}.", "%{s} of %{h}"])}])
        sender = self.pick(LOCAL_PARTS) + "@" + self.pick(NAMES)
        return Case(zone, client, "" if self.chance(8) else sender, self.pick(NAMES))


def reverse_name(client):
    import ipaddress
    address = ipaddress.ip_address(client)
    return (getattr(address, "ipv4_mapped", None) or address).reverse_pointer


# pyspf ----------------------------------------------------------------------------------------

class Theirs:
    """pyspf, with a zone in the place of the DNS."""

    def __init__(self, spf):
        self.spf = spf
        spf.MAX_VOID_LOOKUPS = NO_LIMIT
        spf.DNSLookup = self.look_up
        self.zone = {}

    def look_up(self, name, qtype, tcpfallback=True, timeout=30):
        found = []
        for record in self.zone.get(name.lower(), []):
            if "rcode" in record:
                if not found:
                    raise self.spf.TempError("DNS timeout")
            elif record["type"] == qtype:
                data = record["data"]
                if qtype == "TXT":
                    data = (data.encode("utf-8"),)
                found.append(((name, qtype), tuple(data) if qtype == "MX" else data))
        return found

    def evaluate(self, case):
        self.zone = case.zone
        query = self.spf.query(i=case.client, s=case.sender, h=case.helo, strict=1)
        query.set_default_explanation("")
        query.t = "0"
        result, _, text = query.check()
        return result, text, getattr(query, "perm_error", None)


# What differs ---------------------------------------------------------------------------------

def texts(case):
    return [r["data"] for records in case.zone.values() for r in records if r.get("type") == "TXT"]


def redirect_counts_unfollowed(case, ours, theirs):
    """RFC 7208 §4.6.4 counts what is evaluated; pyspf counts a redirect when it reads one."""
    return "Too many DNS lookups" in str(theirs[2]) and any("redirect=" in t for t in texts(case))


def include_of_itself(case, ours, theirs):
    """pyspf refuses it while parsing; the RFC has no such rule, and §4.6.4 ends the loop."""
    return "include has trivial recursion" in str(theirs[2])


def unknown_modifier_twice(case, ours, theirs):
    """RFC 7208 §6: only redirect and exp may not stand twice; §4.6.1: others are ignored."""
    message = str(theirs[2])
    return "MUST appear at most once" in message and "exp=" not in message and "redirect=" not in message


def ptr_errors(case, ours, theirs):
    """RFC 7208 §5.5, §7.3: a DNS error in the look-up of the client's names is no match, and
    "unknown" for %{p}; pyspf gives a temperror, or no explanation."""
    asks = any("ptr" in text.lower() or "%{p}" in text for text in texts(case))
    fails = any({"rcode": "TIMEOUT"} in records for records in case.zone.values())
    return asks and fails and (theirs[0] == "temperror" or (theirs[0] == "fail" and not theirs[1]))


def version_before_a_newline(case, ours, theirs):
    """RFC 7208 §4.5: the version ends with a blank or the record; pyspf takes a line feed, too."""
    return "v=spf1\n" in [text.lower() for text in texts(case)] and "Two or more" in str(theirs[2])


# RFC 7208 §7.1, all that may stand in a macro-string of a term or an explanation.
MACRO = r"%\{[slodiphcrtv][0-9]*r?[-.+,/_=]*\}|%[%_-]"
WELL_FORMED = re.compile(rf"(?:[ -$&-~]|{MACRO})*", re.IGNORECASE)


def lax_syntax(case, ours, theirs):
    """RFC 7208 §7.1: a macro has one form, and octets are visible ASCII. pyspf takes whatever stands
    between braces, braces that are not closed, and controls in names."""
    strict = ours[0] == "permerror" or (ours[0] == "fail" and not ours[2])
    return strict and not all(WELL_FORMED.fullmatch(text) for text in texts(case))


def percent_at_the_end(case, ours, theirs):
    """RFC 7208 §7.1: %% is a percent sign anywhere; pyspf refuses it before the end or a letter."""
    return "invalid-macro-char" in str(theirs[2]) and any("%%" in t for t in texts(case))


def mx_hosts_behind_a_match(case, ours, theirs):
    """RFC 7208 §5.4: hosts are looked at in the order of preference, and a match ends it; pyspf asks
    for all of them, and one that cannot be asked about is a temperror."""
    timeouts = [name for name, records in case.zone.items() if {"rcode": "TIMEOUT"} in records]
    hosts = [r["data"][1] for records in case.zone.values() for r in records if r.get("type") == "MX"]
    return theirs[0] == "temperror" and any(name in hosts for name in timeouts)


ACCEPTED = [redirect_counts_unfollowed, include_of_itself, unknown_modifier_twice, ptr_errors,
            version_before_a_newline, lax_syntax, percent_at_the_end, mx_hosts_behind_a_match]


# The comparison -------------------------------------------------------------------------------

def request(case):
    return {"zone": case.zone, "client": case.client, "sender": case.sender, "helo": case.helo,
            "void_lookups": NO_LIMIT}


def differs(ours, theirs):
    if ours[0] != theirs[0]:
        return True
    return ours[0] == "fail" and ours[2] != theirs[1]


def main():
    program, count, seed = differential.arguments(CASES, SEED)
    try:
        import spf
    except ImportError:
        return differential.absent("python3-spf")
    generator = Generator(seed)
    cases = [generator.case() for _ in range(count)]
    ours = differential.ask(program, map(request, cases))
    return differential.compare(cases, ours, Theirs(spf).evaluate, differs, ACCEPTED,
                                lambda found: found[0], seed, results_at_least=7)


if __name__ == "__main__":
    sys.exit(main())
