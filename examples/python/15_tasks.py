"""Tasks that speak: workers beside each other, their messages, and one that is told to stop."""

from __future__ import annotations

from typing import Any

from odeon import task
from odeon.task import Effect, Fork, Task


def worker(name: str, delay_ms: float) -> Task[str, Exception, str]:
    """Gives its name, and says on the way what it does."""
    yield from task.sleep(delay_ms)
    yield from task.send(f"done:{name}")
    return name


def metronome() -> Effect[str]:
    """Never ends by itself; it is told to, and cleans up."""
    tick = 0
    try:
        while True:
            yield from task.sleep(20)
            tick += 1
            yield from task.send(f"tick {tick}")
    except InterruptedError:
        yield from task.sleep(1)  # an abort leaves time for that
        yield from task.send("the metronome stops")


def stop_later(fork: Fork[None, Any, str]) -> Task[None]:
    yield from task.sleep(30)
    yield from task.abort(fork, InterruptedError("enough"))


def both() -> Task[list[str], Exception, str]:
    ticks = task.fork(metronome())
    # Results come in this order, whoever is first; messages as they are sent.
    names = yield from task.all_([worker("slow", 40), worker("quick", 4)])
    yield from task.spawn(stop_later(ticks))
    yield from task.join(ticks)  # starts it, and takes its messages
    return names


def half() -> Task[str]:
    yield from task.sleep(0)
    return "half done"


def main() -> None:
    names = task.run(both(), print)
    print(f"{names[0]} and {names[1]}")

    # The same under names, for who listens to several.
    sources = {"ticks": task.none_(), "work": task.effect(half())}
    task.run(task.listen(sources), lambda m: print(f"{m['type']}: {m[m['type']]}"))


if __name__ == "__main__":
    main()
