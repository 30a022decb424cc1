"""What hostile clients do. Each attack is a generator that does a little, and yields every tick.

All of them are bounded: in connections, in what they send per tick, and in time, by whoever runs
them. They come from addresses all over 127.0.0.0/8, and talk to nobody else.
"""

import errno
import os
import random
import signal
import socket
import ssl
import struct
import subprocess
import time
import warnings

TICK = 0.01

# What a server of bench/rig.py listens to, in this order.
PLAIN, TLS, PROXY = range(3)


class Hands:
    """Connections of an attacker, none of which ever blocks."""

    def __init__(self, ports, seed=1):
        self.ports = ports
        self.chance = random.Random(seed)
        self.opened = 0
        self.sent = 0

    def address(self):
        # Not 127.0.0.1, which is the good client's.
        return f"127.{self.chance.randrange(1, 255)}.{self.chance.randrange(256)}." \
               f"{self.chance.randrange(1, 255)}"

    def connect(self, to=PLAIN, blocking=False, source=None, receive_buffer=None):
        """A new connection, or None."""
        s = socket.socket()
        try:
            if receive_buffer:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            s.bind((source or self.address(), 0))
            s.settimeout(5 if blocking else None)
            s.setblocking(blocking)
            s.connect(("127.0.0.1", self.ports[to]))
        except BlockingIOError:
            pass
        except OSError:
            s.close()
            return None
        if blocking:
            s.settimeout(5)
        self.opened += 1
        return s

    def send(self, s, octets):
        """What could not be sent yet; None: the connection is no more."""
        try:
            sent = s.send(octets)
        except BlockingIOError:
            return octets
        except OSError as error:
            if error.errno == errno.ENOTCONN:
                return octets
            s.close()
            return None
        self.sent += sent
        return octets[sent:]

    @staticmethod
    def drain(s):
        """Reads what there is; False: the other end has closed."""
        try:
            while True:
                if not s.recv(65536):
                    s.close()
                    return False
        except BlockingIOError:
            return True
        except OSError as error:
            if error.errno == errno.ENOTCONN:
                return True
            s.close()
            return False

    @staticmethod
    def reset(s):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()

    def keep(self, alive, most, per_tick, begin=b"", **options):
        """Brings a list of connections up to `most`, `per_tick` at a time."""
        for _ in range(min(per_tick, most - len(alive))):
            s = self.connect(**options)
            if s is not None:
                alive.append([s, begin, 0])


ENVELOPE = b"EHLO a.b\r\nMAIL FROM:<a@a.b>\r\nRCPT TO:<bob@example.test>\r\n"


def _crowd(hands, most, begin, more, octets_per_tick=1 << 30, speaks_each=1, **options):
    """`most` connections that say `begin` and then `more(count)` for ever; whoever is closed comes
    again. In each tick one in `speaks_each` says something, and where there are not octets for all
    of these, others come first in the next."""
    alive, tick = [], 0
    while True:
        hands.keep(alive, most, 20, begin, **options)
        left, tick = octets_per_tick, tick + 1
        for i in _from(tick, len(alive)):
            state = alive[i]
            s, waiting, count = state
            fine = hands.drain(s)
            if fine and left > 0 and (i + tick) % speaks_each == 0:
                words = waiting or more(count)
                if words:
                    state[1], state[2] = hands.send(s, words), count + 1
                    fine = state[1] is not None
                    left -= len(words)
            if not fine:
                state[0] = None
        alive[:] = [state for state in alive if state[0] is not None]
        yield


def _from(first, count):
    """All of `count` numbers, beginning with another one each time."""
    return ((first + n) % count for n in range(count))


def _loris(hands, most, begin, line, **options):
    """`most` connections that say `begin` at once, and then `line` by octets, one every half
    second, over and over."""
    return _crowd(hands, most, begin, lambda n: line[n % len(line):][:1], speaks_each=50, **options)


def nobody(_):
    """Quiet: what all others are compared with."""
    while True:
        yield


def loris_silent(hands):
    """500 connections that say nothing."""
    return _crowd(hands, 500, b"", lambda n: b"")


