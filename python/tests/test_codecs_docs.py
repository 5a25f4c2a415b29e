"""The guide's page on codecs: its code runs, and its tables are those of the codec."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import worker_actors

from odeon import codecs

PAGE = Path(__file__).resolve().parents[2] / "docs/guide/python-codecs.md"
TEXT = PAGE.read_text("utf-8")


def run(code: str, scope: dict[str, Any]) -> None:
    exec(compile(code, str(PAGE), "exec", dont_inherit=True), scope)


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S)


def test_the_first_example_gives_what_it_says() -> None:
    scope: dict[str, Any] = {"__name__": "guide_page"}
    code = blocks()[0]
    run(code, scope)
    for line in code.splitlines():
        expression, _, said = line.partition("  # ")
        if said:
            got = eval(expression, scope)
            shown = repr(got) if not isinstance(got, tuple) else repr(got)[1:-1].replace("'", '"')
            assert shown == said.strip()


def test_the_example_of_registering_runs_and_reads_the_older_version() -> None:
    scope: dict[str, Any] = {"__name__": "guide_page", "codecs": codecs.Codec(codecs.default)}
    run("from dataclasses import dataclass\n"
        "def from_cents(old):\n    return {'amount': old['cents'] / 100}\n" + blocks()[1], scope)
    codec = scope["codecs"]
    old = codecs.Encoded("shop.price", 1, b"\x81\xa5cents\xcc\xfa")
    assert codec.decode(old) == scope["Price"](2.5, "EUR")
    assert codec.encode(scope["Price"](1.0)).version == 2
    assert codec.decode(codecs.Encoded("price", 2, b"\x81\xa6amount\x01")).amount == 1.0


def test_the_example_of_a_pool_runs() -> None:
    code = next(one for one in blocks() if "WorkerPool(2" in one)
    code = code.replace("Pricing", "Counter").replace('("EUR",)', "(5,)")
    code = code.replace('Update("bolt", 3)', "Add(3)").replace('Get("bolt")', "Get()")
    scope: dict[str, Any] = dict(vars(worker_actors))
    run(code, scope)
    assert scope["price"] == 8


def test_the_numbers_of_extensions_are_those_that_are_written() -> None:
    rows = dict(re.findall(r"^\| ([\d, ]+) \| (.*?) \|", TEXT, re.M))
    assert set(rows) == {"1", "2, 3, 4", "5", "6", "7", "8", "9"}
    codec = codecs.Codec()
    codec.set_reference_type(Path, str, Path)
    values = [2**70, (), set(), frozenset(), worker_actors.Get(), Path("x"), bytearray(b"b"),
              ValueError()]
    numbers = [codec.encode([one], 0).payload for one in values]
    # A list of one, an extension with a length of a byte, its number.
    assert [payload[3] for payload in numbers] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert all(payload[:2] == b"\x91\xc7" for payload in numbers)
    assert codec.encode([worker_actors.Plain(1)], codecs.ALLOW_PICKLE).payload[3] == 9
