"""Reads what two nodes say to each other, by docs/reference/remote-protocol.md alone.

It follows the document and shares nothing with the C++ sources; the standard library is all that
it needs. So it shows that the document is enough. It checks every checksum, MAC, proof and counter,
and raises `Refused` for what the document does not allow. Packed payloads (zstd) it leaves packed.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

KINDS = ("tell", "ask", "reply", "failure", "cancel")
PLAIN, SECRET, TLS = 0, 1, 2
DIALER, ACCEPTOR = 0, 1
CONTROL, ORDINARY, LARGE = 0, 1, 2


class Refused(Exception):
    """Bytes that no node sends."""


# --- Checksums and MACs --------------------------------------------------------------------------

def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC = _crc_table()


def crc32c(data: bytes, seed: int = 0) -> int:
    """RFC 3720, appendix B.4."""
    crc = seed ^ 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def hkdf(key: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    """RFC 5869 with SHA-256."""
    prk = hmac.digest(salt, key, "sha256")
    out, block, count = b"", b"", 1
    while len(out) < size:
        block = hmac.digest(prk, block + info + bytes([count]), "sha256")
        out += block
        count += 1
    return out[:size]


def _times_two(x: int) -> int:
    return (x << 1 ^ 0x11B) if x & 0x80 else x << 1


def _s_box() -> list[int]:
    box = [0] * 256
    p = q = 1
    while True:
        p ^= _times_two(p)  # times 3
        for shift in (1, 2, 4):
            q = (q ^ q << shift) & 0xFF
        q ^= 0x09 if q & 0x80 else 0  # divided by 3
        rotated = q
        for shift in (1, 2, 3, 4):
            rotated ^= (q << shift | q >> 8 - shift) & 0xFF
        box[p] = rotated ^ 0x63
        if p == 1:
            break
    box[0] = 0x63
    return box


_BOX = _s_box()


class Aes256:
    """FIPS 197, encryption of single blocks."""

    def __init__(self, key: bytes) -> None:
        words = [list(key[i:i + 4]) for i in range(0, 32, 4)]
        rcon = 1
        for i in range(8, 60):
            word = list(words[-1])
            if i % 8 == 0:
                word = [_BOX[b] for b in word[1:] + word[:1]]
                word[0] ^= rcon
                rcon = _times_two(rcon)
            elif i % 8 == 4:
                word = [_BOX[b] for b in word]
            words.append([a ^ b for a, b in zip(words[i - 8], word)])
        self._rounds = [sum(words[i:i + 4], []) for i in range(0, 60, 4)]

    def encrypt(self, block: bytes) -> bytes:
        state = [a ^ b for a, b in zip(block, self._rounds[0])]
        for number, key in enumerate(self._rounds[1:], 1):
            state = [_BOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16)]
            if number != 14:
                mixed = []
                for c in range(0, 16, 4):
                    a = state[c:c + 4]
                    every = a[0] ^ a[1] ^ a[2] ^ a[3]
                    mixed += [a[i] ^ every ^ _times_two(a[i] ^ a[(i + 1) % 4]) for i in range(4)]
                state = mixed
            state = [a ^ b for a, b in zip(state, key)]
        return bytes(state)


class Gmac:
    """AES-256-GCM of an empty text (NIST SP 800-38D): what authenticates a frame."""

    def __init__(self, key: bytes, iv: bytes) -> None:
        self._aes = Aes256(key)
        self._iv = iv
        self._h = int.from_bytes(self._aes.encrypt(bytes(16)), "big")

    def _multiply(self, x: int) -> int:
        z, v = 0, self._h
        for bit in range(127, -1, -1):
            if x >> bit & 1:
                z ^= v
            v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
        return z

    def tag(self, counter: int, aside: bytes) -> bytes:
        nonce = self._iv[:4] + bytes(
            a ^ b for a, b in zip(self._iv[4:], counter.to_bytes(8, "big")))
        y = 0
        for i in range(0, len(aside), 16):
            y = self._multiply(y ^ int.from_bytes(aside[i:i + 16].ljust(16, b"\0"), "big"))
        y = self._multiply(y ^ len(aside) * 8 << 64)
        first = int.from_bytes(self._aes.encrypt(nonce + b"\0\0\0\1"), "big")
        return (y ^ first).to_bytes(16, "big")


# --- Numbers and texts ---------------------------------------------------------------------------

class Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def __bool__(self) -> bool:
        return self.at < len(self.data)

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise Refused("ends too early")
        self.at += count
        return self.data[self.at - count:self.at]

    def word(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def varint(self) -> int:
        number = shift = 0
        while True:
            byte = self.word(1)
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        if number >> 64 or (byte == 0 and shift):
            raise Refused("a number too large, or not in its shortest form")
        return number

    def text(self) -> str:
        return self.take(self.word(2)).decode()


# --- The handshake -------------------------------------------------------------------------------

@dataclass
class Hello:
    nonce: bytes
    incarnation: int
    protection: int
    stream: int
    streams: int
    capabilities: int
    codecs: int
    frame_bytes: int
    message_bytes: int
    credit_bytes: int
    names: int
    heartbeat_ms: int
    system: str
    node: str
    to: str
    version: str
    tags: dict[str, str]


def message(reader: Reader, role: int) -> tuple[int, bytes, bytes]:
    """The kind, the body and all bytes of one message of the handshake."""
    begin = reader.at
    if reader.take(4) != b"ODRM":
        raise Refused("not the protocol")
    kind, least, most, by = reader.take(4)
    body = reader.take(reader.word(4))
    covered = reader.data[begin:reader.at]
    if reader.word(4) != crc32c(covered) or by != role or not least <= 1 <= most:
        raise Refused("a checksum, role or version")
    return kind, body, reader.data[begin:reader.at]


def hello(body: bytes) -> Hello:
    r = Reader(body)
    fields = [r.take(32), r.word(8), r.word(1), r.word(1), r.word(1)]
    r.word(1)
    fields += [r.word(4), r.word(4), r.word(4), r.word(8), r.word(8), r.word(4), r.word(4)]
    texts = [r.text() for _ in range(4)]
    tags = {}
    for _ in range(r.word(1)):
        key = r.text()
        tags[key] = r.text()
    return Hello(*fields, *texts, tags)


# --- An open connection --------------------------------------------------------------------------

@dataclass
class Message:
    kind: str
    to: tuple[str, int]
    sender: tuple[str, int]
    ask: int
    limit: int
    trace: int
    key: int
    priority: int
    type: tuple[str, int, int]
    payload: bytes = b""
    packed: bool = False
    total: int = 0


@dataclass
class Direction:
    """What one side says, from its frames on."""

    check: Gmac | int
    counter: int = 0
    names: dict[int, tuple[str, int]] = field(default_factory=dict)
    transfers: dict[int, Message] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    goodbye: tuple[int, str] | None = None
    parts: bytes = b""
    record: int = 0

    def frames(self, r: Reader) -> None:
        while r:
            begin = r.at
            length = r.word(4)
            r.at = begin
            frame = r.take(4 + length)
            size = 4 if isinstance(self.check, int) else 16
            covered, found = frame[:-size], frame[-size:]
            if isinstance(self.check, int):
                right = crc32c(covered, self.check).to_bytes(4, "little")
            else:
                right = self.check.tag(self.counter, covered)
            if not hmac.compare_digest(found, right):
                raise Refused("a frame's check")
            version, lane, flags = covered[4], covered[5], covered[6:8]
            if int.from_bytes(covered[8:16], "little") != self.counter:
                raise Refused("a frame's counter")
            if version != 1 or flags != b"\0\0" or lane > LARGE:
                raise Refused("a frame's version, lane or flags")
            self.counter += 1
            items = Reader(covered[16:])
            while items:
                (self.control_item, self.ordinary_item, self.large_item)[lane](items)

    def name(self, r: Reader) -> tuple[str, int]:
        reference = r.varint()
        if reference == 0:
            return "", 0
        if reference > 2:
            if reference - 3 not in self.names:
                raise Refused("a name that was not defined")
            return self.names[reference - 3]
        slot = r.varint() if reference == 2 else None
        named = r.take(r.varint()).decode(), r.varint()
        if slot is not None:
            self.names[slot] = named
        return named

    def head(self, r: Reader) -> tuple[Message, int]:
        first = r.word(1)
        if not 1 <= first & 7 <= 5:
            raise Refused("a kind of message")
        kind = KINDS[(first & 7) - 1]
        to, sender = self.name(r), self.name(r)
        ask = r.varint() if kind != "tell" else 0
        limit = r.varint() if first & 8 else 0
        trace = r.word(8) if first & 16 else 0
        key = r.word(8) if first & 32 else 0
        priority = r.varint() if first & 64 else 0
        priority = priority >> 1 ^ -(priority & 1)
        manifest, extra = self.name(r)
        size = r.varint()
        if first & 128:
            r.varint()  # expanded
        made = Message(kind, to, sender, ask, limit, trace, key, priority,
                       (manifest, extra >> 8, extra & 0xFF), packed=bool(first & 128))
        return made, size

    def ordinary_item(self, r: Reader) -> None:
        made, size = self.head(r)
        made.payload = r.take(size)
        self.messages.append(made)

    def large_item(self, r: Reader) -> None:
        what, number = r.word(1), r.varint()
        if what == 1:
            total = r.varint()
            made, size = self.head(r)
            made.total = total
            if number in self.transfers:
                raise Refused("a transfer that is open")
            self.transfers[number] = made
        elif what == 2 and number in self.transfers:
            made, size = self.transfers[number], r.varint()
        else:
            raise Refused("an item of the large lane")
        made.payload += r.take(size)
        if len(made.payload) > made.total:
            raise Refused("a transfer beyond its total")
        if len(made.payload) == made.total:
            self.messages.append(self.transfers.pop(number))

    def control_item(self, r: Reader) -> None:
        what = r.word(1)
        if what in (1, 2):
            number, part = r.varint(), r.take(r.varint())
            if number == self.record + 1:
                self.record, self.parts = number, self.parts + part
                if what == 1:
                    self.records.append(self.parts)
                    self.parts = b""
            elif number > self.record:
                raise Refused("a record is left out")
        elif what == 3:
            r.varint()
        elif what in (4, 5):
            r.word(8)
        elif what == 6:
            if r.word(1) not in (ORDINARY, LARGE):
                raise Refused("credit of no lane")
            r.varint()
        elif what == 7:
            self.goodbye = r.word(1), r.take(r.varint()).decode()
        else:
            raise Refused("an item of the control lane")


class Conversation:
    """Both directions of one connection, whole, from their first bytes."""

    def __init__(self, dialer: bytes, acceptor: bytes, secret: bytes = b"") -> None:
        ours, theirs = Reader(dialer), Reader(acceptor)
        kind, body, first = message(ours, DIALER)
        kind_too, body_too, second = message(theirs, ACCEPTOR)
        if (kind, kind_too) != (1, 1):
            raise Refused("no hello")
        self.hellos = hello(body), hello(body_too)
        mode = self.hellos[0].protection
        if mode != self.hellos[1].protection or (mode == SECRET) != bool(secret):
            raise Refused("different protection")
        transcript = hashlib.sha256(b"odeon remote 1 transcript" + first + second).digest()
        for reader, role, kind, name in ((ours, DIALER, 2, b"dialer"),
                                         (theirs, ACCEPTOR, 3, b"acceptor")):
            found, proof, _ = message(reader, role)
            right = b""
            if secret:
                right = hmac.digest(hkdf(secret, transcript, b"odeon remote 1 proof", 32), name,
                                    "sha256")
            if found != kind or not hmac.compare_digest(proof, right):
                raise Refused("a proof")
        self.dialer = Direction(self._check(secret, transcript, b"dialer"))
        self.acceptor = Direction(self._check(secret, transcript, b"acceptor"))
        self.dialer.frames(ours)
        self.acceptor.frames(theirs)

    @staticmethod
    def _check(secret: bytes, transcript: bytes, role: bytes) -> Gmac | int:
        if not secret:
            return crc32c(role, crc32c(transcript))
        both = hkdf(secret, transcript, b"odeon remote 1 frames of the " + role, 44)
        return Gmac(both[:32], both[32:])
