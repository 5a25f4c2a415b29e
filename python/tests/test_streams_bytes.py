"""Bytes in ``odeon.streams``: frames, compression, files, layers."""

from __future__ import annotations

import asyncio
import json
import random
from array import array
from pathlib import Path
from typing import Any

import pytest

import odeon
from odeon.errors import DecodingError, InvalidArgument, IoFailed, NotFound
from odeon.streams import BidiFlow, Flow, Sink, Source, compress, decompress, file, framing

from streams_kit import freed, in_system, until


def pieces(data: bytes, n: int) -> list[bytes]:
    return [data[i : i + n] for i in range(0, len(data), n)]


async def through(
    system: odeon.ActorSystem, data: list[Any], flow: Flow[Any, bytes]
) -> list[bytes]:
    return await Source.from_iterable(data).via(flow).run(system, Sink.collect())


def test_frames_are_found_wherever_the_bytes_are_cut() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        frames = [b"to", b"", b"be\xff\0", b"or not" * 9]
        objects = [{"a": [{"b": "}]"}]}, {}, {"\u00e9": 'say "{"'}]
        listed = ", ".join(map(json.dumps, objects)).encode()
        for n in (1, 3, 1000):
            joined = b"--".join((*frames, b""))
            assert await through(system, pieces(joined, n), framing.delimiter(b"--", 99)) == frames
            lines = pieces(b"to\n\nbe", n)
            assert await through(system, lines, framing.lines()) == [b"to", b"", b"be"]
            for size in (1, 2, 8):
                sent = await through(system, frames, framing.length_prefix(99, size))
                assert len(sent[0]) == size + 2
                cut = pieces(b"".join(sent), n)
                assert await through(system, cut, framing.length_field(99, size)) == frames
            for text in (listed, b"[" + listed + b"]\n", listed.replace(b", ", b"\n")):
                got = await through(system, pieces(text, n), framing.json_objects(99))
                assert list(map(json.loads, got)) == objects

    in_system(body)


def test_elements_are_anything_with_bytes() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        given = [b"a", bytearray(b"b"), memoryview(b"xcx")[1:2], array("B", b"\n")]
        assert await through(system, given, framing.lines()) == [b"abc"]
        for wrong in ("text", 5, None, memoryview(b"abcd")[::2]):
            with pytest.raises((TypeError, BufferError)):
                await through(system, [wrong], framing.lines())
        kept = Source.from_iterable([b"a", "b", b"c"]).via(framing.lines())  # type: ignore
        assert await kept.supervised({TypeError: "resume"}).run(system, Sink.collect()) == [b"ac"]

    in_system(body)


@pytest.mark.parametrize(
    ("flow", "data", "error", "text"),
    [
        (framing.lines(4), [b"aaaa\nbbb", b"bb"], odeon.OdeonError, "offset 5"),
        (framing.delimiter(b"\n", 9), [b"a\nb"], odeon.OdeonError, "offset 2"),
        (framing.length_field(9), [b"\xff\xff\xff\xff"], odeon.OdeonError, "4294967295"),
        (framing.length_field(9), [b"\0\0"], odeon.OdeonError, "offset 0"),
        (framing.length_prefix(999, 1), [b"x" * 300], odeon.OdeonError, "300"),
        (framing.json_objects(99), [b"{} x"], DecodingError, "offset 3"),
        (framing.json_objects(5), [b'{"a": 1}'], odeon.OdeonError, "longer than 5"),
        (framing.json_objects(99), [b'{"a'], odeon.OdeonError, "offset 0"),
        (decompress(), [b"this is no frame"], DecodingError, "offset|frame"),
    ],
)
def test_bytes_that_are_no_frames_fail_the_stream_and_say_where(
    flow: Flow[Any, bytes], data: list[bytes], error: type[Exception], text: str
) -> None:
    async def body(system: odeon.ActorSystem) -> None:
        with pytest.raises(error, match=text):
            await through(system, data, flow)

    in_system(body)


def test_what_cannot_be_is_refused_when_it_is_run() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        for flow in (framing.delimiter(b"", 9), framing.length_field(9, 9), compress(99),
                     decompress(window_log=99)):
            with pytest.raises(InvalidArgument):
                await through(system, [b""], flow)
        with pytest.raises(OverflowError):
            await through(system, [b""], framing.lines(-1))
        with pytest.raises(TypeError):
            file.read(5)  # type: ignore[arg-type]

    in_system(body)


