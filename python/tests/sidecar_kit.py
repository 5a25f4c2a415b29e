"""What the tests of `odeon.sidecar` share: a bank, and the bytes that apps speak."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import odeon
import pytest
from odeon import _native
from remote_kit import LIMIT

if not hasattr(_native, "Sidecar"):
    pytest.skip("this package is without the sidecar", allow_module_level=True)

from odeon.sidecar import ActorDef, Call, Sidecar, Value

TEXT = "type.googleapis.com/google.protobuf.StringValue"


@dataclass
class Money:
    __manifest__ = "test_sidecar.money"
    cents: int = 0


def deposit(call: Call) -> Value:
    now = Money((call.state.cents if call.state else 0) + call.value.cents)
    if now.cents < 0:
        raise ValueError("an account is never below zero")
    return Value().state(now).reply(now)


def count(call: Call) -> Value:
    return Value().state((call.state or 0) + (1 if call.value is None else call.value))


@asynccontextmanager
async def a_bank(*actors: ActorDef, **options: Any) -> AsyncIterator[Sidecar]:
    options.setdefault("request_time", LIMIT)
    async with odeon.ActorSystem("bank") as system, Sidecar(system, **options) as side:
        if actors:
            side.register(*actors)
        yield side


async def state(side: Sidecar, name: str) -> Any:
    found = await side.state_of(name)
    return None if found is None else found.state


def number(n: int) -> bytes:
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(key: int, value: int | str | bytes) -> bytes:
    """One field of protobuf."""
    if isinstance(value, int):
        return number(key << 3) + number(value)
    data = value.encode() if isinstance(value, str) else value
    return number(key << 3 | 2) + number(len(data)) + data


def fields(data: bytes) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    at = 0

    def read() -> int:
        nonlocal at
        n = shift = 0
        while True:
            n |= (data[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 128:
                return n

    while at < len(data):
        key = read()
        value: Any = read()
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        found.setdefault(key >> 3, []).append(value)
    return found


class Text:
    """What a message of protobuf has that is looked at."""

    class DESCRIPTOR:
        full_name = "google.protobuf.StringValue"

    def __init__(self, value: str = "") -> None:
        self.value = value

    def SerializeToString(self) -> bytes:
        return field(1, self.value)

    def ParseFromString(self, data: bytes) -> None:
        self.value = fields(data)[1][0].decode()
