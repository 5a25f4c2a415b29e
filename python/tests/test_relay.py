"""Nodes that can only connect outward, and the relay they meet at."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from odeon import errors, remote
from remote_kit import LIMIT, RELAY_SECRET, Authority, a_node, looped, until
from remote_nodes import Add, Introduce, Total


def way_to(relay: remote.Relay, name: str, **options: Any) -> remote.RelayTransport:
    return remote.RelayTransport(relay.address, name, secret=RELAY_SECRET, **options)


@pytest.mark.parametrize("scheme", ["wss", "tls", "ws", "tcp"])
@looped
async def test_two_nodes_that_only_connect_outward_talk(scheme: str, tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    files = ca.tls("relay")
    safe = scheme in ("wss", "tls")
    protected: Any = {"certificate": files.certificate, "key": files.key} if safe else {}
    trusting: Any = {"trusted": ca.file} if safe else {}
    with remote.Relay(f"{scheme}://127.0.0.1:0", secret=RELAY_SECRET, **protected) as relay:
        assert relay.address.startswith(f"{scheme}://127.0.0.1:")
        with way_to(relay, "bob", **trusting) as bobs, way_to(relay, "alice", **trusting) as hers:
            async with (
                a_node("bob", listen="bob:7400", transport=bobs) as (_, bobs_net),
                a_node("alice", listen="alice:7400", transport=hers) as (alice, her_net),
            ):
                assert bobs_net.node == "bob:7400"
                await asyncio.gather(bobs.ready(LIMIT), hers.ready(LIMIT))
                counter = await her_net.lookup("bob:7400", "counter", timeout=LIMIT)
                for n in range(100):
                    counter.tell(Add(n))
                assert await counter.ask(Total(), timeout=LIMIT) == sum(range(100))
                mine = alice.lookup("counter")
                mine.tell(Add(7))
                assert await counter.ask(Introduce(mine), timeout=LIMIT) == 7  # and back
                seen = relay.metrics()
                assert seen.registered == 2 and seen.registrations_total == 2
                assert seen.envelopes_total > 2 and seen.bytes_total > 0
                assert not any(seen.refused_total.values())
                assert [p.name for p in relay.peers()] == ["alice", "bob"]
                assert hers.status().state == "ready" and hers.name == "alice"
                route = next(r for r in hers.routes() if r.name == "bob")
                assert route.healthy and route.taken > 0 and route.last_refusal == ""


@looped
async def test_what_a_relay_says_no_to_is_told(tmp_path: Path) -> None:
    with remote.Relay("ws://127.0.0.1:0", secret=RELAY_SECRET) as relay:
        with remote.RelayTransport(relay.address, "eve", secret="another secret, long") as wrong:
            await until(lambda: wrong.status().last_error)
            with pytest.raises(errors.AuthenticationFailed, match="secret"):
                await wrong.ready(0.0)  # it goes on trying: somebody may mend the relay
        await until(lambda: relay.metrics().refused_total["wrong secret"] > 0)
        with way_to(relay, "alice") as way:
            await way.ready(LIMIT)
            async with a_node("alice", listen="alice:1", transport=way) as (_, net):
                with pytest.raises(errors.UnknownHost, match="nobody"):
                    await net.lookup("nobody:1", "counter", timeout=LIMIT)
                assert relay.metrics().refused_total["unknown target"] > 0


@looped
async def test_a_name_that_is_taken_over_closes_the_first(tmp_path: Path) -> None:
    with remote.Relay("ws://127.0.0.1:0", secret=RELAY_SECRET) as relay:
        with way_to(relay, "twin") as first:
            await first.ready(LIMIT)
            with way_to(relay, "twin") as second:
                await second.ready(LIMIT)
                await until(lambda: first.status().state == "replaced")
                with pytest.raises(errors.NameTaken, match="twin"):
                    await first.ready(LIMIT)
                assert second.status().state == "ready"


@asynccontextmanager
async def a_door(behind: list[str]) -> AsyncIterator[str]:
    """An address that stays, while the relay behind it, the last of the list, comes and goes."""

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()

    async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = behind[-1].removeprefix("tcp://").rpartition(":")
        try:
            onward = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(pipe(reader, onward[1]), pipe(onward[0], writer))

    async with await asyncio.start_server(enter, "127.0.0.1", 0) as server:
        yield "tcp://{}:{}".format(*server.sockets[0].getsockname())


@looped
async def test_nodes_come_back_to_a_relay_that_was_restarted() -> None:
    with remote.Relay("tcp://127.0.0.1:0", secret=RELAY_SECRET) as relay:
        behind = [relay.address]
        quick = {"backoff_least": 0.01, "backoff_most": 0.05}
        async with a_door(behind) as address:
            with remote.RelayTransport(address, "alice", secret=RELAY_SECRET, limits=quick) as way:
                await way.ready(LIMIT)
                await asyncio.to_thread(relay.close)
                await until(lambda: way.status().state != "ready")
                await until(lambda: way.status().last_error)
                with remote.Relay("tcp://127.0.0.1:0", secret=RELAY_SECRET) as again:
                    behind.append(again.address)
                    await until(lambda: way.status().registrations == 2)
                    await until(lambda: way.status().state == "ready")
                    assert [p.name for p in again.peers()] == ["alice"]


@looped
async def test_a_relay_says_goodbye() -> None:
    async with remote.Relay("ws://127.0.0.1:0", secret=RELAY_SECRET) as relay:
        with way_to(relay, "alice") as way:
            await way.ready(LIMIT)
            assert await relay.drain(LIMIT)
            await until(lambda: way.status().state != "ready")


def test_options_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(ValueError, match="secret"):
        remote.Relay("ws://127.0.0.1:0")
    with pytest.raises(ValueError, match="16"):
        remote.Relay("ws://127.0.0.1:0", secret="short")
    with pytest.raises(ValueError, match="other machines"):
        remote.Relay("ws://0.0.0.0:0", allow_unauthenticated_local=True)
    with pytest.raises(ValueError, match="belong together"):
        remote.Relay("wss://127.0.0.1:0", secret=RELAY_SECRET, certificate="a")
    with pytest.raises(ValueError, match="ftp"):
        remote.Relay("ftp://127.0.0.1:0", secret=RELAY_SECRET)
    with pytest.raises(ValueError, match="nmaes"):
        remote.Relay("ws://127.0.0.1:0", secret=RELAY_SECRET, limits={"nmaes": 1})
    with pytest.raises(ValueError, match="no name"):
        remote.RelayTransport("ws://127.0.0.1:1", "not a name", secret=RELAY_SECRET)
    with pytest.raises(ValueError, match="relay"):
        remote.RelayTransport("127.0.0.1:1", "alice", secret=RELAY_SECRET)
    with remote.Relay(allow_unauthenticated_local=True) as relay:
        relay.close()
        with pytest.raises(errors.Unreachable, match="closed"):
            relay.metrics()
