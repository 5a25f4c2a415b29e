#!/usr/bin/python3
"""Other languages' codecs against ours: Python's msgpack, cbor2 and json, and a small CBOR writer.

    interop.py PEER [--seed N] [--count N]     the property test; the seed is printed
    interop.py PEER --vectors FILE             FILE's values are what these libraries write and read
    interop.py PEER --make-vectors FILE        writes such a file

Random values of every kind that travels go both ways: what the peer writes is read here in each of
its formats, must be one and the same value, and is given back as these libraries write it; and what
is made here is read there and must come back as it was. Exit code 77: a library is missing.
"""

import argparse
import base64
import json
import math
import os
import random
import struct
import subprocess
import sys

try:
    import cbor2
    import msgpack
except ImportError:
    other = "/usr/bin/python3"
    if os.path.exists(other) and os.path.realpath(sys.executable) != os.path.realpath(other):
        os.execv(other, [other] + sys.argv)
    print("skipped: Python's msgpack or cbor2 is missing")
    sys.exit(77)

FORMATS = ("msgpack", "compact", "cbor", "json")
I64 = (-(2**63), 2**63 - 1)


class Wrong(Exception):
    """What was read is not what the format's description says."""


def need(true, what, seen):
    if not true:
        raise Wrong(f"{what}: {seen!r}")


# --- kinds: a random value, the value as a library takes it, and the value of what one gives ------


class Bool:
    def random(self, rng):
        return rng.random() < 0.5

    def pack(self, _, v):
        return v

    def unpack(self, _, x):
        need(type(x) is bool, "a boolean", x)
        return x

    key_pack = key_unpack = None


class Int:
    def __init__(self, low, high):
        self.low, self.high = low, high

    def random(self, rng):
        if rng.random() < 0.15:
            return rng.choice((self.low, self.high, 0))
        v = rng.getrandbits(64) >> rng.randrange(64)
        if rng.random() < 0.5:
            v = ~v
        return v if self.low <= v <= self.high else v % (self.high + 1)

    def pack(self, _, v):
        return v

    def unpack(self, _, x):
        need(type(x) is int and self.low <= x <= self.high, "an integer in its range", x)
        return x

    def key_pack(self, v):
        return str(v)

    def key_unpack(self, text):
        need(text == str(int(text)), "an integer as text", text)
        return int(text)


class Float:
    WORDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}

    def __init__(self, single):
        self.single = single

    def random(self, rng):
        kind = rng.random()
        if kind < 0.3:
            return rng.randrange(-1000, 1000) / 8
        if kind < 0.35:
            return rng.choice((0.0, -0.0, math.inf, -math.inf, math.nan))
        size, code = (4, "f") if self.single else (8, "d")
        v = struct.unpack(code, rng.randbytes(size))[0]
        return 1.5 if math.isnan(v) else v

    def pack(self, fmt, v):
        if fmt == "json" and not math.isfinite(v):
            return "nan" if math.isnan(v) else "inf" if v > 0 else "-inf"
        return v

    def unpack(self, fmt, x):
        if fmt == "json" and isinstance(x, str):
            need(x in self.WORDS, "a number's word", x)
            return self.WORDS[x]
        need(type(x) is float, "a float", x)
        # JSON has as many digits as the narrower type needs.
        return struct.unpack("f", struct.pack("f", x))[0] if self.single and math.isfinite(x) else x


class Enum:
    NAMES = {0: "red", 5: "green", -3: "blue"}

    def random(self, rng):
        return rng.choice((0, 5, -3, 1000, rng.randrange(-(2**31), 2**31)))

    def pack(self, fmt, v):
        return self.NAMES.get(v, v) if fmt == "json" else v

    def unpack(self, fmt, x):
        if fmt == "json" and isinstance(x, str):
            found = [v for v, name in self.NAMES.items() if name == x]
            need(found, "an enumerator's name", x)
            return found[0]
        need(type(x) is int and (fmt != "json" or x not in self.NAMES), "an enumerator's number", x)
        return x

    def key_pack(self, v):
        return self.NAMES.get(v, str(v))

    def key_unpack(self, text):
        found = [v for v, name in self.NAMES.items() if name == text]
        return found[0] if found else int(text)


