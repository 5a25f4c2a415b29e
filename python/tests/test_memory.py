"""Memory of many actors, and of a program that runs for long: each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

HEAD = """
import asyncio, gc, sys, tracemalloc
import odeon

def resident():
    gc.collect()
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096
"""


def figures(text: str, limit: float = 170.0) -> list[float]:
    """The numbers that the program prints."""
    done = subprocess.run([sys.executable, "-c", HEAD + textwrap.dedent(text)],
                          capture_output=True, text=True, timeout=limit)
    assert done.returncode == 0, done.stderr
    return [float(each) for each in done.stdout.split()]


@pytest.mark.parametrize("handler", ["def", "async def"])
def test_a_hundred_thousand_actors_fit_and_are_given_back(handler: str) -> None:
    """Each with its instance and its reference; after one message each as well."""
    idle, used, again = figures(f"""
        N = 100_000
        class Plain(odeon.Actor):
            {handler} receive(self, msg, ctx):
                return msg
        async def life(system):
            before = resident()
            refs = [system.spawn(Plain) for _ in range(N)]
            idle = (resident() - before) / N
            for ref in refs:
                ref.tell(1)
            assert await refs[-1].ask(2, timeout=30) == 2
            used = (resident() - before) / N
            for ref in refs:
                system.stop_actor(ref)
            while not all(ref.is_terminated() for ref in refs):
                await asyncio.sleep(0.01)
            return idle, used, before
        async def main():
            async with odeon.ActorSystem("many", slow_handler=0) as system:
                idle, used, _ = await life(system)
                first = resident()
                await life(system)
                print(idle, used, (resident() - first) / N)
        asyncio.run(main())
    """)
    assert idle < 500, f"{idle:.0f} bytes an idle actor"
    assert used < 900, f"{used:.0f} bytes an actor that has handled a message"
    assert again < 40, f"{again:.0f} bytes an actor stay after it has ended"


@pytest.mark.once
@pytest.mark.limit(300)
def test_a_long_loop_of_everything_keeps_all_memory_flat() -> None:
    """What Python counts, what the process has, and the references of one message and one class."""
    traced, process, message, classes, messages = figures("""
        import logging
        logging.disable()
        class Message: pass
        class Child(odeon.Actor):
            async def receive(self, msg, ctx):
                await asyncio.sleep(0)
                return msg
        class Busy(odeon.Actor):
            def __init__(self):
                self.n = 0
            def receive(self, msg, ctx):
                self.n += 1
                if msg == "fail":
                    raise ValueError("expected")
                if msg == "child":
                    ctx.watch(ctx.spawn(Child))
                    ctx.send_after(0.001, "timer").cancel()
                    ctx.send_after(0.0, "timer")
                if msg == "aside":
                    ctx.stash()
                    ctx.unstash_all()
                    ctx.become(lambda m, c: c.unbecome())
                if isinstance(msg, odeon.Terminated):
                    return None
                return msg
        held = Message()
        count = 0
        async def round(system):
            global count
            one = system.spawn(Busy, supervision=odeon.Supervision(max_retries=10**6))
            for _ in range(2000):
                one.tell(held)
            for what in ("child", "fail", "aside", "child") * 20:
                one.tell(what)
            for _ in range(20):
                asks = [one.ask(held) for _ in range(20)]
                asks[3].cancel()
                await asyncio.gather(*asks, return_exceptions=True)
            try:
                await one.ask(held, timeout=1e-9)
            except odeon.AskTimeout:
                pass
            system.stop_actor(one)
            while not one.is_terminated():
                await asyncio.sleep(0)
            count += 2500
        async def main():
            async with odeon.ActorSystem("long", slow_handler=0) as system:
                for _ in range(20):
                    await round(system)
                tracemalloc.start()
                await round(system)
                gc.collect()
                before = (tracemalloc.get_traced_memory()[0], resident(), sys.getrefcount(held),
                          sys.getrefcount(Message))
                for _ in range(100):
                    await round(system)
                await asyncio.sleep(0.05)
                gc.collect()
                after = (tracemalloc.get_traced_memory()[0], resident(), sys.getrefcount(held),
                         sys.getrefcount(Message))
                print(*(b - a for a, b in zip(before, after)), count)
        asyncio.run(main())
    """, limit=280.0)
    assert messages > 250_000
    assert (message, classes) == (0, 0)
    assert traced < 100_000, f"{traced:.0f} bytes more in Python's count"
    assert process < 4 << 20, f"{process:.0f} bytes more in the process"