def test_compressed_bytes_come_back_and_bombs_are_stopped() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        noise = random.Random(1).randbytes(100_000)
        text = b"to be or not to be " * 10_000
        for data in (b"", noise, text):
            packed = await through(system, pieces(data, 5000), compress())
            back = await through(system, pieces(b"".join(packed), 777), decompress())
            assert b"".join(back) == data
            assert all(len(piece) <= 64 * 1024 for piece in back)
        packed = await through(system, [bytes(10_000_000)], compress(19))
        assert sum(map(len, packed)) < 10_000
        with pytest.raises(odeon.OdeonError, match="1000000"):
            await through(system, packed, decompress(1_000_000))
        with pytest.raises(odeon.OdeonError):
            await through(system, [b"".join(packed)[:-3]], decompress())

    in_system(body)


def test_a_peer_that_waits_gets_what_was_compressed_so_far() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        run = Source.queue(4).via(compress()).via(decompress()).run(system, Sink.queue())
        (queue,) = run.values
        for word in (b"to", b"be"):
            await queue.offer(word)
            assert await asyncio.wait_for(anext(run.result), 5) == word
        queue.complete()
        with pytest.raises(StopAsyncIteration):
            await anext(run.result)

    in_system(body)


@pytest.mark.parametrize("loop", [True, False])
def test_a_file_is_written_and_read_back(loop: bool, tmp_path: Path) -> None:
    lines = [f"{i}\n".encode() for i in range(20_000)]
    whole = b"".join(lines)
    path = tmp_path / "numbers.txt"

    def check(run: Any) -> Any:
        return run.wait()

    async def body(system: odeon.ActorSystem) -> None:
        assert await Source.from_iterable(lines).run(system, file.write(path)) == len(whole)
        assert await Source.single(b"end").run(system, file.write(str(path), append=True)) == 3
        assert path.read_bytes() == whole + b"end"
        read = file.read(path, 1000)
        got = [piece async for piece in read.run_iter(system)]
        assert b"".join(got) == whole + b"end" and max(map(len, got)) <= 1000
        assert await read.via(framing.lines()).run(system, Sink.count()) == 20_001
        assert await file.read(bytes(path)).take(1).run(system, Sink.count()) == 1

    if loop:
        in_system(body)
        return
    with odeon.ActorSystem.start("files") as system:
        run = Source.from_iterable(lines).run(system, file.write(path))
        assert run.wait() == len(whole)
        assert file.read(path).via(framing.lines()).run(system, Sink.count()).wait() == 20_000


def test_a_file_that_cannot_be_opened_fails_the_stream_with_its_path(tmp_path: Path) -> None:
    async def body(system: odeon.ActorSystem) -> None:
        with pytest.raises(NotFound, match="none.txt"):
            await file.read(tmp_path / "none.txt").run(system, Sink.ignore())
        with pytest.raises(IoFailed, match=tmp_path.name):
            await file.read(tmp_path).run(system, Sink.ignore())
        asked: list[bytes] = []
        ended: list[str] = []
        source = Source.repeat(b"x").wire_tap(asked.append).watch_termination()
        run = source.run(system, file.write(tmp_path / "no/such/folder"))
        with pytest.raises(NotFound, match="folder"):
            await run
        ended.append(await run.values[0])
        assert ended == ["cancelled"] and len(asked) < 3000

    in_system(body)


def test_a_large_file_is_read_as_fast_as_it_is_used_and_no_faster(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(10_000_000))

    async def body(system: odeon.ActorSystem) -> None:
        alive: list[int] = [0]

        class Piece(bytes):
            def __new__(cls, data: bytes) -> Piece:
                alive[0] += 1
                return super().__new__(cls, data)

            def __del__(self) -> None:
                alive[0] -= 1

        async def hold(piece: Piece) -> None:
            await asyncio.Event().wait()

        run = file.read(path, 1000).map(Piece).run(system, Sink.foreach_async(2, hold))
        await until(lambda: alive[0] >= 2)
        for _ in range(100):
            await asyncio.sleep(0)
        assert alive[0] <= 4
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        await freed(lambda: alive[0])

    in_system(body)


def test_layers_in_both_directions_undo_each_other() -> None:
    async def body(system: odeon.ActorSystem) -> None:
        numbers = BidiFlow(
            Flow[int, bytes].of(lambda s: s.map(lambda n: str(n).encode())),
            Flow[bytes, int].of(lambda s: s.map(int)))
        frames = BidiFlow(framing.length_prefix(100), framing.length_field(100))
        bytewise = Flow[bytes, bytes].of(
            lambda s: s.map_concat(lambda piece: [bytes([b]) for b in piece]))
        stack = numbers.atop(frames).join(bytewise)  # type: ignore[arg-type]
        assert await Source.range(5).via(stack).run(system, Sink.collect()) == list(range(5))
        back = numbers.reversed().join(Flow[int, int].of(lambda s: s.map(lambda n: n + 1)))
        assert await Source.single(b"7").via(back).run(system, Sink.collect()) == [b"8"]

    in_system(body)
