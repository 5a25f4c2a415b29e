"""The channel between two processes: order, wake-ups, large payloads, and peers that misbehave."""

from __future__ import annotations

import importlib
import mmap
import os
import random
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from odeon import codecs

native: Any = importlib.import_module("odeon._native")

CODEC = codecs.default.native
PEER = """
import importlib, os, signal, sys
native = importlib.import_module("odeon._native")
from odeon import codecs
channel = native.attach_channel(int(sys.argv[1]), int(sys.argv[2]))
codec = codecs.default.native
def send(*frame):
    while not channel.send(*frame):
        channel.wait(0.001)
while True:
    try:
        arrived = channel.receive(codec, 4)
    except EOFError:
        sys.exit(0)
    if arrived is None:
        channel.wait()
        continue
    kind, actor, request, value, error = arrived
    if kind == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == 2:
        send(3, actor, request, codec, 4, value if error is None else repr(error))
"""


@pytest.fixture
def pair() -> Iterator[tuple[Any, Any]]:
    """Both ends in this process."""
    one, memory, socket = native.new_channel(1 << 16)
    other = native.attach_channel(memory, socket)
    yield one, other
    one.close()
    other.close()


@pytest.fixture
def peer() -> Iterator[tuple[Any, subprocess.Popen[bytes]]]:
    """The other end in a process of its own, which answers frames of kind 2."""
    channel, memory, socket = native.new_channel(1 << 16)
    path = os.pathsep.join(one or os.getcwd() for one in sys.path)
    process = subprocess.Popen([sys.executable, "-c", PEER, str(memory), str(socket)],
                               pass_fds=(memory, socket), env=dict(os.environ, PYTHONPATH=path))
    os.close(memory)
    os.close(socket)
    yield channel, process
    channel.close()
    process.kill()
    process.wait()


def take(channel: Any, flags: int = 4) -> tuple[Any, ...]:
    while True:
        arrived = channel.receive(CODEC, flags)
        if arrived is not None:
            return arrived  # type: ignore[no-any-return]
        assert channel.wait(10.0), "nothing arrived within ten seconds"


def test_frames_arrive_in_order_with_their_numbers(pair: tuple[Any, Any]) -> None:
    one, other = pair
    for i in range(100):
        assert one.send(1, i, 2**64 - 1 - i, CODEC, 0, ("m", i))
    for i in range(100):
        assert other.receive(CODEC, 0) == (1, i, 2**64 - 1 - i, ("m", i), None)
    assert other.receive(CODEC, 0) is None


def test_both_directions_at_once_and_many_times_around_the_ring(pair: tuple[Any, Any]) -> None:
    one, other = pair
    pick = random.Random(3)
    sent: dict[Any, list[bytes]] = {one: [], other: []}
    for _ in range(4000):
        end, far = pick.choice([(one, other), (other, one)])
        if pick.random() < 0.6:
            data = pick.randbytes(pick.randrange(600))
            if end.send(7, 0, 0, CODEC, 0, data):
                sent[end].append(data)
        else:
            got = end.receive(CODEC, 0)
            assert (got is None) == (not sent[far])
            if got is not None:
                assert got[3] == sent[far].pop(0)


def test_a_full_ring_refuses_and_takes_again_once_there_is_room(pair: tuple[Any, Any]) -> None:
    one, other = pair
    count = 0
    while one.send(1, 0, 0, CODEC, 0, count):
        count += 1
    assert count > 500
    assert not one.send(1, 0, 0, CODEC, 0, count)
    assert other.receive(CODEC, 0)[3] == 0
    assert one.wait(5.0)  # room was announced
    assert one.send(1, 0, 0, CODEC, 0, count)
    for i in range(1, count + 1):
        assert other.receive(CODEC, 0)[3] == i


def test_a_sleeping_side_is_woken_once(pair: tuple[Any, Any]) -> None:
    one, other = pair
    assert not other.wait(0.0)
    threads = threading.Thread(target=lambda: one.send(1, 0, 0, CODEC, 0, "wake"))
    threads.start()
    assert take(other)[3] == "wake"
    threads.join()
    assert one.send(1, 0, 0, CODEC, 0, "there")
    assert not other.about_to_wait()