def loris_command(hands):
    """500 connections, the first command by octets."""
    return _loris(hands, 500, b"", b"EHLO " + b"a" * 2000)


def loris_mail(hands):
    """500 connections, a sender by octets."""
    return _loris(hands, 500, b"EHLO a.b\r\n", b"MAIL FROM:<" + b"a" * 2000)


def loris_recipient(hands):
    """500 connections, a recipient by octets."""
    return _loris(hands, 500, b"EHLO a.b\r\nMAIL FROM:<a@a.b>\r\n", b"RCPT TO:<" + b"b" * 2000)


def loris_data(hands):
    """500 connections that may send a message, and send nothing."""
    return _crowd(hands, 500, ENVELOPE + b"DATA\r\n", lambda n: b"")


def loris_header(hands):
    """500 connections, the header of a message by octets."""
    return _loris(hands, 500, ENVELOPE + b"DATA\r\nSubject: ", b"x" * 70 + b"\r\n ")


def loris_body(hands):
    """500 connections, the body of a message by octets."""
    return _loris(hands, 500, ENVELOPE + b"DATA\r\nSubject: x\r\n\r\n", b"x" * 70 + b"\r\n")


def loris_chunk(hands):
    """500 connections, a chunk by octets."""
    return _loris(hands, 500, ENVELOPE + b"BDAT 100000 LAST\r\nSubject: x\r\n\r\n",
                  b"x" * 70 + b"\r\n")


def loris_between_chunks(hands):
    """500 connections that send one chunk of a message, and no other."""
    return _crowd(hands, 500, ENVELOPE + b"BDAT 9\r\nSubject: ", lambda n: b"")


HANDSHAKE = bytes.fromhex("160301020001 0001fc0303") + b"r" * 501


def loris_tls(hands):
    """300 TLS handshakes by octets."""
    return _loris(hands, 300, b"", HANDSHAKE, to=TLS)


def loris_starttls(hands):
    """300 TLS handshakes by octets, of clients that said STARTTLS before."""
    return _loris(hands, 300, b"EHLO a.b\r\nSTARTTLS\r\n", HANDSHAKE)


def loris_proxy(hands):
    """300 PROXY headers by octets."""
    return _loris(hands, 300, b"", b"PROXY TCP6 " + b"0" * 90, to=PROXY)


def never_reads(hands):
    """3 connections that ask for 1.3 MB/s in all and read nothing of it, with small buffers."""
    # MAIL is a new beginning each time: no count of idle commands ends this.
    words, alive = (b"MAIL FROM:<a@a.b>\r\n" + b"HELP\r\n" * 95 + b"RSET\r\n") * 3, []
    while True:
        hands.keep(alive, 3, 1, b"EHLO a.b\r\n" + words, receive_buffer=4096)
        for state in alive[:1]:
            state[1] = hands.send(state[0], state[1] or words)
        alive = [state for state in alive[1:] + alive[:1] if state[1] is not None]
        yield


def hello_burst(hands):
    """One connection with 8000 commands at once, every second; it reads the replies."""
    words = (b"MAIL FROM:<a@a.b>\r\n" + b"EHLO a.b\r\n" * 19) * 400
    return _crowd(hands, 1, b"", lambda n: words, speaks_each=100)


def flood(hands):
    """1500 connections a second from as many addresses, closed at once."""
    while True:
        for _ in range(15):
            s = hands.connect()
            if s is not None:
                s.close()
        yield


def flood_kept(hands):
    """500 connections a second from as many addresses, each of which wants to stay: nobody else gets
    a place. For a server with far fewer places than that."""
    alive = []
    while True:
        for _ in range(5):
            s = hands.connect()
            if s is not None:
                alive.append(s)
        alive = [s for s in alive if Hands.drain(s)][-2000:]
        yield


def flood_one_address(hands):
    """500 connections a second from one address, which wants to keep them all."""
    source, alive = hands.address(), []
    while True:
        for _ in range(5):
            s = hands.connect(source=source)
            if s is not None:
                alive.append(s)
        alive = [s for s in alive if Hands.drain(s)]
        yield


