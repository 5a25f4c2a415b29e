"""A program in which chance decides what actors, askers and stoppers do: seed, seconds."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import random
import sys
import time
from typing import Any

import odeon

ACTORS = 20
chance = random.Random(int(sys.argv[1]))
peers: list[odeon.ActorRef[Any]] = []


class Erratic(odeon.Actor[Any]):
    """Does a different thing with each message."""

    async def pre_start(self, ctx: odeon.Context) -> None:
        if chance.random() < 0.3:
            await asyncio.sleep(0)
        if chance.random() < 0.02:
            raise ValueError("no start")

    async def post_stop(self, ctx: odeon.Context) -> None:
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() * 0.002)
        if chance.random() < 0.05:
            raise ValueError("no end")

    async def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        what = chance.choice(self.DEEDS)
        return await what(self, msg, ctx)

    async def answer(self, msg: Any, ctx: odeon.Context) -> Any:
        return msg

    async def fail(self, msg: Any, ctx: odeon.Context) -> Any:
        raise ValueError("as told")

    async def cancel_itself(self, msg: Any, ctx: odeon.Context) -> Any:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        if chance.random() < 0.5:
            await asyncio.sleep(0)
        return msg

    async def give_up_waiting(self, msg: Any, ctx: odeon.Context) -> Any:
        async with asyncio.timeout(chance.random() * 0.002):
            await asyncio.sleep(chance.random() * 0.004)
        return msg

    async def group(self, msg: Any, ctx: odeon.Context) -> Any:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.sleep(chance.random() * 0.001))
            tasks.create_task(asyncio.sleep(0))
        return msg

    async def wait(self, msg: Any, ctx: odeon.Context) -> Any:
        if chance.random() < 0.05:
            gc.collect()  # in the midst of a drain
        await asyncio.sleep(chance.random() * 0.003)
        return msg

    async def thread(self, msg: Any, ctx: odeon.Context) -> Any:
        await asyncio.to_thread(int)
        return msg

    async def ask_another(self, msg: Any, ctx: odeon.Context) -> Any:
        return await chance.choice(peers).ask(msg, timeout=0.01)

    async def change(self, msg: Any, ctx: odeon.Context) -> Any:
        deed = chance.randrange(7)
        if deed == 0:
            ctx.stop()
        elif deed == 1:
            ctx.send_after(chance.random() * 0.01, 1)
        elif deed == 2:
            ctx.stash()
        elif deed == 3:
            ctx.unstash_all()
        elif deed == 4:
            ctx.become(lambda m, c: m)
        elif deed == 5:
            self.kept = ctx.reply_to()
        else:
            ctx.forward(chance.choice(peers))
        return None

    async def grow(self, msg: Any, ctx: odeon.Context) -> Any:
        ctx.watch(chance.choice(peers))
        ctx.spawn(chance.choice((Erratic, Reentrant)))
        return msg

    DEEDS = (
        *(answer, answer, answer, fail, cancel_itself, give_up_waiting, group),
        *(wait, wait, thread, ask_another, change, grow),
    )


class Reentrant(Erratic):
    reentrant = True


def new_peer(system: odeon.ActorSystem) -> odeon.ActorRef[Any]:
    directives = ("restart", "resume", "stop")
    return system.spawn(
        chance.choice((Erratic, Reentrant)),
        supervision=odeon.Supervision(
            {ValueError: chance.choice(directives)},
            otherwise=chance.choice(directives),
            max_retries=chance.choice((1, 100)),
        ),
    )


async def main(seconds: float) -> None:
    end = time.monotonic() + seconds
    asks: set[asyncio.Future[Any]] = set()

    def over(ask: asyncio.Future[Any]) -> None:
        asks.discard(ask)
        if not ask.cancelled():
            ask.exception()

    async with odeon.ActorSystem("disorder", shutdown_limit=0.5) as system:
        peers.extend(new_peer(system) for _ in range(ACTORS))
        while time.monotonic() < end:
            for n in range(50):
                i = chance.randrange(ACTORS)
                peer = peers[i]
                deed = chance.random()
                if peer.is_terminated():
                    peers[i] = new_peer(system)
                elif deed < 0.5:
                    peer.tell(n)
                elif deed < 0.9:
                    limit = chance.choice((0.001, 0.01, 1))
                    ask = asyncio.ensure_future(peer.ask(n, timeout=limit))
                    asks.add(ask)
                    ask.add_done_callback(over)
                    if chance.random() < 0.2:
                        loop = asyncio.get_running_loop()
                        loop.call_later(chance.random() * 0.003, ask.cancel)
                elif deed < 0.92:
                    system.kill(peer)
                elif deed < 0.93:
                    system.stop_actor(peer)
                elif deed < 0.94:
                    gc.collect()
            await asyncio.sleep(0 if chance.random() < 0.7 else 0.001)
        if asks:
            await asyncio.wait(list(asks), timeout=5)
        assert not asks, f"{len(asks)} asks never ended"


if __name__ == "__main__":
    faulthandler.dump_traceback_later(45, exit=True)
    logging.disable()
    asyncio.run(main(float(sys.argv[2])), debug=chance.random() < 0.3)
    print("ended")
