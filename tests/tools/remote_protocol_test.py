"""The protocol between nodes, read by a decoder that knows its document only."""

from __future__ import annotations

import hashlib
import re
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import remote_decoder as remote  # noqa: E402

PAGE = HERE.parent.parent / "docs" / "reference" / "remote-protocol.md"


def vectors() -> dict[str, bytes]:
    block = re.search(r"```text vectors\n(.*?)\n```\n", PAGE.read_text("utf-8"), re.S).group(1)
    found: dict[str, str] = {}
    name = ""
    for line in block.splitlines():
        if " = " in line:
            name, line = line.split(" = ", 1)
        found[name] = found.get(name, "") + line.replace(" ", "")
    return {name: bytes.fromhex(text) for name, text in found.items()}


def conversations() -> list[dict]:
    found: list[dict] = []
    for line in (HERE / "remote_conversations.txt").read_text("utf-8").splitlines():
        word, rest = line.split(" ", 1)
        if word == "conversation":
            found.append({"name": rest, "dialer": b"", "acceptor": b"", "secret": b"", "gets": []})
        elif word == "secret":
            found[-1]["secret"] = rest.encode()
        elif rest.startswith("gets "):
            found[-1]["gets"].append(line)
        else:
            found[-1][word] += bytes.fromhex(rest)
    return found


def line_of(m: remote.Message) -> str:
    return (f"{m.kind} to={m.to[0]}#{m.to[1]} from={m.sender[0]}#{m.sender[1]} ask={m.ask} "
            f"limit={m.limit} trace={m.trace} key={m.key} priority={m.priority} "
            f"type={m.type[0]}/{m.type[1]}/{m.type[2]} "
            f"payload={len(m.payload)}:{hashlib.sha256(m.payload).hexdigest()[:16]}")


def told(talk: remote.Conversation) -> list[str]:
    out = []
    for who, said in (("acceptor", talk.dialer), ("dialer", talk.acceptor)):
        out += [f"{who} gets {line_of(m)}" for m in said.messages]
        out += [f"{who} gets record {r.decode()}" for r in said.records]
    if talk.dialer.goodbye:
        out.append(f"acceptor gets goodbye {talk.dialer.goodbye[0]} {talk.dialer.goodbye[1]}")
    return out


class Primitives(unittest.TestCase):
    def test_crc_of_rfc_3720(self) -> None:
        self.assertEqual(remote.crc32c(bytes(32)), 0x8A9136AA)

    def test_aes_256_of_fips_197(self) -> None:
        block = remote.Aes256(bytes(range(32))).encrypt(
            bytes.fromhex("00112233445566778899aabbccddeeff"))
        self.assertEqual(block.hex(), "8ea2b7ca516745bfeafc49904b496089")

    def test_gcm_of_an_empty_text(self) -> None:
        # Test case 13 of McGrew and Viega, "The Galois/Counter Mode of Operation".
        self.assertEqual(remote.Gmac(bytes(32), bytes(12)).tag(0, b"").hex(),
                         "530f8afbc74536b9a963b4f1c4cb738b")

    def test_hkdf_of_rfc_5869(self) -> None:
        out = remote.hkdf(b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), 42)
        self.assertEqual(out.hex()[:32], "3cb25f25faacd57a90434f64d0362f2a")


class Vectors(unittest.TestCase):
    def test_the_document_explains_its_own_bytes(self) -> None:
        v = vectors()
        for how, secret in (("plain", b""), ("secret", b"a secret of the test, long enough")):
            with self.subTest(how):
                talk = remote.Conversation(
                    v[f"{how}: hello"] + v[f"{how}: confirm"] + v[f"{how}: frame"],
                    v[f"{how}: answer"] + v[f"{how}: welcome"], secret)
                self.assertEqual(talk.hellos[0].system, "shop")
                self.assertEqual(talk.hellos[1].node, "b.example:7400")
                (m,) = talk.dialer.messages
                self.assertEqual((m.kind, m.to, m.payload), ("tell", ("/user/bank", 7), b"hi"))
                self.assertEqual(m.type, ("test.message", 1, 1))


class Recorded(unittest.TestCase):
    def test_recorded_conversations_are_understood(self) -> None:
        names = []
        for c in conversations():
            with self.subTest(c["name"]):
                talk = remote.Conversation(c["dialer"], c["acceptor"], c["secret"])
                self.assertEqual(told(talk), c["gets"])
                self.assertEqual(talk.hellos[0].tags, {"zone": "north"})
                self.assertGreater(len(c["gets"]), 45)
            names.append(c["name"])
        self.assertEqual(names, ["plain", "secret"])

    def test_every_altered_byte_is_refused(self) -> None:
        for c in conversations():
            size = len(c["dialer"])
            for at in range(0, size, max(size // 60, 1)):
                said = bytearray(c["dialer"])
                said[at] ^= 0x10
                with self.subTest(c["name"], at=at), self.assertRaises(remote.Refused):
                    remote.Conversation(bytes(said), c["acceptor"], c["secret"])

    def test_another_secret_is_refused(self) -> None:
        c = conversations()[1]
        with self.assertRaises(remote.Refused):
            remote.Conversation(c["dialer"], c["acceptor"], b"another secret, long enough")


if __name__ == "__main__":
    unittest.main()
