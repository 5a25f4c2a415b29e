"""Odeon beside asyncio queues, pykka and casty: one alternating run, figures and ratios.

    python python/bench/bench_actors.py [--rounds 5] [--scale 1.0] [--json FILE]

Peers that are not installed are left out, and named. Every figure is the best of its rounds: on a
machine with others on it, the least disturbed round tells most. The last column of the table is
what design asks for, in nanoseconds; it was set on a quiet machine, so the ratios and the floor
(what an empty Python call costs here and now) are what to look at.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import odeon

Figures = dict[str, float]


def per(seconds: float, n: int) -> float:
    """Nanoseconds each."""
    return seconds / n * 1e9


# -- the floor ------------------------------------------------------------------------------------


class Plain:
    def __init__(self) -> None:
        self.n = 0

    def receive(self, msg: Any, ctx: Any) -> None:
        self.n += 1

    async def receive_async(self, msg: Any, ctx: Any) -> None:
        self.n += 1


async def floor(n: int) -> Figures:
    plain = Plain()
    call = plain.receive
    began = time.perf_counter()
    for _ in range(n):
        call(1, None)
    calls = time.perf_counter() - began
    wait = plain.receive_async
    began = time.perf_counter()
    for _ in range(n):
        await wait(1, None)
    return {"call": per(calls, n), "await": per(time.perf_counter() - began, n)}


# -- odeon ----------------------------------------------------------------------------------------


class Count(odeon.Actor[Any]):
    def __init__(self) -> None:
        self.n = 0

    def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        if msg is None:
            return self.n
        self.n += 1
        return None


class CountAsync(odeon.Actor[Any]):
    def __init__(self) -> None:
        self.n = 0

    async def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        if msg is None:
            return self.n
        self.n += 1
        return None


class Echo(odeon.Actor[Any]):
    def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        return msg


class Ping(odeon.Actor[Any]):
    def __init__(self) -> None:
        self.peer: Any = None
        self.done: Any = None

    def receive(self, msg: Any, ctx: odeon.Context) -> None:
        if type(msg) is int:
            if msg:
                self.peer.tell(msg - 1)
            else:
                self.done.set_result(None)
        else:
            self.peer, self.done = msg


async def odeon_actors(n: int) -> Figures:
    out: Figures = {}
    async with odeon.ActorSystem("bench", slow_handler=0) as system:
        for key, cls in (("tell_def", Count), ("tell_async", CountAsync)):
            ref = system.spawn(cls)
            tell = ref.tell
            await ref.ask(None)
            began = time.perf_counter()
            for _ in range(n):
                tell(1)
            assert await ref.ask(None) == n
            out[key] = per(time.perf_counter() - began, n)
        echo = system.spawn(Echo)
        asks = n // 5
        began = time.perf_counter()
        for i in range(asks):
            await echo.ask(i)
        out["ask"] = per(time.perf_counter() - began, asks)
        began = time.perf_counter()
        for _ in range(asks // 100):
            await asyncio.gather(*[echo.ask(i) for i in range(100)])
        out["ask_100"] = per(time.perf_counter() - began, asks // 100 * 100)
        a, b = system.spawn(Ping), system.spawn(Ping)
        done = asyncio.get_running_loop().create_future()
        a.tell((b, done))
        b.tell((a, done))
        began = time.perf_counter()
        a.tell(n)
        await done
        out["ping_pong"] = per(time.perf_counter() - began, n)
        many = n // 2
        gc.collect()
        before = resident()
        began = time.perf_counter()
        refs = [system.spawn(Echo) for _ in range(many)]
        out["spawn"] = per(time.perf_counter() - began, many)
        out["idle_bytes"] = (resident() - before) / many
        del refs
    return out


def resident() -> int:
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096


# -- asyncio queues -------------------------------------------------------------------------------


class QueueActor:
    """What people write: a task, a queue, and a future for each question."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.n = 0
        self.task = asyncio.get_running_loop().create_task(self.run())

    async def run(self) -> None:
        while True:
            msg, answer = await self.queue.get()
            if answer is None:
                self.n += 1
            else:
                answer.set_result(self.n if msg is None else msg)

    async def ask(self, msg: Any) -> Any:
        answer = asyncio.get_running_loop().create_future()
        self.queue.put_nowait((msg, answer))
        return await answer


