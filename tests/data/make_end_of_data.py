#!/usr/bin/env python3
"""Writes end_of_data.json, vectors for the end of DATA and BDAT that any SMTP server can be tested with.

    python3 tests/data/make_end_of_data.py > tests/data/end_of_data.json

The decoder here is slow, obvious and independent of the C++ sources: it splits the octets at CRLF, as
RFC 5321 section 2.3.8 demands, and looks at nothing but whole lines.
"""

import itertools
import json
import re

MAX_LINE = 1000  # RFC 5321 section 4.5.3.1.6, with CRLF, without a stuffed dot

ABOUT = [
    "What the octets after the reply 354 to DATA mean (RFC 5321 sections 2.3.8, 4.1.1.4 and 4.5.2), and those of",
    "BDAT chunks (RFC 3030). Strings hold octets: every character is below U+0080 and stands for that octet.",
    "cases: `input` is all the client sends after 354. `end`: whether it holds the end of the message; `message`:",
    "the text of the message (null where it has no end), dots unstuffed; `rest`: what follows the message, which",
    "is the next command; `violations`: offset in `input` of the first of each kind: bare_cr (a CR without LF),",
    "bare_lf (an LF without CR), nul, and long_line (a line of more than 1000 octets with its CRLF, a stuffed dot",
    "not counted; the offset is that of its text).",
    "`strict` is RFC 5321. A server may refuse a message with violations, and should, but only at its end: one that",
    "finds another end, or another rest, can be made to take the text of a message for commands (SMTP smuggling).",
    "`normalise` is for servers that repair line ends: a bare CR or LF becomes CRLF in the text, and CR CR LF one",
    "CRLF; still it never ends the message, and a dot after it is not unstuffed. It stands only where it differs",
    "from `strict`.",
    "Every case has the same result however `input` is split into reads.",
    "chunk_cases: `chunks` are the octets of one BDAT command each, the last one with LAST; `body` is text, or",
    "binary (BODY=BINARYMIME), where nothing is a violation and nothing is repaired. `ends_in_crlf`: whether the",
    "text is empty or ends in CRLF.",
]


def split_lines(octets):
    """The lines with what ends them, as pairs (content, offset), and the unfinished rest likewise."""
    pieces = octets.split(b"\r\n")
    lines, offset = [], 0
    for piece in pieces:
        lines.append((piece, offset))
        offset += len(piece) + 2
    return lines[:-1], lines[-1]


def violations_of(content, offset):
    found = {}
    for name, octet in (("bare_cr", b"\r"), ("bare_lf", b"\n"), ("nul", b"\0")):
        at = content.find(octet)
        if at >= 0:
            found[name] = offset + at
    return found


def repaired(content, finished):
    """The content of a line as a list of lines (content, offset); CR before the CRLF vanishes."""
    if finished and content.endswith(b"\r"):
        content = content[:-1]
    parts, begin = [], 0
    for end in re.finditer(rb"[\r\n]", content):
        parts.append((content[begin : end.start()], begin))
        begin = end.end()
    return parts + [(content[begin:], begin)]


class Text:
    """The text of a message as it grows, line by line."""

    def __init__(self, normalise):
        self.normalise = normalise
        self.octets = b""
        self.violations = {}

    def add(self, content, offset, finished=True):
        for name, at in violations_of(content, offset).items():
            self.violations.setdefault(name, at)
        parts = repaired(content, finished) if self.normalise else [(content, 0)]
        for part, at in parts:
            if len(part) + 2 > MAX_LINE:
                self.violations.setdefault("long_line", offset + at)
        self.octets += b"\r\n".join(part for part, _ in parts) + (b"\r\n" if finished else b"")


def decode_data(octets, normalise):
    text = Text(normalise)
    lines, _ = split_lines(octets)
    for content, offset in lines:
        if content == b".":
            rest = octets[offset + 3 :]
            return dict(end=True, message=text.octets, rest=rest, violations=text.violations)
        stuffed = content.startswith(b".")
        text.add(content[stuffed:], offset + stuffed)
    return dict(end=False, message=None, rest=b"", violations=seen_in_part(octets, normalise))


def seen_in_part(octets, normalise):
    """The violations of a message that has no end: what another octet could change does not count."""
    text = Text(normalise)
    lines, (last, last_offset) = split_lines(octets)
    for content, offset in lines:
        stuffed = content.startswith(b".")
        text.add(content[stuffed:], offset + stuffed)
    certain = last[:-1] if last.endswith(b"\r") else last
    for name, at in violations_of(certain, last_offset).items():
        text.violations.setdefault(name, at)
    return text.violations


def decode_chunks(chunks, normalise, binary):
    octets = b"".join(chunks)
    if binary:
        text = Text(False)
        text.octets = octets
    else:
        text = Text(normalise)
        lines, (last, offset) = split_lines(octets)
        for line in lines:
            text.add(*line)
        text.add(last, offset, finished=False)
    ends = text.octets == b"" or text.octets.endswith(b"\r\n")
    return dict(message=text.octets, violations=text.violations, ends_in_crlf=ends)