class Text:
    def random(self, rng):
        size = 300 if rng.random() < 0.05 else 12
        ends = (0x20, 0x80, 0x800, 0xD800, 0x110000)
        points = (rng.randrange(rng.choice(ends)) for _ in range(rng.randrange(size)))
        return "".join("\ufffd" if 0xD800 <= c < 0xE000 else chr(c) for c in points)

    def pack(self, _, v):
        return v

    def unpack(self, _, x):
        need(type(x) is str, "a text", x)
        return x

    def key_pack(self, v):
        return v

    def key_unpack(self, text):
        return text


class Bytes:
    def __init__(self, size=None):
        self.size = size

    def random(self, rng):
        return rng.randbytes(self.size or rng.randrange(300 if rng.random() < 0.05 else 12))

    def pack(self, fmt, v):
        return base64.b64encode(v).decode() if fmt == "json" else v

    def unpack(self, fmt, x):
        if fmt == "json":
            need(type(x) is str, "base64", x)
            x = base64.b64decode(x, validate=True)
        need(type(x) is bytes and self.size in (None, len(x)), "bytes", x)
        return x


class Optional:
    def __init__(self, of):
        self.of = of

    def random(self, rng):
        return None if rng.random() < 0.3 else self.of.random(rng)

    def pack(self, fmt, v):
        return None if v is None else self.of.pack(fmt, v)

    def unpack(self, fmt, x):
        return None if x is None else self.of.unpack(fmt, x)


class Nothing:
    def random(self, _):
        return None

    def pack(self, *_):
        return None

    def unpack(self, _, x):
        need(x is None, "nil", x)


class Variant:
    """A value is its alternative's index, and what that holds."""

    def __init__(self, *alternatives):
        self.alternatives = alternatives

    def random(self, rng):
        i = rng.randrange(len(self.alternatives))
        return (i, self.alternatives[i][1].random(rng))

    def pack(self, fmt, v):
        label, of = self.alternatives[v[0]]
        held = of.pack(fmt, v[1])
        return [v[0], held] if fmt == "compact" else {label: held}

    def unpack(self, fmt, x):
        if fmt == "compact":
            need(isinstance(x, (list, tuple)) and len(x) == 2, "an index and a value", x)
            i, held = x
        else:
            need(type(x) is dict and len(x) == 1, "a map of one", x)
            ((label, held),) = x.items()
            labels = [name for name, _ in self.alternatives]
            need(label in labels, "a label", label)
            i = labels.index(label)
        return (i, self.alternatives[i][1].unpack(fmt, held))


class List:
    def __init__(self, of, size=None, unique=False):
        self.of, self.size, self.unique = of, size, unique

    def random(self, rng):
        n = rng.randrange(5) if self.size is None else self.size
        values = [self.of.random(rng) for _ in range(n)]
        return sorted(set(values)) if self.unique else values

    def pack(self, fmt, v):
        return [self.of.pack(fmt, x) for x in v]

    def unpack(self, fmt, x):
        need(isinstance(x, (list, tuple)) and self.size in (None, len(x)), "an array", x)
        values = [self.of.unpack(fmt, e) for e in x]
        return sorted(set(values)) if self.unique else values


class Map:
    def __init__(self, key, value, text_key=True):
        self.key, self.value, self.text_key = key, value, text_key

    def random(self, rng):
        return {self.key.random(rng): self.value.random(rng) for _ in range(rng.randrange(5))}

    def pack(self, fmt, v):
        if fmt == "json" and self.text_key:
            return {self.key.key_pack(k): self.value.pack(fmt, x) for k, x in v.items()}
        if fmt == "json":
            return [[self.key.pack(fmt, k), self.value.pack(fmt, x)] for k, x in v.items()]
        return {hashable(self.key.pack(fmt, k)): self.value.pack(fmt, x) for k, x in v.items()}

    def unpack(self, fmt, x):
        if fmt == "json" and not self.text_key:
            need(type(x) is list and all(len(e) == 2 for e in x), "an array of pairs", x)
            return {self.key.unpack(fmt, k): self.value.unpack(fmt, v) for k, v in x}
        need(type(x) is dict, "a map", x)
        take = self.key.key_unpack if fmt == "json" else lambda k: self.key.unpack(fmt, k)
        return {take(k): self.value.unpack(fmt, v) for k, v in x.items()}


