"""Connections in ``odeon.streams``: bytes both ways, back-pressure, ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from typing import Any

import pytest

import odeon
from odeon.errors import InvalidArgument, IoFailed, Unreachable
from odeon.streams import Flow, Sink, Source, framing, tcp
from odeon.testing import TestKit

from streams_kit import in_system, raises, until

UPPER = framing.lines(1024).via(Flow.of(lambda s: s.map(lambda line: line.upper() + b"\n")))


def serve(system: Any, flow: Any = UPPER) -> tuple[Any, Any]:
    """A server: its run, and its binding."""
    run = tcp.incoming("127.0.0.1:0").run(
        system, Sink.foreach(lambda connection: connection.join(flow).run(system)))
    return run, run.values[0]


def ask(address: str, *pieces: bytes) -> Source[bytes]:
    return Source.from_iterable(pieces).via(tcp.outgoing(address)).via(framing.lines())


def test_a_server_of_lines_answers_any_number_of_clients() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        run, binding = serve(system)
        assert binding.address.startswith("127.0.0.1:") and not binding.address.endswith(":0")
        answers = await asyncio.gather(*(
            asyncio.ensure_future(_collect(system, ask(binding.address, b"to b", b"e\nor", b"\n")))
            for _ in range(20)))
        assert answers == [[b"TO BE", b"OR"]] * 20
        reader, writer = await asyncio.open_connection(*_place(binding.address))
        writer.write(b"plain\n")
        assert await reader.readline() == b"PLAIN\n"
        writer.close()
        binding.unbind()
        await run
        with pytest.raises((Unreachable, odeon.OdeonError)):
            await _collect(system, ask(binding.address, b"x\n"))

    in_system(body)


async def _collect(system: odeon.ActorSystem, source: Source[bytes]) -> list[bytes]:
    return await source.run(system, Sink.collect())


def _place(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def test_a_connection_has_two_sides_of_its_own_and_addresses() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        accepted = tcp.incoming("127.0.0.1:0").run(system, Sink.queue())
        address = accepted.values[0].address
        sent = asyncio.ensure_future(_collect(system, ask(address, b"hello\n")))
        connection = await anext(accepted.result)
        assert connection.local_address == address
        assert connection.peer_address.startswith("127.0.0.1:")
        read = connection.source().run(system, Sink.collect())
        with pytest.raises(InvalidArgument):
            connection.source().run(system, Sink.ignore())
        written = Source.from_iterable([b"one\n", b"two\n"]).run(system, connection.sink())
        assert await written == 8
        with pytest.raises(InvalidArgument):
            Source.single(b"").run(system, connection.sink())
        assert await sent == [b"one", b"two"]
        assert b"".join(await read) == b"hello\n"
        # Both in one, as a flow.
        sent = asyncio.ensure_future(_collect(system, ask(address, b"echo\n")))
        connection = await anext(accepted.result)
        both = Source.single(b"said\n").via(connection.flow()).run(system, Sink.collect())
        assert b"".join(await both) == b"echo\n" and await sent == [b"said"]

    in_system(body)


def test_a_peer_that_does_not_read_stops_the_stream_that_sends() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        made: list[int] = []
        piece = bytes(64 * 1024)
        flood = Source.repeat(piece).wire_tap(lambda _: made.append(1)).take(2000)
        accepted = tcp.incoming("127.0.0.1:0").run(
            system, Sink.foreach(lambda c: flood.run(system, c.sink())))
        reader, writer = await asyncio.open_connection(
            *_place(accepted.values[0].address), limit=1)
        seen = -1
        while seen != len(made) or not made:
            seen = len(made)
            for _ in range(3000):
                await asyncio.sleep(0)
        assert seen < 500, "it would be 2000 without back-pressure"
        total = 0
        while data := await reader.read(1 << 20):
            total += len(data)
        assert total == 2000 * len(piece)
        writer.close()

    in_system(body)


def test_a_failure_behind_a_connection_breaks_it_and_is_told() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        runs: list[Any] = []
        bad = framing.lines(10).via(Flow.of(lambda s: s.map(raises(KeyError("mine")))))
        server = tcp.incoming("127.0.0.1:0").run(
            system, Sink.foreach(lambda c: runs.append(c.join(bad).run(system))))
        address = server.values[0].address
        for request, error in ((b"a\n", KeyError), (b"x" * 99, odeon.OdeonError)):
            with pytest.raises(IoFailed):
                await _collect(system, ask(address, request).concat(Source.never()))
            with pytest.raises(error):
                await runs.pop()

    in_system(body)


def test_places_that_cannot_be_connected_to_or_listened_on_fail_the_stream() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            run = tcp.incoming(address).run(system, Sink.ignore())
            with pytest.raises(IoFailed):
                await run
            with pytest.raises(IoFailed):
                _ = run.values[0].address
        asked: list[bytes] = []
        source = Source.repeat(b"x").wire_tap(asked.append).via(tcp.outgoing(address))
        with pytest.raises(odeon.OdeonError):
            await source.run(system, Sink.ignore())
        assert not asked
        with pytest.raises(odeon.OdeonError):
            await tcp.incoming("no address").run(system, Sink.ignore())

    in_system(body)


def test_a_connection_that_is_let_go_ends_and_one_that_waits_can_be_cancelled() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        server = tcp.incoming("127.0.0.1:0").run(system, Sink.foreach(lambda c: None))
        with contextlib.suppress(ConnectionError):  # told by an end, or by a reset
            reader, writer = await asyncio.open_connection(*_place(server.values[0].address))
            assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()
        held = tcp.incoming("127.0.0.1:0").run(system, Sink.queue())
        reader, writer = await asyncio.open_connection(*_place(held.values[0].address))
        connection = await anext(held.result)
        run = connection.source().run(system, Sink.collect())
        await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        del connection
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()

    in_system(body)


def test_programs_without_a_loop_have_connections_as_well() -> None:
    with odeon.ActorSystem.start("tcp") as system:
        run, binding = serve(system)
        answers = ask(binding.address, b"to\nbe\n").run(system, Sink.collect()).wait()
        assert answers == [b"TO", b"BE"]
        binding.unbind()
        run.wait()


def test_in_the_test_kit_connections_are_in_memory_and_time_is_virtual() -> None:
    with TestKit(seed=5) as kit:
        _, binding = serve(kit.system)
        slow = Source.tick(60.0, b"tick\n").take(3).via(tcp.outgoing(binding.address))
        run = slow.via(framing.lines()).run(kit.system, Sink.collect())
        kit.advance(200)
        assert run.wait() == [b"TICK"] * 3


@pytest.mark.parametrize("count", [200])
def test_many_connections_leave_nothing_behind(count: int) -> None:
    async def body(system: odeon.ActorSystem) -> None:
        run, binding = serve(system)
        before = len(gc.get_objects())
        for _ in range(count // 20):
            got = await asyncio.gather(*(
                asyncio.ensure_future(_collect(system, ask(binding.address, b"x\n")))
                for _ in range(20)))
            assert got == [[b"X"]] * 20
        await until(lambda: gc.collect() >= 0 and len(gc.get_objects()) - before < 500)
        binding.unbind()
        await run

    in_system(body)
