"""The Python workloads of tools/bench.py, for each system that has them.

The programs beside this file (`rows_<system>.py`) are what tools/bench.py runs, in turn: each
measures one workload once in a process of its own, and prints a row for each metric, as
docs/guide/benchmarks.md tells. A system that is not installed has no workloads.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from remote_workloads import (
    odeon_remote_ask, odeon_remote_tell, sockets_remote_ask, sockets_remote_tell)
from remote_workloads import ASKS as FAR_ASKS
from remote_workloads import TELLS as FAR_TELLS

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / f"build/python/package-cp{sys.version_info.major}{sys.version_info.minor}"
TELLS, ASKS, HOPS = 100_000, 20_000, 100_000  # of one run with --work 1

Values = dict[str, float]
Measure = Callable[[int, int], Awaitable[Values]]


def each(began: float, n: int) -> float:
    """Nanoseconds each, since then."""
    return (time.perf_counter() - began) / n * 1e9


def shares(n: int, size: int) -> int:
    """What each of so many pairs does."""
    return max(1, n // size)


async def open_at_once(ask: Callable[[Any], Awaitable[Any]], n: int, width: int) -> float:
    """Nanoseconds an ask, with so many open at a time."""
    rounds = max(1, n // width)
    began = time.perf_counter()
    if width == 1:
        for i in range(rounds):
            await ask(i)
    else:
        for _ in range(rounds):
            await asyncio.gather(*[ask(i) for i in range(width)])
    return each(began, rounds * width)


# -- odeon -----------------------------------------------------------------------------------------


async def odeon_tell(n: int, size: int) -> Values:
    import bench_actors
    import odeon

    values = {}
    async with odeon.ActorSystem("bench", slow_handler=0) as system:
        for name, cls in (("def", bench_actors.Count), ("async_def", bench_actors.CountAsync)):
            refs = [system.spawn(cls) for _ in range(size)]
            share = shares(n, size)
            await asyncio.gather(*[ref.ask(None) for ref in refs])
            began = time.perf_counter()
            for ref in refs:
                tell = ref.tell
                for _ in range(share):
                    tell(1)
            found = await asyncio.gather(*[ref.ask(None, timeout=60.0) for ref in refs])
            values[name] = each(began, share * size)
            assert found == [share] * size
    return values


async def odeon_ask(n: int, size: int) -> Values:
    import bench_actors
    import odeon

    async with odeon.ActorSystem("bench", slow_handler=0) as system:
        ask = system.spawn(bench_actors.Echo).ask
        await ask(0)
        return {"one": await open_at_once(ask, n, size),
                "open_100": await open_at_once(ask, n, 100 * size)}


async def odeon_pingpong(n: int, size: int) -> Values:
    import bench_actors
    import odeon

    async with odeon.ActorSystem("bench", slow_handler=0) as system:
        ends, starts = [], []
        for _ in range(size):
            a, b = system.spawn(bench_actors.Ping), system.spawn(bench_actors.Ping)
            ends.append(asyncio.get_running_loop().create_future())
            a.tell((b, ends[-1]))
            b.tell((a, ends[-1]))
            starts.append(a)
        share = shares(n, size)
        began = time.perf_counter()
        for a in starts:
            a.tell(share)
        await asyncio.gather(*ends)
        return {"hop": each(began, share * size)}


# -- asyncio's queues ------------------------------------------------------------------------------


class QueueActor:
    """What people write: a task, a queue, and a future for each question."""

    def __init__(self, handler: Callable[[QueueActor, Any], Any], waits: bool) -> None:
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.handler = handler
        self.n = 0
        self.peer: Any = None
        self.done: Any = None
        run = self.run_waiting if waits else self.run
        self.task = asyncio.get_running_loop().create_task(run())

    async def run(self) -> None:
        while True:
            msg, answer = await self.queue.get()
            value = self.handler(self, msg)
            if answer is not None:
                answer.set_result(value)

    async def run_waiting(self) -> None:
        while True:
            msg, answer = await self.queue.get()
            value = await self.handler(self, msg)
            if answer is not None:
                answer.set_result(value)

    async def ask(self, msg: Any) -> Any:
        answer = asyncio.get_running_loop().create_future()
        self.queue.put_nowait((msg, answer))
        return await answer


def count(actor: QueueActor, msg: Any) -> Any:
    if msg is None:
        return actor.n
    actor.n += 1
    return None


async def count_waiting(actor: QueueActor, msg: Any) -> Any:
    return count(actor, msg)


async def asyncio_tell(n: int, size: int) -> Values:
    values = {}
    for name, handler in (("def", count), ("async_def", count_waiting)):
        actors = [QueueActor(handler, handler is count_waiting) for _ in range(size)]
        share = shares(n, size)
        began = time.perf_counter()
        for actor in actors:
            put = actor.queue.put_nowait
            for _ in range(share):
                put((1, None))
        found = await asyncio.gather(*[actor.ask(None) for actor in actors])
        values[name] = each(began, share * size)
        assert found == [share] * size
    return values


async def asyncio_ask(n: int, size: int) -> Values:
    actor = QueueActor(lambda _, msg: msg, False)
    return {"one": await open_at_once(actor.ask, n, size),
            "open_100": await open_at_once(actor.ask, n, 100 * size)}


def pong(actor: QueueActor, msg: int) -> None:
    if msg:
        actor.peer.queue.put_nowait((msg - 1, None))
    else:
        actor.done.set_result(None)


async def asyncio_pingpong(n: int, size: int) -> Values:
    ends, starts = [], []
    for _ in range(size):
        a, b = QueueActor(pong, False), QueueActor(pong, False)
        a.peer, b.peer = b, a
        a.done = b.done = asyncio.get_running_loop().create_future()
        ends.append(a.done)
        starts.append(a)
    share = shares(n, size)
    began = time.perf_counter()
    for a in starts:
        a.queue.put_nowait((share, None))
    await asyncio.gather(*ends)
    return {"hop": each(began, share * size)}


# -- pykka and casty -------------------------------------------------------------------------------


async def pykka_tell(n: int, size: int) -> Values:
    pykka = importlib.import_module("pykka")

    class Counter(pykka.ThreadingActor):  # type: ignore[misc, name-defined]
        n = 0

        def on_receive(self, message: Any) -> Any:
            if message is None:
                return self.n
            self.n += 1
            return None

    share = shares(n // 10, size)
    refs = [Counter.start() for _ in range(size)]
    began = time.perf_counter()
    for ref in refs:
        for _ in range(share):
            ref.tell(1)
    found = [ref.ask(None) for ref in refs]
    taken = each(began, share * size)
    for ref in refs:
        ref.stop()
    assert found == [share] * size
    return {"def": taken}


async def pykka_ask(n: int, size: int) -> Values:
    pykka = importlib.import_module("pykka")

    class Echo(pykka.ThreadingActor):  # type: ignore[misc, name-defined]
        def on_receive(self, message: Any) -> Any:
            return message

    ref = Echo.start()
    values = {}
    for name, width in (("one", size), ("open_100", 100 * size)):
        rounds = max(1, n // 10 // width)
        began = time.perf_counter()
        for _ in range(rounds):
            pykka.get_all([ref.ask(i, block=False) for i in range(width)])
        values[name] = each(began, rounds * width)
    ref.stop()
    return values


async def casty_tell(n: int, size: int) -> Values:
    casty = importlib.import_module("casty")

    class Done:
        def __init__(self, reply_to: Any) -> None:
            self.reply_to = reply_to

    def counter() -> Any:
        n = [0]

        async def receive(ctx: Any, msg: Any) -> Any:
            if isinstance(msg, Done):
                msg.reply_to.tell(n[0])
            else:
                n[0] += 1
            return casty.Behaviors.same()

        return casty.Behaviors.receive(receive)

    share = shares(n // 10, size)
    async with casty.ActorSystem() as system:
        refs = [system.spawn(counter(), f"counter-{i}") for i in range(size)]
        began = time.perf_counter()
        for ref in refs:
            for _ in range(share):
                ref.tell(1)
        found = [await system.ask(ref, lambda r: Done(r), timeout=60.0) for ref in refs]
        taken = each(began, share * size)
    assert found == [share] * size
    return {"async_def": taken}


# -- the programs ----------------------------------------------------------------------------------

METRICS = {"python_tell": ("def", "async_def"), "python_ask": ("one", "open_100"),
           "python_pingpong": ("hop",), "python_remote_tell": ("message",),
           "python_remote_ask": ("one", "open_100")}
WORK = {"python_tell": TELLS, "python_ask": ASKS, "python_pingpong": HOPS,
        "python_remote_tell": FAR_TELLS, "python_remote_ask": FAR_ASKS}
SYSTEMS: dict[str, dict[str, Measure]] = {
    "odeon": {"python_tell": odeon_tell, "python_ask": odeon_ask,
              "python_pingpong": odeon_pingpong, "python_remote_tell": odeon_remote_tell,
              "python_remote_ask": odeon_remote_ask},
    "sockets": {"python_remote_tell": sockets_remote_tell,
                "python_remote_ask": sockets_remote_ask},
    "asyncio": {"python_tell": asyncio_tell, "python_ask": asyncio_ask,
                "python_pingpong": asyncio_pingpong},
    "pykka": {"python_tell": pykka_tell, "python_ask": pykka_ask},
    "casty": {"python_tell": casty_tell},
}


def version_of(system: str) -> str | None:
    """With the interpreter's; None: the system is not installed."""
    python = f"CPython {sys.version.split()[0]}"
    if system == "asyncio":
        return f"its queues and tasks, {python}"
    if system == "sockets":
        return f"blocking TCP, {python}"
    try:
        module = importlib.import_module(system)
    except ImportError:
        return None
    return f"{getattr(module, '__version__', 'the package')}, {python}"


def main(system: str) -> int:
    """One run of one workload, as tools/bench.py asks for it. 2: it has no such workload."""
    if BUILT.is_dir():
        sys.path.insert(0, str(BUILT))
    parser = argparse.ArgumentParser(description=f"The Python workloads of {system}.")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("--workload")
    parser.add_argument("--json", action="store_true", help="rows; there is no other form")
    parser.add_argument("--size", type=int, default=1)
    parser.add_argument("--work", type=float, default=1.0)
    args = parser.parse_args()
    version = version_of(system)
    workloads = SYSTEMS[system] if version is not None else {}
    if args.version:
        print(version or "not installed")
    elif args.list:
        print("\n".join(workloads))
    elif args.workload not in workloads:
        print(f"{system} has no workload {args.workload}", file=sys.stderr)
        return 2
    else:
        gc.collect()
        n = max(1000, int(WORK[args.workload] * args.work))
        measured = asyncio.run(workloads[args.workload](n, args.size))  # type: ignore[arg-type]
        for metric in METRICS[args.workload]:
            print(json.dumps({
                "workload": args.workload, "metric": metric, "unit": "ns", "better": "lower",
                "system": system, "value": measured.get(metric), "size": args.size}))
    return 0