def endless_line(hands):
    """20 connections with a command line that never ends, 1 MB/s each tick's share in all."""
    return _crowd(hands, 20, b"EHLO ", lambda n: b"a" * 1000, octets_per_tick=10_000)


def endless_header(hands):
    """20 connections with a header that never ends, 6 MB/s in all."""
    return _crowd(hands, 20, ENVELOPE + b"DATA\r\n", lambda n: b"X-Field: x\r\n" * 1000,
                  octets_per_tick=60_000)


def endless_text_line(hands):
    """20 connections with a line of text that never ends, 6 MB/s in all."""
    return _crowd(hands, 20, ENVELOPE + b"DATA\r\nSubject: x\r\n\r\n", lambda n: b"x" * 12_000,
                  octets_per_tick=60_000)


def endless_recipients(hands):
    """20 connections with recipients without end."""
    return _crowd(hands, 20, b"EHLO a.b\r\nMAIL FROM:<a@a.b>\r\n",
                  lambda n: b"RCPT TO:<carol@example.test>\r\n" * 10, octets_per_tick=1_500)


def rset_storm(hands):
    """20 connections that say RSET and nothing else, pipelined."""
    return _crowd(hands, 20, b"EHLO a.b\r\n", lambda n: b"RSET\r\n" * 20, octets_per_tick=1_200)


def garbage(hands):
    """20 connections with noise, much of it at once."""
    return _crowd(hands, 20, b"", lambda n: hands.chance.randbytes(500), octets_per_tick=5_000)


def garbage_behind_envelope(hands):
    """20 connections with an envelope, and behind it whole lines that are no commands."""
    return _crowd(hands, 20, ENVELOPE, lambda n: b"this is no command\r\n" * 10,
                  octets_per_tick=2_000)


def text_behind_refusal(hands):
    """20 connections that send DATA and the text at once, though there is no recipient."""
    return _crowd(hands, 20, b"EHLO a.b\r\nMAIL FROM:<a@a.b>\r\nRCPT TO:<a@elsewhere.test>\r\n",
                  lambda n: b"DATA\r\nthis is text\r\nQUIT\r\n.\r\n", octets_per_tick=2_000)


def half_closed(hands):
    """200 connections a second that ask something, and then send no more but stay."""
    alive = []
    while True:
        for _ in range(2):
            s = hands.connect(blocking=True)
            if s is None:
                continue
            try:
                s.sendall(ENVELOPE + b"DATA\r\nSubject: x\r\n")
                s.shutdown(socket.SHUT_WR)
                s.setblocking(False)
                alive.append(s)
            except OSError:
                s.close()
        alive = [s for s in alive if Hands.drain(s)][-500:]
        yield


def _say_and_reset(hands, words, per_tick):
    while True:
        for _ in range(per_tick):
            s = hands.connect(blocking=True)
            if s is None:
                continue
            try:
                s.sendall(words)
            except OSError:
                pass
            Hands.reset(s)
        yield


def reset_in_body(hands):
    """200 connections a second that are reset in the middle of a message."""
    return _say_and_reset(hands, ENVELOPE + b"DATA\r\n" + b"x" * 20000, 2)


def lying_bdat(hands):
    """200 connections a second with chunks that are not as long as they say."""
    lies = [ENVELOPE + b"BDAT 1000000 LAST\r\nshort", ENVELOPE + b"BDAT 99999999999999999999\r\nx",
            ENVELOPE + b"BDAT 2\r\n" + b"much longer\r\n" * 30, ENVELOPE + b"BDAT -1 LAST\r\n",
            ENVELOPE + b"BDAT 5 LAST\r\nfour"]
    alive = []
    while True:
        for _ in range(2):
            s = hands.connect(blocking=True)
            if s is None:
                continue
            s.setblocking(False)
            if hands.send(s, hands.chance.choice(lies)) is not None:
                alive.append(s)
        for s in alive[:-100]:
            Hands.reset(s)
        alive = [s for s in alive[-100:] if Hands.drain(s)]
        yield


