"""What tasks cost, beside the `actress` package where it is installed, and asyncio.

    PYTHONPATH=python/src python3 python/bench/bench_tasks.py [--rounds 7] [--json]

Every measurement is taken in turns, one round of each library after the other, so that all see the
same machine; the smallest of the rounds counts. Times are nanoseconds an operation.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import logging
import sys
import time
import tracemalloc
from collections.abc import Callable, Coroutine, Generator
from typing import Any

N = 20_000


def generator_cases(task: Any) -> dict[str, Callable[[], Coroutine[Any, Any, int]]]:
    """The cases for a library with the verbs of `odeon.task`; each gives its operations."""

    def nothing() -> Generator[Any, Any, int]:
        return 1
        yield

    async def fork_finish() -> int:
        def program() -> Generator[Any, Any, None]:
            for _ in range(N):
                yield from task.fork(nothing())

        await task.fork(program())
        return N

    async def fork_join() -> int:
        def program() -> Generator[Any, Any, None]:
            for _ in range(N):
                f = yield from task.fork(nothing())
                yield from task.join(f)

        await task.fork(program())
        return N

    async def suspend_resume() -> int:
        def one(other: list[Any], at: int) -> Generator[Any, Any, None]:
            other[at] = yield from task.current()
            for _ in range(N // 2):
                if other[1 - at] is not None:
                    task.resume(other[1 - at])
                yield from task.suspend()
            task.resume(other[1 - at])

        handles: list[Any] = [None, None]

        def program() -> Generator[Any, Any, None]:
            a = yield from task.fork(one(handles, 0))
            b = yield from task.fork(one(handles, 1))
            yield from task.group([a, b])

        await task.fork(program())
        return N

    async def messages() -> int:
        def speaker() -> Generator[Any, Any, None]:
            for i in range(N):
                yield i

        def program() -> Generator[Any, Any, None]:
            yield from task.join((yield from task.fork(speaker())))

        await task.fork(program())
        return N

    async def all_of_100() -> int:
        def program() -> Generator[Any, Any, None]:
            for _ in range(N // 100):
                yield from task.all_([nothing() for _ in range(100)])

        await task.fork(program())
        return N

    async def wait_value() -> int:
        def program() -> Generator[Any, Any, None]:
            for i in range(N):
                yield from task.wait(i)

        await task.fork(program())
        return N

    async def wait_future() -> int:
        loop = asyncio.get_running_loop()

        def program() -> Generator[Any, Any, None]:
            for i in range(N // 4):
                f = loop.create_future()
                f.set_result(i)
                yield from task.wait(f)

        await task.fork(program())
        return N // 4

    return {
        "fork and finish": fork_finish,
        "fork and join": fork_join,
        "suspend and resume": suspend_resume,
        "message through a join": messages,
        "all of 100": all_of_100,
        "wait for a value": wait_value,
        "wait for a future": wait_future,
    }


def asyncio_cases() -> dict[str, Callable[[], Coroutine[Any, Any, int]]]:
    """The nearest things in asyncio itself."""

    async def nothing() -> int:
        return 1

    async def fork_finish() -> int:
        tasks = [asyncio.create_task(nothing()) for _ in range(N)]
        await tasks[-1]
        return N

    async def fork_join() -> int:
        for _ in range(N):
            await asyncio.create_task(nothing())
        return N

    async def suspend_resume() -> int:
        async def one() -> None:
            for _ in range(N // 2):
                await asyncio.sleep(0)

        await asyncio.gather(one(), one())
        return N

    async def all_of_100() -> int:
        for _ in range(N // 100):
            await asyncio.gather(*[nothing() for _ in range(100)])
        return N

    return {
        "fork and finish": fork_finish,
        "fork and join": fork_join,
        "suspend and resume": suspend_resume,
        "all of 100": all_of_100,
    }


def bytes_of_a_task(task: Any) -> float:
    """Memory of a suspended task, its generator included."""
    count = 10_000

    def sleeper() -> Generator[Any, Any, None]:
        yield from task.suspend()

    async def program() -> float:
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        forks = [task.fork(sleeper()).activate() for _ in range(count)]
        used = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        for f in forks:
            task.resume(f)
        return used / count

    return asyncio.run(program())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)

    libraries: dict[str, Any] = {}
    for name in ("odeon", "actress"):
        try:
            libraries[name] = importlib.import_module(f"{name}.task")
        except ImportError:
            print(f"{name} is not installed: left out", file=sys.stderr)
    cases = {name: generator_cases(module) for name, module in libraries.items()}
    cases["asyncio"] = asyncio_cases()

    best: dict[str, dict[str, float]] = {}
    for _ in range(options.rounds):
        for case in cases["odeon"]:
            for library, functions in cases.items():
                if case not in functions:
                    continue
                gc.collect()
                started = time.perf_counter_ns()
                operations = asyncio.run(functions[case]())
                taken = (time.perf_counter_ns() - started) / operations
                row = best.setdefault(case, {})
                row[library] = min(row.get(library, taken), taken)
    row = best.setdefault("bytes of a suspended task", {})
    for library, module in libraries.items():
        row[library] = bytes_of_a_task(module)

    if options.json:
        print(json.dumps(best))
        return
    print(f"{'':26}" + "".join(f"{library:>10}" for library in cases))
    for case, figures in best.items():
        columns = [f"{figures[lib]:10.0f}" if lib in figures else " " * 10 for lib in cases]
        print(f"{case:26}" + "".join(columns))


if __name__ == "__main__":
    main()