async def asyncio_queues(n: int) -> Figures:
    out: Figures = {}
    actor = QueueActor()
    put = actor.queue.put_nowait
    began = time.perf_counter()
    for _ in range(n):
        put((1, None))
    assert await actor.ask(None) == n
    out["tell_async"] = per(time.perf_counter() - began, n)
    asks = n // 5
    began = time.perf_counter()
    for i in range(asks):
        await actor.ask(i)
    out["ask"] = per(time.perf_counter() - began, asks)
    began = time.perf_counter()
    for _ in range(asks // 100):
        await asyncio.gather(*[actor.ask(i) for i in range(100)])
    out["ask_100"] = per(time.perf_counter() - began, asks // 100 * 100)
    actor.task.cancel()
    many = n // 20
    began = time.perf_counter()
    actors = [QueueActor() for _ in range(many)]
    out["spawn"] = per(time.perf_counter() - began, many)
    await asyncio.sleep(0)
    for actor in actors:
        actor.task.cancel()
    await asyncio.sleep(0)
    return out


# -- pykka ----------------------------------------------------------------------------------------


async def pykka_actors(n: int) -> Figures:
    import pykka

    class CountPykka(pykka.ThreadingActor):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.n = 0

        def on_receive(self, message: Any) -> Any:
            if message is None:
                return self.n
            self.n += 1
            return None

    out: Figures = {}
    tells = n // 10
    ref = CountPykka.start()
    try:
        began = time.perf_counter()
        for _ in range(tells):
            ref.tell(1)
        assert ref.ask(None) == tells
        out["tell_def"] = per(time.perf_counter() - began, tells)
        asks = n // 50
        began = time.perf_counter()
        for _ in range(asks):
            ref.ask(None)
        out["ask"] = per(time.perf_counter() - began, asks)
    finally:
        ref.stop()
    many = n // 500
    began = time.perf_counter()
    refs = [CountPykka.start() for _ in range(many)]
    out["spawn"] = per(time.perf_counter() - began, many)
    for ref in refs:
        ref.stop()
    return out


# -- casty ----------------------------------------------------------------------------------------


async def casty_actors(n: int) -> Figures:
    from casty import ActorSystem, Behaviors

    class Done:
        def __init__(self, reply_to: Any) -> None:
            self.reply_to = reply_to

    def counter(state: list[int]) -> Any:
        async def receive(ctx: Any, msg: Any) -> Any:
            if isinstance(msg, Done):
                msg.reply_to.tell(state[0])
            else:
                state[0] += 1
            return Behaviors.same()

        return Behaviors.receive(receive)

    out: Figures = {}
    tells = n // 10
    async with ActorSystem() as system:
        ref = system.spawn(counter([0]), "counter")
        began = time.perf_counter()
        for _ in range(tells):
            ref.tell(1)
        assert await system.ask(ref, lambda r: Done(r), timeout=60.0) == tells
        out["tell_async"] = per(time.perf_counter() - began, tells)
        asks = n // 50
        began = time.perf_counter()
        for _ in range(asks):
            await system.ask(ref, lambda r: Done(r), timeout=60.0)
        out["ask"] = per(time.perf_counter() - began, asks)
    return out


# -- the table ------------------------------------------------------------------------------------

WANTED = {
    "tell_def": 100.0,
    "tell_async": 150.0,
    "ask": 1400.0,
    "ask_100": 1200.0,
    "ping_pong": 200.0,
    "spawn": 1000.0,
    "idle_bytes": 350.0,
}
TEXT = {
    "call": "a plain call",
    "await": "a plain await",
    "tell_def": "tell + handle, def",
    "tell_async": "tell + handle, async def",
    "ask": "ask, one after another",
    "ask_100": "ask, 100 at once, each",
    "ping_pong": "ping-pong, a hop",
    "spawn": "spawn",
    "idle_bytes": "an idle actor, bytes",
}
Runner = Callable[[int], Awaitable[Figures]]
RUNNERS: dict[str, Runner] = {
    "floor": floor,
    "odeon": odeon_actors,
    "asyncio": asyncio_queues,
    "pykka": pykka_actors,
    "casty": casty_actors,
}


def measure(rounds: int, n: int) -> dict[str, Figures]:
    """The best of each figure; the runners take turns, so that a slow minute hits all of them."""
    best: dict[str, Figures] = {}
    absent = {p for p in ("pykka", "casty") if importlib.util.find_spec(p) is None}
    for name in sorted(absent):
        print(f"{name} is not installed: left out", file=sys.stderr)
    for _ in range(rounds):
        for name, run in RUNNERS.items():
            if name in absent:
                continue
            gc.collect()
            try:
                figures = asyncio.run(run(n))  # type: ignore[arg-type]
            except Exception as e:
                print(f"{name} failed, and is left out: {e!r}", file=sys.stderr)
                absent.add(name)
                continue
            kept = best.setdefault(name, {})
            for key, value in figures.items():
                # Memory is taken from the system once, and found again by the rounds after it.
                pick = max if key == "idle_bytes" else min
                kept[key] = pick(value, kept.get(key, value))
    return best


def table(best: dict[str, Figures]) -> str:
    names = [name for name in RUNNERS if name in best]
    lines = [
        f"{'nanoseconds each':28}" + "".join(f"{name:>18}" for name in names) + f"{'wanted':>9}"
    ]
    for key, text in TEXT.items():
        row = f"{text:28}"
        own = best.get("odeon", {}).get(key)
        for name in names:
            value = best[name].get(key)
            if value is None:
                row += f"{'':>18}"
            elif own and name not in ("odeon", "floor"):
                row += f"{value:>9.0f} ({value / own:5.1f} x)"
            else:
                row += f"{value:>18.0f}"
        row += f"{WANTED[key]:>9.0f}" if key in WANTED else ""
        lines.append(row.rstrip())
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="1.0: 100,000 messages a round")
    parser.add_argument("--json", help="write the figures there as well")
    options = parser.parse_args()
    best = measure(options.rounds, max(1000, int(100_000 * options.scale)))
    print(f"CPython {sys.version.split()[0]}")
    print(table(best))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump(best, f, indent=1)


if __name__ == "__main__":
    main()
