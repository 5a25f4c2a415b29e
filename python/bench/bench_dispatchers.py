"""The parallel dispatchers: work of the CPU on one and on two, and the cost of a message.

    python3 python/bench/bench_dispatchers.py [--seconds 1.0] [--rounds 5] [--json]

For each dispatcher that this Python has, rounds alternate between one and two of its interpreters
or processes; the ratio of their medians is the gain of the second. Two quiet CPUs are needed for it
to say anything. The functions stand in this file's module `burners`, which workers import.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import burners

import odeon
from odeon import dispatchers, interpreters


def burn_rate(system: odeon.ActorSystem, actors: list[Any], seconds: float) -> float:
    """Handled messages a second, each some 2 ms of pure Python, with all actors at work."""
    handled = 0
    until = time.perf_counter() + seconds
    began = time.perf_counter()
    pending = [(a, a.ask(burners.WORK, timeout=30)) for a in actors]
    while time.perf_counter() < until:
        actor, ask = pending.pop(0)
        ask.wait()
        handled += 1
        pending.append((actor, actor.ask(burners.WORK, timeout=30)))
    for _, ask in pending:
        ask.wait()
        handled += 1
    return handled / (time.perf_counter() - began)


def speedup(option: Any, seconds: float, rounds: int) -> tuple[float, float]:
    """Messages a second on one and on two."""
    with odeon.ActorSystem.start("bench", dispatchers={"pool": option}) as system:
        actors = [system.spawn(burners.Burner, dispatcher="pool") for _ in range(2)]
        for actor in actors:
            actor.ask_blocking(1, timeout=30)
        one, two = [], []
        for _ in range(rounds):
            one.append(burn_rate(system, actors[:1] * 2, seconds))
            two.append(burn_rate(system, actors * 2, seconds))
        return statistics.median(one), statistics.median(two)


def message_cost(option: Any, n: int) -> tuple[float, float, float]:
    """Nanoseconds of a tell at the sender, of one with its handling, and of a blocking ask."""
    with odeon.ActorSystem.start("bench", dispatchers={"pool": option}) as system:
        actor = system.spawn(burners.Burner, dispatcher="pool")
        actor.ask_blocking(1, timeout=30)
        told = handled = asked = float("inf")
        for _ in range(2):
            began = time.perf_counter()
            for _ in range(n):
                actor.tell(0)
            told = min(told, (time.perf_counter() - began) / n)
            actor.ask_blocking(0, timeout=60)
            handled = min(handled, (time.perf_counter() - began) / n)
            began = time.perf_counter()
            for _ in range(n // 10):
                actor.ask_blocking(0, timeout=30)
            asked = min(asked, (time.perf_counter() - began) / (n // 10))
        return told * 1e9, handled * 1e9, asked * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")
    args = parser.parse_args()
    options: dict[str, Any] = {}
    if interpreters.subinterpreters_supported():
        options["subinterpreters"] = dispatchers.subinterpreters(2)
    else:
        print("subinterpreters:", interpreters.why_no_subinterpreters(), file=sys.stderr)
    if interpreters.nogil_supported():
        options["nogil"] = dispatchers.nogil(2)
    else:
        print("nogil:", interpreters.why_no_nogil(), file=sys.stderr)
    options["subprocess"] = dispatchers.subprocess(2)
    found: dict[str, dict[str, float]] = {name: {} for name in options}
    for name, option in options.items():
        one, two = speedup(option, args.seconds, args.rounds)
        found[name] = {"one_per_second": one, "two_per_second": two, "gain": two / one}
    for _ in range(args.rounds):  # in turn, so that a slow minute hits all of them
        for name, option in options.items():
            costs = message_cost(option, args.messages)
            for what, cost in zip(("tell", "handled", "ask"), costs, strict=True):
                found[name][what] = min(cost, found[name].get(what, cost))
    if args.json:
        print(json.dumps(found))
        return
    for name, row in found.items():
        one, two = row["one_per_second"], row["two_per_second"]
        print(f"{name}: {one:.0f}/s on one, {two:.0f}/s on two: {row['gain']:.2f} times")
        print(f"{name}: tell {row['tell']:.0f} ns, handled {row['handled']:.0f} ns, "
              f"ask {row['ask']:.0f} ns")


if __name__ == "__main__":
    main()
