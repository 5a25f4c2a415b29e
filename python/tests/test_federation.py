"""`odeon.federation`: who is there, and actors that are made where they can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import odeon
import pytest
from odeon import errors, federation, remote
from odeon.federation import MemberJoined, MemberLeft, MemberUpdated
from remote_kit import LIMIT, looped, until
from remote_nodes import SECRET, Counter, Total

NAME = "remote_nodes.Counter"


@asynccontextmanager
async def a_member(name: str, *seeds: Any, offers: bool = True, net: dict[str, Any] | None = None,
                   **options: Any) -> AsyncIterator[Any]:
    """A system's place in a federation, joined by other members."""
    options.setdefault("secret", "a federation's own secret")
    options.setdefault("lease", 60.0)
    options.setdefault("heartbeat", 0.05)
    async with odeon.ActorSystem(name) as system:
        async with remote.Endpoint(system, listen="tcp://127.0.0.1:0", secret=SECRET) as own:
            made = federation.Federation(
                system, own, seeds=[each._net.node for each in seeds], **options)
            if offers:
                made.offer(Counter)
            yield made


def names(members: Any) -> list[str]:
    return sorted(m.system for m in members.members())


@looped
async def test_members_join_change_and_leave() -> None:
    async with a_member("office", capabilities=["printer"]) as office:
        told: asyncio.Queue[Any] = asyncio.Queue()
        watching = office.watch(told.put_nowait)
        first = await asyncio.wait_for(told.get(), LIMIT)
        assert isinstance(first, MemberJoined) and first.who.system == "office"
        assert first.who == office.members()[0] and first.who.types == (NAME,)
        async with a_member("lab", office, capabilities=["gpu"], tenant="science") as lab:
            while not (isinstance(news := await asyncio.wait_for(told.get(), LIMIT),
                                  MemberJoined | MemberUpdated) and news.who.types):
                pass
            assert news.who.system == "lab" and news.who.node == lab._net.node
            assert news.who.capabilities == ("gpu",) and news.who.tenant == "science"
            await until(lambda: names(lab) == ["lab", "office"])
            lab.set_capabilities(["gpu", "tpu"])
            news = await asyncio.wait_for(told.get(), LIMIT)
            assert isinstance(news, MemberUpdated) and news.who.capabilities == ("gpu", "tpu")
        news = await asyncio.wait_for(told.get(), LIMIT)
        assert isinstance(news, MemberLeft) and (news.who.system, news.why) == ("lab", "left")
        assert names(office) == ["office"]
        watching.cancel()
        office.set_capabilities([])
        assert told.empty()


@looped
async def test_an_actor_is_made_where_what_it_needs_is_there() -> None:
    async with a_member("office") as office, a_member("lab", office, capabilities=["gpu"]) as lab:
        await until(lambda: any(m.types and m.system == "lab" for m in office.members()))
        here = await office.spawn(Counter, 1, name="near")
        assert here == office._system.lookup("near")
        there = await office.spawn(Counter, 2, needs=["gpu"], name="far", timeout=LIMIT)
        assert there.path.startswith(f"odeon://lab@{lab._net.node}/")
        assert await there.ask(Total(), timeout=LIMIT) == 2
        by_name = await office.spawn(NAME, 3, on="there", node=lab._net.node, timeout=LIMIT)
        assert await by_name.ask(Total(), timeout=LIMIT) == 3
        with pytest.raises(errors.SpawnFailed, match="Counter.*argument"):  # of its constructor
            await office.spawn(Counter, 1, 2, 3, needs=["gpu"], timeout=LIMIT)


@looped
async def test_what_was_missing_is_named() -> None:
    async with (
        a_member("office") as office,
        a_member("lab", office, offers=False, capabilities=["gpu"]) as lab,
    ):
        await until(lambda: names(office) == ["lab", "office"])
        with pytest.raises(errors.PlacementFailed, match="tpu") as caught:
            await office.spawn(Counter, needs=["gpu", "tpu"])
        assert caught.value.missing == ("tpu",)
        with pytest.raises(errors.PlacementFailed, match="gpu") as caught:
            await office.spawn(Counter, on="here", needs=["gpu"])
        assert caught.value.missing == ("gpu",)
        with pytest.raises(errors.PlacementFailed, match="offer") as caught:
            await office.spawn(Counter, on="there", node=lab._net.node)
        assert caught.value.missing == ()
        with pytest.raises(errors.PlacementFailed, match="no member"):
            await office.spawn(Counter, on="there", node="10.0.0.9:1")
        with pytest.raises(ValueError, match="nowhere"):
            await office.spawn(Counter, on="nowhere")