def test_a_large_payload_goes_through_a_segment(pair: tuple[Any, Any]) -> None:
    one, other = pair
    for size in (65_000, 70_000, 5_000_000):
        assert one.send(1, 0, 0, CODEC, 0, b"x" * size)
        assert other.receive(CODEC, 0)[3] == b"x" * size
    assert one.send(1, 0, 0, CODEC, 0, "small again")
    assert other.receive(CODEC, 0)[3] == "small again"


def test_buffers_arrive_as_views_that_nobody_can_change(pair: tuple[Any, Any]) -> None:
    one, other = pair
    data = bytearray(range(256)) * 64
    assert one.send(1, 0, 0, CODEC, 4, [memoryview(data), memoryview(bytes(8192))])
    data[0] = 255
    first, second = other.receive(CODEC, 4)[3]
    assert first.readonly and bytes(first[:4]) == b"\0\1\2\3" and len(second) == 8192


def test_a_segment_of_the_sender_is_handed_over_and_not_copied(pair: tuple[Any, Any]) -> None:
    one, other = pair
    segment = native.Segment(100_000)
    view = memoryview(segment)
    view[50_000] = 7
    assert one.send(1, 0, 0, CODEC, 4, [view[40_000:60_000], view[:5000]])
    middle, start = other.receive(CODEC, 4)[3]
    assert middle[10_000] == 7 and middle.readonly and len(start) == 5000
    view[50_000] = 8  # the same memory
    assert middle[10_000] == 8
    del middle, start


def test_many_segments_in_one_message_are_copied_past_the_bound(pair: tuple[Any, Any]) -> None:
    one, other = pair
    all_ = [native.Segment(4096) for _ in range(40)]
    for i, segment in enumerate(all_):
        memoryview(segment)[0] = i
    assert one.send(1, 0, 0, CODEC, 4, [memoryview(segment) for segment in all_])
    assert [view[0] for view in other.receive(CODEC, 4)[3]] == list(range(40))


def test_a_message_that_cannot_be_encoded_sends_nothing(pair: tuple[Any, Any]) -> None:
    one, other = pair
    with pytest.raises(codecs.EncodingError):
        one.send(1, 0, 0, CODEC, 0, object())
    assert other.receive(CODEC, 0) is None


def test_what_cannot_be_decoded_comes_with_its_error(pair: tuple[Any, Any]) -> None:
    one, other = pair
    assert one.send_encoded(5, 6, 7, "no.such", 1, b"\x80", None)
    kind, actor, request, value, error = other.receive(CODEC, 0)
    assert (kind, actor, request, value) == (5, 6, 7, None)
    assert isinstance(error, codecs.DecodingError)
    assert one.send_encoded(5, 6, 7, "python.value", 1, b"\x05", None)
    assert other.receive_encoded() == (5, 6, 7, "python.value", 1, b"\x05", None)


def test_another_process_answers(peer: tuple[Any, subprocess.Popen[bytes]]) -> None:
    channel, _ = peer
    for value in ("hello", [1, (2, 3)], b"x" * 300_000):
        assert channel.send(2, 4, 5, CODEC, 4, value)
        assert take(channel) == (3, 4, 5, value, None)


def test_a_flood_both_ways_loses_nothing(peer: tuple[Any, subprocess.Popen[bytes]]) -> None:
    channel, _ = peer
    count, sent, got = 20_000, 0, 0
    while got < count:
        if sent < count and channel.send(2, 0, sent, CODEC, 4, sent):
            sent += 1
            continue
        arrived = channel.receive(CODEC, 4)
        if arrived is None:
            channel.wait(0.01)
            continue
        assert arrived[2] == got == arrived[3]
        got += 1


def test_a_killed_peer_is_noticed_and_what_it_sent_is_still_received(
        peer: tuple[Any, subprocess.Popen[bytes]]) -> None:
    channel, process = peer
    for i in range(50):
        assert channel.send(2, 0, i, CODEC, 4, i)
    assert channel.send(9, 0, 0, CODEC, 4, None)
    assert process.wait(10) == -signal.SIGKILL
    for i in range(50):
        assert take(channel)[3] == i
    with pytest.raises(EOFError):
        take(channel)
    assert channel.peer_gone
    with pytest.raises(EOFError):
        channel.send(1, 0, 0, CODEC, 4, "nobody")