def _context(version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version:
        context.maximum_version = version
    return context


def tls_handshakes(hands):
    """Up to 100 whole TLS handshakes a second, and nothing said after them."""
    context = _context()
    while True:
        s = hands.connect(to=TLS, blocking=True)
        if s is not None:
            try:
                context.wrap_socket(s).close()
            except OSError:
                s.close()
        yield


def tls_garbage(hands):
    """500 connections a second that begin a handshake with noise."""
    alive = []
    while True:
        for _ in range(5):
            s = hands.connect(to=TLS, blocking=True)
            if s is not None:
                s.setblocking(False)
                hands.send(s, b"\x16\x03\x01" + hands.chance.randbytes(300))
                alive.append(s)
        alive = [s for s in alive if Hands.drain(s)][-200:]
        yield


def tls_renegotiation(hands):
    """TLS 1.2 clients (openssl s_client) that ask to renegotiate again and again."""
    # Not -quiet: with that it takes no commands.
    command = ["openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{hands.ports[TLS]}"]
    running, tick = [], 0
    try:
        while True:
            if tick % 20 == 0 and len(running) < 10:
                p = subprocess.Popen(command, stdin=subprocess.PIPE,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                hands.opened += 1
                running.append(p)
            for p in list(running):
                try:
                    p.stdin.write(b"R\n")
                    p.stdin.flush()
                except OSError:
                    p.wait()
                    running.remove(p)
            tick += 1
            yield
    finally:
        for p in running:
            p.kill()
            p.wait()


ALL = [loris_silent, loris_command, loris_mail, loris_recipient, loris_data, loris_header,
       loris_body, loris_chunk, loris_between_chunks, loris_starttls, loris_tls, loris_proxy,
       never_reads, hello_burst, flood, flood_one_address, flood_kept, endless_line,
       endless_header, endless_text_line, endless_recipients, rset_storm, garbage,
       garbage_behind_envelope, text_behind_refusal, half_closed, reset_in_body, lying_bdat,
       tls_handshakes, tls_garbage, tls_renegotiation]

# They leave no place for a client that comes later (rig.FEW_PLACES): the good one has to be there
# before, and to stay.
TAKES_ALL_PLACES = [flood_kept]


class Attacker:
    """An attack in a process of its own, for as long as it is not stopped, and `most` seconds at
    most. It has the lowest priority on its CPU: the good client is not kept waiting by it."""

    def __init__(self, attack, ports, where, most=60):
        self._done, done = os.pipe()
        self.pid = os.fork()
        if self.pid != 0:
            os.close(done)
            return
        status = 1
        try:
            os.close(self._done)
            os.sched_setaffinity(0, where)
            os.nice(19)
            _run(attack, ports, done, most)
            status = 0
        finally:
            os._exit(status)  # pylint: disable=protected-access

    def stop(self):
        """Ends it; gives (connections, octets, busy share of its CPU, share of ticks kept)."""
        try:
            os.kill(self.pid, 15)
        except ProcessLookupError:
            pass
        with os.fdopen(self._done) as told:
            words = told.read().split()
        os.waitpid(self.pid, 0)
        return [float(w) for w in words] or [0, 0, 0, 0]


def _run(attack, ports, done, most):
    stopping = []
    warnings.simplefilter("ignore")  # sockets that are left to the end of the process
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    hands = Hands(ports)
    steps = attack(hands)
    begin, ticks = time.monotonic(), 0
    cpu = time.process_time()
    while not stopping and time.monotonic() < begin + most:
        next(steps)
        ticks += 1
        wait = begin + ticks * TICK - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        elif wait < -0.1:
            begin -= wait  # behind: slower, and not all at once
    seconds = max(time.monotonic() - begin, 1e-3)
    steps.close()
    told = f"{hands.opened} {hands.sent} {(time.process_time() - cpu) / seconds} " \
           f"{ticks * TICK / seconds}"
    os.write(done, told.encode())
    os.close(done)