def hashable(x):
    return tuple(x) if isinstance(x, list) else x


class Tuple:
    def __init__(self, *of):
        self.of = of

    def random(self, rng):
        return tuple(t.random(rng) for t in self.of)

    def pack(self, fmt, v):
        return [t.pack(fmt, x) for t, x in zip(self.of, v)]

    def unpack(self, fmt, x):
        need(isinstance(x, (list, tuple)) and len(x) == len(self.of), "an array of that length", x)
        return tuple(t.unpack(fmt, e) for t, e in zip(self.of, x))


class Record:
    def __init__(self, **fields):
        self.fields = fields

    def random(self, rng):
        return {name: t.random(rng) for name, t in self.fields.items()}

    def pack(self, fmt, v):
        if fmt == "compact":
            return [t.pack(fmt, v[name]) for name, t in self.fields.items()]
        return {name: t.pack(fmt, v[name]) for name, t in self.fields.items()}

    def unpack(self, fmt, x):
        if fmt == "compact":
            need(isinstance(x, (list, tuple)) and len(x) == len(self.fields), "all fields", x)
            x = dict(zip(self.fields, x))
        need(type(x) is dict and list(x) == list(self.fields), "all fields in order", x)
        return {name: t.unpack(fmt, x[name]) for name, t in self.fields.items()}


class Tree(Record):
    def __init__(self):
        super().__init__(value=I32, children=List(self))

    def random(self, rng, depth=0):
        count = rng.randrange(4) if depth < 3 else 0
        children = [self.random(rng, depth + 1) for _ in range(count)]
        return {"value": I32.random(rng), "children": children}


I32 = Int(-(2**31), 2**31 - 1)
LINE = Record(sku=Text(), count=I32)
# Seconds within 292 years, the unit of the wire being nanoseconds.
SECONDS = type("Seconds", (Int,), {
    "pack": lambda self, fmt, v: v * 10**9,
    "unpack": lambda self, fmt, x: Int.unpack(Int(*I64), fmt, x) // 10**9,
})(-9 * 10**9, 9 * 10**9)

KINDS = {
    "bool": Bool(),
    "i8": Int(-(2**7), 2**7 - 1),
    "i16": Int(-(2**15), 2**15 - 1),
    "i32": I32,
    "i64": Int(*I64),
    "u8": Int(0, 2**8 - 1),
    "u16": Int(0, 2**16 - 1),
    "u32": Int(0, 2**32 - 1),
    "u64": Int(0, 2**64 - 1),
    "f32": Float(True),
    "f64": Float(False),
    "enum": Enum(),
    "string": Text(),
    "bytes": Bytes(),
    "four_bytes": Bytes(4),
    "optional": Optional(Text()),
    "variant": Variant(("none", Nothing()), ("i32", I32), ("interop.line", LINE),
                       ("string", Text())),
    "expected": Variant(("value", I32), ("error", Text())),
    "sequence": List(I32),
    "deque": List(Text()),
    "nested_sequence": List(List(Float(False))),
    "array": List(Int(-(2**15), 2**15 - 1), 3),
    "set": List(Text(), unique=True),
    "map_by_text": Map(Text(), I32),
    "map_by_number": Map(Int(*I64), Text()),
    "map_by_enum": Map(Enum(), Float(False)),
    "map_by_pair": Map(Tuple(I32, I32), Text(), text_key=False),
    "pair": Tuple(Text(), I32),
    "tuple": Tuple(I32, Text(), List(I32)),
    "nanoseconds": Int(*I64),
    "seconds": SECONDS,
    "floating_seconds": Float(False),
    "time": Int(*I64),
    "record": LINE,
    "order": Record(id=Text(), paid=Bool(), note=Optional(Text()), price=Float(False),
                    lines=List(LINE), tags=Map(Text(), I32), raw=Bytes(), shared=Optional(LINE)),
    "tree": Tree(),
    "shared": Optional(LINE),
}


def same(a, b):
    """Equality in which a NaN is itself and -0.0 is not 0.0; repr tells both."""
    return repr(sort_maps(a)) == repr(sort_maps(b))


