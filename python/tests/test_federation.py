"""`odeon.federation`: who is there, and actors that are made where they can be."""

from __future__ import annotations

import asyncio
import time
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
    options.setdefault("heartbeat", 1.0)  # what a join has of time on a slow machine
    async with odeon.ActorSystem(name) as system:
        async with remote.Endpoint(system, listen="tcp://127.0.0.1:0", secret=SECRET) as own:
            made = federation.Federation(
                system, own, seeds=[each._net.node for each in seeds], **options)
            if offers:
                made.offer(Counter)
            yield made


def names(members: Any) -> list[str]:
    return sorted(m.system for m in members.members())


async def found(members: Any, name: str, within: Any = "federation") -> Any:
    """The actor of that name. A tenant's name may be missing again for a moment while two members
    join each other, so it is looked for until it is there."""
    end = time.monotonic() + LIMIT
    while True:
        try:
            return await members.find(name, within, timeout=LIMIT)
        except errors.NoSuchActor:
            assert time.monotonic() < end, "it never came to be"
            await asyncio.sleep(0.005)


@looped
async def test_members_join_change_and_leave() -> None:
    async with a_member("office", capabilities=["printer"], lease=LIMIT / 2) as office:
        news: asyncio.Queue[Any] = asyncio.Queue()
        watching = office.watch(news.put_nowait)
        first = await asyncio.wait_for(news.get(), LIMIT)
        assert isinstance(first, MemberJoined) and first.who.system == "office"
        assert first.who == office.members()[0] and first.who.types == (NAME,)
        async with a_member("lab", office, capabilities=["gpu"], tenant="science") as lab:
            joined = await asyncio.wait_for(news.get(), LIMIT)
            assert isinstance(joined, MemberJoined) and joined.who.system == "lab"
            assert joined.who.node == lab._net.node and joined.who.tenant == "science"
            assert joined.who.capabilities == ("gpu",)
            await until(lambda: names(lab) == ["lab", "office"])
            lab.set_capabilities(["gpu", "tpu"])
            await until(lambda: office.members()[1].capabilities == ("gpu", "tpu"))
            assert office.members()[1].types == (NAME,)
        seen = []
        while not seen or not isinstance(seen[-1], MemberLeft):
            seen.append(await asyncio.wait_for(news.get(), LIMIT))
        assert all(isinstance(each, MemberUpdated) for each in seen[:-1]) and len(seen) > 1
        assert (seen[-1].who.system, seen[-1].why) == ("lab", "left")
        # At once, or with its lease where the office was about to join it as it left.
        await until(lambda: names(office) == ["office"])
        watching.cancel()
        others: asyncio.Queue[Any] = asyncio.Queue()
        with office.watch(others.put_nowait):
            await asyncio.wait_for(others.get(), LIMIT)  # what there is
            while not news.empty():
                news.get_nowait()
            office.set_capabilities([])
            await asyncio.wait_for(others.get(), LIMIT)
            assert news.empty()  # who has cancelled hears no more


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
        # A tenant's own names follow when the member is known as the tenant's.
        for other, name in ((branch, "for tenant"), (branch, "for federation"),
                            (lab, "for federation")):
            await until(lambda: any(n.name == name for m in other.members()
                                    for n in m.names))
        assert all("for local" != n.name for m in branch.members() for n in m.names)

        async def total(members: Any, name: str, **how: Any) -> Any:
            return await (await found(members, name, **how)).ask(Total(), timeout=LIMIT)

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
async def test_a_tenant_with_a_secret_takes_no_other_and_its_names_are_seen_by_no_other() -> None:
    async with (
        a_member("office") as office,
        a_member("red", office, tenant="red", tenant_secret="the secret of the red") as red,
        a_member("branch", office, tenant="red", tenant_secret="the secret of the red") as branch,
        a_member("blue", office, tenant="blue", tenant_secret="the secret of the blue") as blue,
        a_member("eve", office, tenant="red", tenant_secret="what eve has guessed") as eve,
    ):
        await until(lambda: names(office) == ["blue", "branch", "eve", "office", "red"])
        await until(lambda: {"blue", "branch", "red"} <= {*names(red)} & {*names(branch)})
        await until(lambda: {"branch", "red"} <= {*names(blue)})
        red.share("safe", red._system.spawn(Counter, 7), "tenant")
        red.share("door", red._system.spawn(Counter, 8))

        def seen(members: Any) -> set[str]:
            return {n.name for m in members.members() if m.system == "red" for n in m.names}

        await until(lambda: seen(branch) == {"safe", "door"})
        await until(lambda: seen(blue) == seen(office) == {"door"})
        safe = await found(branch, "safe", "tenant")
        assert await safe.ask(Total(), timeout=LIMIT) == 7
        for other in (office, blue, eve):
            for within in ("tenant", "federation"):
                with pytest.raises(errors.NoSuchActor, match="safe"):
                    await other.find("safe", within, timeout=LIMIT)
        # Who says that it is of the tenant, and does not know its secret, is none of its members.
        assert "eve" not in names(red) + names(branch)
        assert {"red", "branch"}.isdisjoint(names(eve))


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
        await until(lambda: system.lookup("federation") is None)  # its actor has gone as well
        with remote.Endpoint(system, listen="tcp://127.0.0.1:0", secret=SECRET) as again:
            with federation.Federation(system, again) as second:
                assert names(second) == ["office"]
        await until(lambda: system.lookup("federation") is None)
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
                                  ({"tenant": "a", "tenant_secret": "short"}, "16"),
                                  ({"tenant_secret": "nobody's, and long enough"}, "tenant"),
                                  ({"limits": {"membres": 1}}, "membres"),
                                  ({"seeds": ["a"], "fixed": [federation.Member("b:1")]}, "seeds")):
                with pytest.raises(ValueError, match=text):
                    federation.Federation(system, net, **options)  # type: ignore[arg-type]
            assert system.lookup("federation") is None  # nothing of them is left
            with federation.Federation(system, net):
                pass