@looped
async def test_names_are_found_in_their_scopes() -> None:
    async with (
        a_member("office", tenant="ours") as office,
        a_member("branch", office, tenant="ours") as branch,
        a_member("lab", office, tenant="theirs") as lab,
    ):
        for n, scope in enumerate(("local", "tenant", "federation"), 1):
            office.share(f"for {scope}", office._system.spawn(Counter, n), scope)
        for other in (branch, lab):
            await until(lambda: any(n.name == "for federation" for m in other.members()
                                    for n in m.names))
        assert all("for local" != n.name for m in branch.members() for n in m.names)

        async def total(members: Any, name: str, **how: Any) -> int:
            found = await members.find(name, timeout=LIMIT, **how)
            return await found.ask(Total(), timeout=LIMIT)  # type: ignore[no-any-return]

        assert await total(office, "for local", within="local") == 1
        assert await total(branch, "for tenant") == 2
        assert await total(branch, "for tenant", within="tenant") == 2
        assert await total(lab, "for federation") == 3
        for members, name, within in ((branch, "for local", "federation"),
                                      (lab, "for tenant", "federation"),
                                      (lab, "for federation", "tenant")):
            with pytest.raises(errors.NoSuchActor, match=name):
                await members.find(name, within, timeout=LIMIT)
        with pytest.raises(errors.NameTaken, match="for local"):
            office.share("for local", office._system.spawn(Counter))
        assert office.unshare("for federation") and not office.unshare("for federation")
        await until(lambda: all("for federation" != n.name for m in lab.members()
                                for n in m.names))


@looped
async def test_who_does_not_know_the_secret_does_not_join() -> None:
    async with a_member("office") as office:
        async with a_member("eve", office, secret="not the federation's") as eve:
            await until(lambda: eve._net.peers())
            counter = await eve._net.lookup(office._net.node, "federation", timeout=LIMIT)
            assert counter  # it is reached, and says no
            for _ in range(3):
                before = eve._net.metrics().received.messages
                await until(lambda: eve._net.metrics().received.messages > before)
            assert names(office) == ["office"] and names(eve) == ["eve"]


@looped
async def test_members_from_a_file_never_change() -> None:
    known = federation.Member("10.0.0.7:7400", "lab", capabilities=("gpu",), types=(NAME,),
                              names=(federation.SharedName("bank", "/user/bank"),))
    async with a_member("office", fixed=[known]) as office:
        assert office.members()[1] == known


@looped
async def test_a_federation_ends_with_its_endpoint_and_its_system() -> None:
    async with odeon.ActorSystem("office") as system:
        net = remote.Endpoint(system, listen="tcp://127.0.0.1:0", secret=SECRET)
        first = federation.Federation(system, net)
        with pytest.raises(ValueError, match="already"):
            federation.Federation(system, net)
        await asyncio.to_thread(net.close)
        with pytest.raises(errors.SystemStopped, match="left"):
            first.members()
        with remote.Endpoint(system, listen="tcp://127.0.0.1:0", secret=SECRET) as again:
            with federation.Federation(system, again) as second:
                assert names(second) == ["office"]
        last = remote.Endpoint(system, listen="tcp://127.0.0.1:0", secret=SECRET)
        third = federation.Federation(system, last)
    with pytest.raises(errors.SystemStopped):
        third.members()
    with pytest.raises(errors.SystemStopped):
        await last.lookup("127.0.0.1:1", "x")


@looped
async def test_options_that_cannot_be_meant_are_refused() -> None:
    async with odeon.ActorSystem("office") as system:
        with remote.Endpoint(system, listen="tcp://127.0.0.1:0", secret=SECRET) as net:
            for options, text in (({"secret": "short"}, "16"), ({"lease": 1.0}, "heartbeat"),
                                  ({"limits": {"membres": 1}}, "membres"),
                                  ({"seeds": ["a"], "fixed": [federation.Member("b:1")]}, "seeds")):
                with pytest.raises(ValueError, match=text):
                    federation.Federation(system, net, **options)  # type: ignore[arg-type]
            with federation.Federation(system, net):
                pass