def plain(value):
    """Octets as strings, and what holds them."""
    if isinstance(value, bytes):
        return value.decode("ascii")
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return value


def case(kind, name, description, given, decode):
    strict, normalise = plain(decode(False)), plain(decode(True))
    out = {"name": name, "description": description, **given, "strict": strict}
    if normalise != strict:
        out["normalise"] = normalise
    return out


def data_case(name, description, octets):
    return case(
        "data", name, description, {"input": plain(octets)}, lambda n: decode_data(octets, n)
    )


def chunk_case(name, description, chunks, body="text"):
    given = {"body": body, "chunks": [plain(c) for c in chunks]}
    return case(
        "chunks", name, description, given, lambda n: decode_chunks(chunks, n, body == "binary")
    )


END = b"\r\n.\r\n"
SMUGGLED = b"MAIL FROM:<eve@example.test>\r\n"


def named_cases():
    yield "empty", "nothing but the end", b".\r\n"
    yield "empty line", "a message of one empty line", END
    yield "one line", "a message of one line", b"a" + END
    yield "pipelined", "a command follows the message", b"a" + END + b"QUIT\r\n"
    yield "two ends", "the second end is a command", END + b".\r\n"
    yield "not ended", "no end yet", b"a\r\n"
    yield "dot without CRLF", "the end needs its CRLF", b"a\r\n."
    yield "dot CR without LF", "the end needs its LF", b"a\r\n.\r"
    yield "CRLF before dot missing", "a dot at the end of a line", b"a.\r\n"
    yield "stuffed dot", "a line that is a dot", b"..\r\n.\r\n"
    yield "stuffed dot on the first line", "the first line begins a line too", b"..a" + END
    yield "first-line dot", "a dot before text goes, though nobody stuffed it", b".a" + END
    yield "two stuffed dots", "only the first dot goes", b"a\r\n...b" + END
    yield "lone dots", "lines of one to four dots after stuffing", b"..\r\n...\r\n....\r\n.....\r\n.\r\n"
    yield "dot in the line", "a dot that begins no line stays", b"a\r\nb..c" + END
    yield "dot space", "a dot and a space are no end", b"a\r\n. \r\n.\r\n"
    yield "dot at the end of the text", "the last line is a dot", b"a\r\n..\r\n.\r\n"
    yield "blank lines", "empty lines stay", b"\r\n\r\na\r\n\r\n.\r\n"
    yield "no final dot but commands", "commands are text until the end", b"a\r\n" + SMUGGLED
    for label, octets in SMUGGLING.items():
        name = "smuggling " + label
        yield name, "must not end the message", b"a" + octets + SMUGGLED + END
    yield "CR CRLF dot CRLF", "the CR is bare; CRLF.CRLF follows it", b"a\r\r\n.\r\nQUIT\r\n"
    yield "CRLF dot CR CRLF", "the line after the dot is a bare CR", b"a\r\n.\r\r\nb" + END
    yield "CRLF dot CR dot CRLF", "the stuffed dot goes, the CR is bare", b"a\r\n.\r.\r\n.\r\n"
    yield "CRLF dot LF dot CRLF", "the stuffed dot goes, the LF is bare", b"a\r\n.\n.\r\n.\r\n"
    yield "CR CR CRLF", "two bare CRs before CRLF", b"a\r\r\r\nb" + END
    yield "LF CR", "both bare", b"a\n\rb" + END
    yield "LF CRLF", "a bare LF before CRLF", b"a\n\r\nb" + END
    yield "bare LF lines", "a text with Unix line ends", b"a\nb\n.\nc\n" + END
    yield "bare CR lines", "a text with old Mac line ends", b"a\rb\r.\rc\r" + END
    yield "CR CR LF lines", "a text converted twice", b"a: b\r\r\nc: d\r\r\n\r\r\ne\r\r\n.\r\n"
    yield "NUL", "NUL in a line", b"a\0b" + END
    yield "all violations", "the first offset of each kind", b"a\0\rb\nc\0\rd\ne" + END
    yield "longest line", "1000 octets with CRLF", b"a" * 998 + END
    yield "longest stuffed line", "a stuffed dot does not count", b"." + b"." * 998 + END
    yield "line too long", "1001 octets with CRLF", b"ab\r\n" + b"a" * 999 + END
    yield "stuffed line too long", "1001 octets and a stuffed dot", b"ab\r\n." + b"." * 999 + END
    yield "bare LF does not end a line", "too long, as LF is no line end", (b"a" * 600 + b"\n") * 2 + END


