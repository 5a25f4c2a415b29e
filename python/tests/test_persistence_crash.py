"""A process is killed while it writes: what it had acknowledged is there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from odeon.persistence import Journal

ROUNDS = 20

_WRITER = """
import asyncio, sys
from dataclasses import dataclass
from typing import Any
import odeon
from odeon import persistence as p


@dataclass
class Deposited:
    __manifest__ = "test.crash.deposited"
    number: int


class Account(p.EventSourced[int, Deposited, list[int]]):
    snapshot_every = 40

    def __init__(self, name):
        self.persistence_id = name

    def initial_state(self):
        return []

    def on_command(self, state, cmd, ctx):
        if cmd < 0:
            return len(state)
        return p.persist(Deposited(cmd)).reply(cmd)

    def on_event(self, state, event):
        assert event.number == len(state), (event.number, len(state))
        state.append(event.number)


class Counter(p.DurableState):
    persistence_id = "counter"
    write_through = True

    def __init__(self):
        self.value = 0

    def receive(self, msg, ctx):
        if msg == "get":
            return self.value
        self.value = msg
        return msg


async def writer(ref, name, at):
    while True:
        await ref.ask(at, timeout=60)
        sys.stdout.write(f"{name} {at}\\n")
        sys.stdout.flush()
        at += 1


async def main(path):
    async with odeon.ActorSystem("crash", journal=p.Journal.sqlite(path)) as system:
        accounts = [system.spawn(Account, f"account/{i}") for i in range(3)]
        starts = [await a.ask(-1, timeout=60) for a in accounts]
        counter = system.spawn(Counter)
        value = await counter.ask("get", timeout=60)
        for i, at in enumerate(starts):
            print("has", f"account/{i}", at)
        print("has", "counter", value)
        print("ready", flush=True)
        await asyncio.gather(
            *(writer(a, f"account/{i}", at) for i, (a, at) in enumerate(zip(accounts, starts))),
            writer(counter, "counter", value + 1))

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.limit(600)
def test_every_acknowledged_event_is_there_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "crash.db"
    script = tmp_path / "writer.py"
    script.write_text(_WRITER, "utf-8")
    chance = random.Random(20260731)
    acknowledged: dict[str, int] = {}  # the last one of each id, or one that was found later
    total = 0
    for _ in range(ROUNDS):
        process = subprocess.Popen(
            [sys.executable, str(script), str(path)], stdout=subprocess.PIPE, text=True,
            env=dict(os.environ))
        assert process.stdout is not None
        wanted = chance.randrange(1, 120)
        for line in process.stdout:
            name, *rest = line.split()
            if name == "has":
                which, there = rest[0], int(rest[1])
                newest = there if which == "counter" else there - 1
                last = acknowledged.get(which, newest)
                # One that was being acknowledged may be there as well, and from now on it stays:
                # a round may be over before another one of this id is acknowledged.
                if not last <= newest <= last + 1:
                    process.kill()
                    process.wait()
                    pytest.fail(f"{which}: {last} was acknowledged, {newest} is there")
                acknowledged[which] = newest
            elif name != "ready":
                acknowledged[name] = int(rest[0])
                total += 1
                wanted -= 1
                if wanted == 0:
                    process.send_signal(signal.SIGKILL)
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
    assert total > ROUNDS
    with Journal.sqlite(path) as journal:
        for name, last in acknowledged.items():
            if name != "counter":
                events = journal.read_events(name, 1, last + 1, 100_000).wait()
                assert [event.sequence for event in events] == [*range(1, last + 2)]
