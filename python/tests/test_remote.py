"""`odeon.remote`: actors of other nodes, in this process and in another."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import odeon
import pytest
import remote_nodes as nodes
from odeon import errors, remote
from remote_kit import a_process, looped
from remote_nodes import SECRET, Add, Counter, Fail, Introduce, Sleep, Total, Unknown, WhoSent


@asynccontextmanager
async def two_nodes(**options: Any) -> AsyncIterator[tuple[Any, Any, Any, Any]]:
    """(here, net of here, there, net of there), joined by loopback."""
    async with odeon.ActorSystem("here") as here, odeon.ActorSystem("there") as there:
        async with (
            remote.Endpoint(there, listen="tcp://127.0.0.1:0", secret=SECRET) as far,
            remote.Endpoint(here, listen="tcp://127.0.0.1:0", secret=SECRET, **options) as near,
        ):
            there.spawn(Counter, name="counter")
            yield here, near, there, far


@looped
async def test_a_far_actor_is_told_and_asked() -> None:
    async with two_nodes() as (_, near, _, far):
        counter = await near.resolve(f"odeon://there@{far.node}/user/counter")
        assert counter.path.startswith(f"odeon://there@{far.node}/user/counter#")
        for n in range(100):
            counter.tell(Add(n))
        assert await counter.ask(Total(), timeout=5.0) == sum(range(100))
        replies = await asyncio.gather(*(counter.ask(Total(), timeout=5.0) for _ in range(200)))
        assert replies == [4950] * 200


@looped
async def test_lookup_gives_an_equal_reference() -> None:
    async with two_nodes() as (_, near, there, far):
        counter = await near.lookup(far.node, "counter")
        assert counter == await near.resolve(f"odeon://there@{far.node}/user/counter")
        assert near.address_of(counter) == far.address_of(there.lookup("counter"))


@looped
async def test_what_is_not_there_is_said() -> None:
    async with two_nodes() as (_, near, _, far):
        with pytest.raises(errors.NoSuchActor, match="nobody"):
            await near.lookup(far.node, "nobody")
        with pytest.raises(errors.Unreachable, match="127.0.0.1:1"):
            await near.lookup("127.0.0.1:1", "counter", timeout=5.0)
        with pytest.raises(ValueError, match="address|encoded|odeon"):
            await near.resolve("no address at all")


@looped
async def test_the_failure_of_a_far_handler_comes_back() -> None:
    async with two_nodes() as (_, near, there, far):
        counter = await near.lookup(far.node, "counter")
        with pytest.raises(errors.ActorFailed, match="out of paper"):
            await counter.ask(Fail("out of paper"), timeout=5.0)
        with pytest.raises(errors.NoReply):
            await counter.ask(Add(1), timeout=5.0)
        with pytest.raises(errors.AskTimeout):
            await counter.ask(Sleep(), timeout=0.1)
        there.kill(there.lookup("counter"))


@looped
async def test_what_cannot_be_encoded_is_raised_where_it_is_sent() -> None:
    async with two_nodes() as (_, near, _, far):
        counter = await near.lookup(far.node, "counter")
        with pytest.raises(errors.EncodingError):
            counter.tell(object())
        with pytest.raises(errors.EncodingError):
            counter.tell(lambda: None)  # no pickle for another node
        assert await counter.ask(Total(), timeout=5.0) == 0


@looped
async def test_references_travel_both_ways() -> None:
    async with two_nodes() as (here, near, _, far):
        counter = await near.lookup(far.node, "counter")
        friend = here.spawn(Counter, 42, name="friend")
        assert await counter.ask(Introduce(friend), timeout=5.0) == 42
        other = here.spawn(Counter, 7)  # without a name
        assert await counter.ask(Introduce(other), timeout=5.0) == 7


@looped
async def test_the_sender_is_known_on_the_other_side() -> None:
    class Asker(odeon.Actor[Any]):
        async def receive(self, msg: Any, ctx: odeon.Context) -> Any:
            return await msg.ask(WhoSent(), timeout=5.0)

    async with two_nodes() as (here, near, _, far):
        counter = await near.lookup(far.node, "counter")
        asker = here.spawn(Asker, name="asker")
        assert near.node in await asker.ask(counter, timeout=5.0)


@looped
async def test_watchers_hear_of_the_end_of_a_far_actor() -> None:
    class Watcher(odeon.Actor[Any]):
        def __init__(self, told: asyncio.Queue[Any]) -> None:
            self.told = told

        async def receive(self, msg: Any, ctx: odeon.Context) -> None:
            if isinstance(msg, odeon.Terminated):
                self.told.put_nowait((msg.ref, msg.kind))
            else:
                ctx.watch(msg)

    async with two_nodes() as (here, near, _, far):
        told: asyncio.Queue[Any] = asyncio.Queue()
        counter = await near.lookup(far.node, "counter")
        watcher = here.spawn(Watcher, told)
        watcher.tell(counter)
        await counter.ask(Total(), timeout=5.0)
        counter.tell(nodes.Stop())
        assert await asyncio.wait_for(told.get(), 5.0) == (counter, "stopped")
        watcher.tell(counter)  # dead already
        assert (await asyncio.wait_for(told.get(), 5.0))[0] == counter


@looped
async def test_actors_of_registered_types_are_made_elsewhere() -> None:
    async with two_nodes() as (_, near, _, far):
        with pytest.raises(errors.NotFound, match="counter"):
            await near.spawn_at(far.node, "counter", timeout=30.0)
        far.register("counter", Counter)
        made = await near.spawn_at(far.node, "counter", 7, name="made", timeout=5.0)
        assert await made.ask(Total(), timeout=5.0) == 7
        assert "/user/" in made.path
        with pytest.raises(errors.NotFound, match="os.system"):
            await near.spawn_at(far.node, "os.system", "true", timeout=5.0)
        with pytest.raises(ValueError, match="registered already"):
            far.register("counter", Counter)


@looped
async def test_a_wrong_secret_is_told_and_nothing_gets_through() -> None:
    async with odeon.ActorSystem("here") as here, odeon.ActorSystem("there") as there:
        async with remote.Endpoint(there, listen="tcp://127.0.0.1:0", secret=SECRET) as far:
            there.spawn(Counter, name="counter")
            async with remote.Endpoint(here, secret="another secret, long enough") as near:
                with pytest.raises(errors.AuthenticationFailed, match=far.node):
                    await near.lookup(far.node, "counter", timeout=5.0)


@looped
async def test_a_program_that_is_killed_is_unreachable() -> None:
    with a_process() as (process, node):
        async with odeon.ActorSystem("here") as here, remote.Endpoint(here, secret=SECRET) as net:
            counter = await net.lookup(node, "counter")
            counter.tell(Add(2))
            assert await counter.ask(Total(), timeout=5.0) == 2
            assert [p.system for p in net.peers()] == ["program"]
            hanging = asyncio.ensure_future(counter.ask(Sleep(), timeout=30.0))
            await asyncio.sleep(0)  # it is on its way
            process.kill()
            with pytest.raises(errors.Unreachable, match=node):
                await hanging


@looped
async def test_a_class_that_is_not_known_there_fails_its_ask() -> None:
    with a_process() as (_, node):
        async with odeon.ActorSystem("here") as here, remote.Endpoint(here, secret=SECRET) as net:
            counter = await net.lookup(node, "counter")
            Unknown.__manifest__ = "known.here.alone"  # type: ignore[attr-defined]
            with pytest.raises(errors.OdeonError, match="known.here.alone"):
                await counter.ask(Unknown(1), timeout=5.0)
            assert await counter.ask(Total(), timeout=5.0) == 0


@looped
async def test_options_that_cannot_be_meant_are_refused() -> None:
    async with odeon.ActorSystem("here") as here:
        with pytest.raises(ValueError, match="16 bytes"):
            remote.Endpoint(here, secret="short")
        with pytest.raises(ValueError, match="protect"):
            remote.Endpoint(here, listen="tcp://0.0.0.0:0", advertise="10.0.0.5:1")
        with pytest.raises(ValueError, match="not both"):
            remote.Endpoint(here, secret=SECRET, tls=remote.Tls("a", "b", "c"))
        with pytest.raises((ValueError, odeon.OdeonError), match="silent_aftr"):
            remote.Endpoint(here, limits={"silent_aftr": 2.0})
        with remote.Endpoint(here) as net:
            with pytest.raises(errors.NameTaken):
                remote.Endpoint(here)
            net.close()
            with pytest.raises(errors.Unreachable, match="closed"):
                await net.lookup("127.0.0.1:1", "x")
        remote.Endpoint(here).close()


@looped
async def test_far_references_outlive_their_endpoint() -> None:
    async with two_nodes() as (_, near, _, far):
        counter = await near.lookup(far.node, "counter")
        await asyncio.to_thread(near.close)
        with pytest.raises(errors.OdeonError):
            await counter.ask(Total(), timeout=5.0)
        gc.collect()