SMUGGLING = {
    "LF dot LF": b"\n.\n",
    "LF dot CRLF": b"\n.\r\n",
    "LF dot CR": b"\n.\r",
    "CR dot CR": b"\r.\r",
    "CR dot LF": b"\r.\n",
    "CR dot CRLF": b"\r.\r\n",
    "CRLF dot LF": b"\r\n.\n",
    "CRLF dot CR": b"\r\n.\r",
    "CRLF dot CR CRLF": b"\r\n.\r\r\n",
    "CRLF NUL dot CRLF": b"\r\n\0.\r\n",
    "CRLF dot NUL CRLF": b"\r\n.\0\r\n",
    "CRLF dot CR NUL LF": b"\r\n.\r\0\n",
    "CR NUL LF dot CRLF": b"\r\0\n.\r\n",
    "LF CR dot CRLF": b"\n\r.\r\n",
    "LF LF dot CRLF": b"\n\n.\r\n",
    "LF LF dot LF": b"\n\n.\n",
    "CR CR dot CRLF": b"\r\r.\r\n",
    "CR LF CR dot CRLF": b"\r\n\r.\r\n",
    "CRLF LF dot CRLF": b"\r\n\n.\r\n",
    "CRLF dot LF CR": b"\r\n.\n\r",
    "CRLF dot dot CRLF": b"\r\n..\r\n",
    "CRLF dot space CRLF": b"\r\n. \r\n",
    "CRLF space dot CRLF": b"\r\n .\r\n",
}

LETTERS = {b"\r": "CR", b"\n": "LF", b".": "dot", b"\0": "NUL", b"a": "a"}


def sequences(length):
    for letters in itertools.product(LETTERS, repeat=length):
        yield " ".join(LETTERS[x] for x in letters), b"".join(letters)


def generated_cases():
    for name, octets in sequences(3):
        yield name, "alone, at the start", octets
    for name, octets in sequences(4):
        yield name + ", end", "at the start, and an end", octets + END
    for name, octets in sequences(4):
        yield "a " + name + ", end", "within a line, and an end", b"a" + octets + END


def chunk_cases():
    yield "BDAT 0 LAST", "an empty message", [b""]
    yield "one chunk", "a message of one line", [b"a\r\n"]
    yield "no CRLF at the end", "a message need not end in CRLF", [b"a\r\n", b"b"]
    yield "CRLF in two chunks", "no octet is bare", [b"a\r", b"\nb\r\n"]
    yield "CRLF in two chunks, last empty", "no octet is bare", [b"a\r", b"\n", b""]
    yield "empty chunk inside CRLF", "an empty chunk changes nothing", [b"a\r", b"", b"\nb\r\n"]
    yield "CR at the end of a chunk", "the next chunk shows that it is bare", [b"a\r", b"b\r\n"]
    yield "CR at the end", "the end of the message shows that it is bare", [b"a\r"]
    yield "CR, then BDAT 0 LAST", "the end of the message shows that it is bare", [b"a\r", b""]
    yield "two CRs at the end", "both are bare", [b"a\r", b"\r"]
    yield "three CRs at the end", "all are bare", [b"a\r", b"\r", b"\r"]
    yield "CR CR LF in three chunks", "the first CR is bare", [b"a\r", b"\r", b"\nb\r\n"]
    yield "LF at the start", "bare", [b"\n"]
    yield "LF at the start of a chunk", "bare", [b"a", b"\nb\r\n"]
    yield "dots mean nothing", "no end, nothing to unstuff", [b".\r\n..\r\n", b".\r\n", b"..\r\n.\r\n"]
    yield "CRLF dot CRLF in chunks", "no end", [b"a\r\n", b".\r\n", b"b\r\n"]
    yield "NUL", "NUL in a chunk", [b"a\0b\r\n"]
    yield "line too long over chunks", "1001 octets in two", [b"a" * 900, b"a" * 99 + b"\r\n"]
    yield "longest line over chunks", "1000 octets in two", [b"a" * 900, b"a" * 98 + b"\r\n"]


def binary_cases():
    yield "binary", "any octets as they are", [b"\0\r.\n.\r\n.\r\n", b"\n\r"]
    yield "binary, CRLF in two chunks", "ends in CRLF", [b"\0\r", b"\n"]
    yield "binary, CR kept over an empty chunk", "ends in CRLF", [b"\0\r", b"", b"\n"]
    yield "binary, LF alone", "does not end in CRLF", [b"a\r", b"b", b"\n"]
    yield "binary, empty", "an empty message", [b""]


def main():
    cases = [data_case(*c) for c in itertools.chain(named_cases(), generated_cases())]
    chunks = [chunk_case(*c) for c in chunk_cases()]
    chunks += [chunk_case(*c, body="binary") for c in binary_cases()]
    for group in (cases, chunks):
        names = [c["name"] for c in group]
        assert len(set(names)) == len(names)
    print('{\n"about": ' + json.dumps(ABOUT, indent=1) + ",")
    print('"cases": [\n' + ",\n".join(map(json.dumps, cases)) + "\n],")
    print('"chunk_cases": [\n' + ",\n".join(map(json.dumps, chunks)) + "\n]\n}")


if __name__ == "__main__":
    main()