def test_a_peer_killed_while_this_side_sleeps_wakes_it(
        peer: tuple[Any, subprocess.Popen[bytes]]) -> None:
    channel, process = peer
    assert channel.send(2, 0, 0, CODEC, 4, "up")
    take(channel)
    killer = threading.Timer(0.05, process.kill)
    killer.start()
    with pytest.raises(EOFError):
        take(channel)
    killer.join()


def garbled(spoil: Any) -> Any:
    """A channel with frames in it, after `spoil(memory)` of the peer's."""
    one, memory, socket = native.new_channel(1 << 16)
    with mmap.mmap(memory, 0) as shared:
        other = native.attach_channel(os.dup(memory), socket)
        for i in range(5):
            other.send(1, 0, 0, CODEC, 0, "message %d" % i)
        spoil(shared)
    os.close(memory)
    return one, other


# The second direction's page of positions: its tail and head; its bytes.
TAIL, HEAD, BYTES = 4096 + 64, 4096 + 128, 8192 + (1 << 16)


@pytest.mark.parametrize("at, value", [
    (TAIL, 2**64 - 1), (TAIL, 2**63), (TAIL, (1 << 16) + 8), (TAIL, 4), (TAIL, 1),
    (BYTES, 2**64 - 1), (BYTES, 2**31), (BYTES, 17 << 32), (BYTES, 60_000), (BYTES, 1 << 32),
])
def test_positions_and_sizes_that_cannot_be_break_the_channel_and_nothing_else(
        at: int, value: int) -> None:
    one, _ = garbled(lambda shared: shared.__setitem__(slice(at, at + 8), struct.pack("<Q", value)))
    with pytest.raises(OSError, match="broke the channel's rules"):
        while one.receive(CODEC, 4) is not None:
            pass
    with pytest.raises(OSError):
        one.send(1, 0, 0, CODEC, 0, "more")


def test_a_head_that_runs_ahead_breaks_the_channel() -> None:
    one, memory, socket = native.new_channel(1 << 16)
    with mmap.mmap(memory, 0) as shared:
        shared[128:136] = struct.pack("<Q", 1 << 40)  # the first direction's head
    with pytest.raises(OSError, match="broke the channel's rules"):
        while True:
            one.send(1, 0, 0, CODEC, 0, "x" * 1000)
    os.close(memory)
    os.close(socket)


def test_random_damage_gives_frames_errors_or_an_end() -> None:
    pick = random.Random(11)
    outcomes = set()
    for _ in range(300):
        def spoil(shared: mmap.mmap) -> None:
            for _ in range(pick.randrange(1, 5)):
                shared[BYTES + pick.randrange(400)] = pick.randrange(256)

        one, _ = garbled(spoil)
        try:
            while (arrived := one.receive(CODEC, 4)) is not None:
                outcomes.add("frame" if arrived[4] is None else "error")
        except (OSError, UnicodeDecodeError):
            outcomes.add("broken")
    assert outcomes == {"frame", "error", "broken"}


def test_memory_that_is_no_channel_is_refused() -> None:
    for memory in (os.memfd_create("plain"), os.open(os.devnull, os.O_RDWR)):
        one, other, socket = native.new_channel(1 << 16)
        os.close(other)
        with pytest.raises(ValueError, match="malformed|socket"):
            native.attach_channel(memory, socket)
        del one


def test_the_capacity_is_checked() -> None:
    for capacity in (0, 1000, 100_000, 1 << 31):
        with pytest.raises(ValueError):
            native.new_channel(capacity)
    with pytest.raises(ValueError):
        native.Segment(0)


def test_no_descriptor_is_left_behind() -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = count()
    for _ in range(20):
        one, memory, socket = native.new_channel(1 << 16)
        other = native.attach_channel(memory, socket)
        one.send(1, 0, 0, CODEC, 4, [memoryview(bytes(100_000))])
        other.receive(CODEC, 4)
        one.send(1, 0, 0, CODEC, 4, [memoryview(bytes(100_000))])  # never received
        del one, other
    assert count() == before