def sort_maps(v):
    if isinstance(v, dict):
        return sorted(((repr(k), sort_maps(x)) for k, x in v.items()), key=lambda p: p[0])
    if isinstance(v, (list, tuple)):
        return [sort_maps(x) for x in v]
    return v


# --- the libraries --------------------------------------------------------------------------------


def cbor_head(major, n):
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 24:
            return bytes([major << 5 | n])
        if n < 1 << (8 * size):
            return bytes([major << 5 | info]) + n.to_bytes(size, "big")
    raise ValueError(n)


def cbor_float(v):
    for code, first in (("e", 0xF9), ("f", 0xFA), ("d", 0xFB)):
        try:
            packed = struct.pack(">" + code, v)
        except OverflowError:
            continue
        if math.isnan(v) or struct.unpack(">" + code, packed)[0] == v:
            return bytes([first]) + packed
    raise ValueError(v)


def cbor_of(v, open_ended=None):
    """CBOR by RFC 8949, keys as they come. `open_ended`, a random source: sometimes lengths are
    indefinite, and sometimes there is a tag that says nothing."""
    chance = (lambda: open_ended.random() < 0.4) if open_ended else (lambda: False)
    tag = cbor_head(6, 55799) if open_ended and open_ended.random() < 0.1 else b""
    if v is None:
        return tag + b"\xf6"
    if isinstance(v, bool):
        return tag + (b"\xf5" if v else b"\xf4")
    if isinstance(v, int):
        return tag + (cbor_head(0, v) if v >= 0 else cbor_head(1, -1 - v))
    if isinstance(v, float):
        return tag + cbor_float(v)
    if isinstance(v, (str, bytes)):
        major = 3 if isinstance(v, str) else 2
        raw = (lambda s: s.encode()) if isinstance(v, str) else (lambda s: s)
        if chance():
            cut = open_ended.randrange(len(v) + 1)
            chunks = b"".join(cbor_head(major, len(raw(p))) + raw(p) for p in (v[:cut], v[cut:]))
            return tag + bytes([major << 5 | 31]) + chunks + b"\xff"
        return tag + cbor_head(major, len(raw(v))) + raw(v)
    major = 5 if isinstance(v, dict) else 4
    items = [x for pair in v.items() for x in pair] if isinstance(v, dict) else v
    body = b"".join(cbor_of(x, open_ended) for x in items)
    if chance():
        return tag + bytes([major << 5 | 31]) + body + b"\xff"
    return tag + cbor_head(major, len(v)) + body


def write(kind, fmt, v, rng=None):
    """With `rng`, one of the forms that a reader must take; else the one form that is written."""
    plain = KINDS[kind].pack(fmt, v)
    if fmt == "json":
        if rng is None:
            return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
        indent = rng.choice((None, 2))
        return json.dumps(plain, ensure_ascii=rng.random() < 0.5, indent=indent).encode()
    if fmt == "cbor":
        if rng is None:
            return cbor_of(plain)
        way = rng.randrange(3)
        return cbor_of(plain, rng) if way == 0 else cbor2.dumps(plain, canonical=way == 1)
    return msgpack.packb(plain, use_bin_type=True, use_single_float=kind == "f32")


def read(kind, fmt, data):
    if fmt == "json":
        plain = json.loads(data)
    elif fmt == "cbor":
        plain = cbor2.loads(data)
    else:
        plain = msgpack.unpackb(data, raw=False, strict_map_key=False, use_list=False)
    return KINDS[kind].unpack(fmt, plain)


# --- the peer -------------------------------------------------------------------------------------


def frames(stream):
    while head := stream.readline():
        *words, size = head.decode().split()
        yield words, stream.read(int(size))


def generate(peer, seed, count):
    with subprocess.Popen([peer, "generate", str(seed), str(count)],
                          stdout=subprocess.PIPE) as child:
        yield from frames(child.stdout)
    need(child.returncode == 0, "the peer's exit code", child.returncode)


def convert(peer, asked):
    """[(kind, from, to, bytes)] -> [bytes], through the peer."""
    text = b"".join(f"{kind} {a} {b} {len(data)}\n".encode() + data for kind, a, b, data in asked)
    done = subprocess.run([peer, "convert"], input=text, stdout=subprocess.PIPE, check=True)
    import io
    answers = list(frames(io.BytesIO(done.stdout)))
    need(len(answers) == len(asked), "answers", len(answers))
    for (words, body), question in zip(answers, asked):
        need(words == ["ok"], f"{question}", body.decode(errors="replace"))
    return [body for _, body in answers]


def ours_to_theirs(peer, rng, seed, count):
    """What the peer writes is one value in every format, and is given back as the libraries write
    it; the peer must then write the very bytes that it wrote first."""
    back, want, group = [], [], []
    seen = {kind: 0 for kind in KINDS}
    for (kind, fmt), data in generate(peer, seed, count):
        group.append((fmt, data))
        if len(group) < len(FORMATS):
            continue
        values = [read(kind, f, d) for f, d in group]
        for v in values[1:]:
            need(same(v, values[0]), f"{kind}: formats differ", values)
        for f, _ in group:
            to, wanted = rng.choice(group)
            back.append((kind, f, to, write(kind, f, values[0], rng)))
            want.append(wanted)
        seen[kind] += 1
        group = []
    for asked, got, wanted in zip(back, convert(peer, back), want):
        need(got == wanted, f"{asked} should give {wanted.hex()}", got.hex())
    need(min(seen.values()) == count, "values of every kind", seen)
    return sum(seen.values())


def theirs_to_ours(peer, rng, count):
    """What the libraries write is read, and comes back as it was, in every pair of formats."""
    asked, values = [], []
    for kind, spec in KINDS.items():
        for _ in range(count):
            v = spec.random(rng)
            for fmt in FORMATS:
                asked.append((kind, fmt, rng.choice(FORMATS), write(kind, fmt, v, rng)))
                values.append(v)
    for (kind, fmt, to, data), got, v in zip(asked, convert(peer, asked), values):
        need(same(read(kind, to, got), v), f"{kind}, {fmt} {data.hex()} as {to}: {v!r}", got.hex())
    return len(values) // len(FORMATS)


def make_vectors(peer, path):
    lines, group, count = [], [], {}
    for (kind, fmt), data in generate(peer, 1, 20):
        group.append(data.hex())
        if len(group) == len(FORMATS):
            if sum(map(len, group)) < 3000 and count.get(kind, 0) < 3:
                lines.append(" ".join([kind, *group]))
                count[kind] = count.get(kind, 0) + 1
            group = []
    with open(path, "w", encoding="utf-8") as out:
        out.write("# One value a line: its kind, and its bytes as " + ", ".join(FORMATS) +
                  ". See interop.py.\n" + "\n".join(lines) + "\n")


def check_vectors(path):
    checked = 0
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("#"):
                continue
            kind, *digits = line.split()
            group = [(fmt, bytes.fromhex(d)) for fmt, d in zip(FORMATS, digits)]
            values = [read(kind, fmt, data) for fmt, data in group]
            for (fmt, data), v in zip(group, values):
                need(same(v, values[0]), f"{kind}: formats differ", values)
                # Python writes other digits of the same JSON number, so it is read again instead.
                if fmt == "json":
                    need(same(read(kind, fmt, write(kind, fmt, v)), v), "JSON", line)
                else:
                    need(write(kind, fmt, v) == data, f"{kind} in {fmt}", data.hex())
            checked += 1
    need(checked == 3 * len(KINDS), "vectors of every kind", checked)
    return checked


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--vectors")
    parser.add_argument("--make-vectors")
    args = parser.parse_args()
    if args.make_vectors:
        make_vectors(args.peer, args.make_vectors)
        return 0
    if args.vectors:
        print(f"{check_vectors(args.vectors)} committed values, both ways, agree")
        return 0
    seed = args.seed if args.seed is not None else random.SystemRandom().getrandbits(32)
    print(f"seed {seed}", flush=True)
    rng = random.Random(seed)
    ours = ours_to_theirs(args.peer, rng, seed, args.count)
    theirs = theirs_to_ours(args.peer, rng, args.count)
    print(f"{ours} values of ours and {theirs} of theirs, {len(KINDS)} kinds, agree in "
          f"{len(FORMATS)} formats")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Wrong as wrong:
        print(f"wrong: {wrong}")
        sys.exit(1)
