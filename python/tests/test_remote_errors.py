"""What bad input gets: an exception of its own for each, with the peer's address and what to do.
Certificates are in test_remote_tls.py, contracts in test_remote_contracts.py."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import odeon
import pytest
from odeon import codecs, errors, events, remote
from remote_kit import LIMIT, Authority, a_node, a_process, looped, until
from remote_nodes import SECRET, Add, Counter, Load, Sleep, Stop, Total
from test_interop import Deposit, odeon_test_bank


def test_each_code_has_an_exception_of_its_own() -> None:
    for code, cls in {
        "unknown_host": errors.UnknownHost,
        "connection_refused": errors.ConnectionRefused,
        "connect_timeout": errors.ConnectTimeout,
        "unreachable": errors.Unreachable,
        "quarantined": errors.Quarantined,
        "authentication_failed": errors.AuthenticationFailed,
        "bad_certificate": errors.BadCertificate,
        "expired_certificate": errors.ExpiredCertificate,
        "incompatible_peer": errors.IncompatiblePeer,
        "protocol_violation": errors.ProtocolViolation,
        "unknown_manifest": errors.UnknownManifest,
        "contract_changed": errors.ContractChanged,
        "no_such_actor": errors.NoSuchActor,
        "stale": errors.Stale,
        "peer_overloaded": errors.PeerOverloaded,
        "placement_failed": errors.PlacementFailed,
        "address_in_use": errors.AddressInUse,
    }.items():
        assert type(errors.from_code(code, "text")) is cls and cls.code == code
        assert cls.__name__ in errors.__all__
    assert issubclass(errors.ConnectionRefused, ConnectionRefusedError)
    assert issubclass(errors.ConnectTimeout, TimeoutError)


def test_no_code_of_the_reference_is_without_an_exception() -> None:
    page = Path(__file__).resolve().parents[2] / "docs/reference/errors.md"
    codes = re.findall(r"^### `(\w+)` \((\d+)\)$", page.read_text("utf-8"), re.M)
    assert len(codes) >= 50
    classes = {code: type(errors.from_code(code, "text")) for code, _ in codes}
    internal = {code for code, cls in classes.items() if cls is errors.InternalError}
    assert internal == {"internal"}
    far = [code for code, number in codes if 80 <= int(number) < 99]
    assert len(far) > 10
    for code in far:  # of other machines: each is one's own
        assert [other for other, cls in classes.items() if cls is classes[code]] == [code]


@pytest.mark.parametrize("scheme", ["tcp", "ws", "wss", "unix"])
@looped
async def test_an_address_that_is_taken_is_told(tmp_path: Path, scheme: str) -> None:
    """By another program, an endpoint or a relay: one class, with the address."""
    family = socket.AF_UNIX if scheme == "unix" else socket.AF_INET
    with socket.socket(family) as taken:
        taken.bind(str(tmp_path / "there") if scheme == "unix" else ("127.0.0.1", 0))
        taken.listen()
        name = taken.getsockname()
        place = f"unix:{name}" if scheme == "unix" else f"127.0.0.1:{name[1]}"
        at = f"{scheme}://{name if scheme == 'unix' else place}"

        def caught(open_one: Callable[[], object]) -> None:
            with pytest.raises(errors.AddressInUse, match="cannot listen") as told:
                open_one()
            assert told.value.address == place and place in str(told.value)
            assert told.value.errno == errno.EADDRINUSE and isinstance(told.value, errors.IoFailed)

        async with odeon.ActorSystem("here") as here:
            security: dict[str, Any] = {"secret": SECRET}
            if scheme == "wss":
                security = {"tls": Authority(tmp_path).tls("here")}
            caught(lambda: remote.Endpoint(here, listen=at, **security))
            if scheme in ("tcp", "ws"):
                caught(lambda: remote.Relay(listen=at, secret=SECRET))


@looped
async def test_what_cannot_be_listened_at_for_another_reason_is_not_called_taken(
        tmp_path: Path) -> None:
    async with odeon.ActorSystem("here") as here:
        for at in ("tcp://192.0.2.1:7400", f"unix://{tmp_path / 'none' / 'there'}"):
            with pytest.raises(errors.IoFailed) as told:
                remote.Endpoint(here, listen=at, secret=SECRET)
            assert type(told.value) is errors.IoFailed


async def fails_with(error: type[Exception], node: str, **options: Any) -> str:
    options = {"secret": SECRET, **options}
    async with odeon.ActorSystem("here") as here, remote.Endpoint(here, **options) as net:
        with pytest.raises(error) as caught:
            await net.lookup(node, "counter", timeout=LIMIT)
        assert type(caught.value) is error
        assert node in str(caught.value)
        return str(caught.value)


@looped
async def test_a_host_that_is_not_known() -> None:
    text = await fails_with(errors.UnknownHost, "nobody.invalid:7400")
    assert "name" in text


@looped
async def test_nobody_listens() -> None:
    text = await fails_with(errors.ConnectionRefused, "127.0.0.1:1")
    assert "listen" in text


@contextlib.asynccontextmanager
async def a_server(answer: Callable[[Any, Any], Awaitable[None]]) -> AsyncIterator[str]:
    """Not a node: the address of something that is answered by `answer`."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"


@looped
async def test_a_server_that_never_answers_is_a_timeout() -> None:
    open_ones = []

    async def keep_silent(reader: Any, writer: Any) -> None:
        open_ones.append(writer)
        await reader.read()

    async with a_server(keep_silent) as node:
        await fails_with(errors.ConnectTimeout, node, limits={"handshake": 0.2})
        for writer in open_ones:
            writer.close()


@looped
async def test_a_server_that_is_no_node() -> None:
    async def speak_http(reader: Any, writer: Any) -> None:
        await reader.read(64)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 40)
        writer.close()

    async with a_server(speak_http) as node:
        text = await fails_with(errors.ProtocolViolation, node)
        assert "is the address right" in text


@looped
async def test_another_secret_and_none() -> None:
    async with a_node("there", listen="tcp://127.0.0.1:0") as (_, far):
        await fails_with(errors.AuthenticationFailed, far.node, secret="another secret, and long")
        text = await fails_with(errors.IncompatiblePeer, far.node, secret=None)
        assert "give both the same security" in text
        await until(lambda: sum(far.metrics().rejected.values()) >= 2)


@looped
async def test_an_unknown_path_and_an_earlier_actor() -> None:
    async with a_node("there", listen="tcp://127.0.0.1:0") as (there, far):
        async with a_node("here") as (_, near):
            with pytest.raises(errors.NoSuchActor, match="nobody") as caught:
                await near.resolve(f"odeon://there@{far.node}/user/nobody", timeout=LIMIT)
            assert far.node in str(caught.value)
            counter = await near.lookup(far.node, "counter", timeout=LIMIT)
            counter.tell(Stop())
            await until(lambda: there.lookup("counter") is None)
            there.spawn(Counter, name="counter")
            with pytest.raises(errors.Stale) as stale:
                await near.resolve(counter.path, timeout=LIMIT)
            assert far.node in str(stale.value)
            with pytest.raises(errors.OdeonError):
                await counter.ask(Total(), timeout=LIMIT)  # and never its successor


@looped
async def test_one_bad_message_leaves_the_connection_s_other_traffic_alone() -> None:
    async with a_node("there", listen="tcp://127.0.0.1:0") as (there, far):
        far.register("counter", Counter)
        async with a_node("here") as (_, near):
            counter = await near.lookup(far.node, "counter", timeout=LIMIT)
            hanging = asyncio.ensure_future(counter.ask(Sleep(), timeout=LIMIT))
            with pytest.raises(errors.EncodingError):
                counter.tell(object())
            with pytest.raises(errors.NoSuchActor):
                await near.lookup(far.node, "nobody", timeout=LIMIT)
            with pytest.raises(errors.SpawnFailed, match=far.node):
                await near.spawn_at(far.node, "counter", 1, 2, 3, timeout=LIMIT)
            other = await near.spawn_at(far.node, "counter", 3, timeout=LIMIT)
            assert await other.ask(Total(), timeout=LIMIT) == 3
            peer = near.metrics().peer(far.node)
            assert not hanging.done() and peer is not None and peer.connections == 1
            there.kill(there.lookup("counter"))
            with pytest.raises(errors.OdeonError):
                await hanging


@looped
async def test_a_full_queue_is_told() -> None:
    with a_process() as (process, node):
        limits = {"queue_bytes": "64KiB", "silent_after": 120.0, "give_up_after": 120.0}
        async with a_node("here", limits=limits) as (here, near):
            counter = await near.lookup(node, "counter", timeout=LIMIT)
            told: list[events.PeerOverloaded] = []
            with here.events.subscribe(told.append, events.PeerOverloaded):
                process.send_signal(signal.SIGSTOP)  # it takes nothing any more
                text = "x" * 1000
                for _ in range(10_000):
                    counter.tell(Load(text))
                await until(lambda: told)
            assert told[0].node == node and told[0].limit == 64 << 10
            peer = near.metrics().peer(node)
            assert peer is not None and peer.overloads >= 1
            assert peer.queued_bytes <= 64 << 10
            assert any(letter.reason == "peer_overloaded" for letter in here.dead_letters())
            with pytest.raises(errors.PeerOverloaded, match=node):
                while True:  # the kernel may have taken some of it meanwhile
                    with contextlib.suppress(errors.AskTimeout):
                        await counter.ask(Load(text), timeout=0.1)
                    for _ in range(100):
                        counter.tell(Load(text))
            process.send_signal(signal.SIGCONT)
            await until(lambda: near.metrics().peer(node).queued_bytes == 0)
            assert await counter.ask(Total(), timeout=LIMIT) == 0


@looped
async def test_a_quarantined_incarnation_is_told() -> None:
    async with a_node("there", listen="tcp://127.0.0.1:0") as (_, far):
        async with a_node("here") as (here, near):
            gone: list[events.PeerGone] = []
            with here.events.subscribe(gone.append, events.PeerGone):
                counter = await near.lookup(far.node, "counter", timeout=LIMIT)
                near.drop(far.node, quarantine=True)
                await until(lambda: gone)
            assert gone[0].node == far.node
            with pytest.raises((errors.Unreachable, errors.ActorStopped)):
                await counter.ask(Total(), timeout=LIMIT)
            with pytest.raises(errors.Quarantined, match=far.node):
                await near.lookup(far.node, "counter", timeout=LIMIT)
            assert near.metrics().quarantined == 1


@looped
async def test_metrics_say_what_went_on() -> None:
    async with a_node("there", listen="tcp://127.0.0.1:0") as (there, far):
        ups: list[events.PeerUp] = []
        with there.events.subscribe(ups.append, events.PeerUp):
            async with a_node("here", listen="tcp://127.0.0.1:0") as (_, near):
                before = near.metrics()
                assert before.peers == () and before.sent.messages == 0
                counter = await near.lookup(far.node, "counter", timeout=LIMIT)
                for n in range(100):
                    counter.tell(Add(n))
                await counter.ask(Total(), timeout=LIMIT)
                after = near.metrics()
                assert after.sent.messages >= 101 and after.received.messages >= 1
                assert after.attempts >= 1 and after.connections == 1
                peer = after.peer(far.node)
                assert peer is not None and peer.state == "up" and peer.incarnation
                assert peer.sent.messages >= 101 and peer.queued_messages == 0
                assert after.peer("10.0.0.9:1") is None
                assert set(after.rejected) >= {"authentication", "certificate", "violation"}
                assert not any(after.rejected.values())
                rates = after.since(before)
                assert rates.messages_sent > 0 and rates.bytes_sent > rates.messages_sent
                assert far.metrics().accepted == 1
                await until(lambda: ups)
                assert ups[0].node == near.node and ups[0].system == "here"
            await until(lambda: far.metrics().gone == 1)


@looped
async def test_events_tell_of_who_was_not_let_in_and_who_went() -> None:
    async with a_node("there", listen="tcp://127.0.0.1:0") as (there, far):
        told: list[events.RuntimeEvent] = []
        kinds = (events.PeerRejected, events.PeerDown, events.PeerGone)
        with there.events.subscribe(told.append, *kinds):
            await fails_with(errors.AuthenticationFailed, far.node, secret="not the same secret")
            await until(lambda: told)
            rejected = told[0]
            assert isinstance(rejected, events.PeerRejected)
            assert rejected.why == "authentication" and rejected.reason and rejected.address
            async with a_node("here", listen="tcp://127.0.0.1:0") as (_, near):
                await near.lookup(far.node, "counter", timeout=LIMIT)
                node = near.node
            await until(lambda: any(isinstance(e, events.PeerGone) for e in told))
            assert next(e for e in told if isinstance(e, events.PeerGone)).node == node


@looped
async def test_an_actor_of_cpp_takes_what_it_has_a_handler_for() -> None:
    async with a_node("there", listen="tcp://127.0.0.1:0") as (there, far):
        odeon_test_bank.start(there)
        async with a_node("here") as (_, near):
            bank = await near.lookup(far.node, "bank", (Deposit,), timeout=LIMIT)
            total = await bank.ask(Deposit("a", 7), timeout=LIMIT)
            assert total.cents == 7
            closed = codecs.default._names["bank.Closed"]  # known there, and no message of a bank
            with pytest.raises(errors.WrongType, match="bank.Closed") as caught:
                await near.lookup(far.node, "bank", (closed,), timeout=LIMIT)
            assert far.node in str(caught.value)


@looped
async def test_the_core_makes_actors_of_python_for_others() -> None:
    """What a node of C++ asks for, which knows nothing of Python's own way."""
    async with a_node("there", listen="tcp://127.0.0.1:0") as (there, far):
        far.register("counter", Counter)
        async with a_node("here") as (_, near):
            native = odeon._native.Endpoint
            made = await native._spawn_at(near, far.node, "counter", "made", [5], LIMIT)
            assert await made.ask(Total(), timeout=LIMIT) == 5
            made.tell(Add(2))
            assert await made.ask(Total(), timeout=LIMIT) == 7
            assert there.lookup("made")
            with pytest.raises(errors.NotFound, match="nothing"):
                await native._spawn_at(near, far.node, "nothing", "", [], LIMIT)
            with pytest.raises(errors.NameTaken, match="made"):
                await native._spawn_at(near, far.node, "counter", "made", [5], LIMIT)
            failing = await native._spawn_at(near, far.node, "counter", "", [1, 2, 3], LIMIT)
            with pytest.raises(errors.OdeonError):
                await failing.ask(Total(), timeout=LIMIT)


def test_an_endpoint_whose_system_has_ended_says_so() -> None:
    async def run() -> remote.Endpoint:
        async with odeon.ActorSystem("here") as here:
            return remote.Endpoint(here, secret=SECRET)

    net = asyncio.run(run())
    for call in (net.metrics, net.peers, lambda: net.drop("127.0.0.1:1")):
        with pytest.raises(errors.SystemStopped):
            call()
    net.close()
    gc.collect()


@pytest.mark.parametrize("text", ["no address", "odeon://there", "odeon://there@1.2.3.4:5"])
@looped
async def test_what_is_no_address_is_refused(text: str) -> None:
    async with a_node("here") as (_, near):
        with pytest.raises(ValueError):
            await near.resolve(text)


def test_a_program_s_errors_are_caught_by_the_classes_of_python() -> None:
    """`except ConnectionError` is enough for a program that wants no more."""
    done = subprocess.run(
        [sys.executable, "-c",
         "import asyncio, odeon\nfrom odeon import remote\n"
         "async def main():\n"
         "    async with odeon.ActorSystem('a') as s, remote.Endpoint(s) as net:\n"
         "        try:\n"
         "            await net.lookup('127.0.0.1:1', 'x', timeout=30.0)\n"
         "        except ConnectionRefusedError as e:\n"
         "            print('refused', '127.0.0.1:1' in str(e))\n"
         "asyncio.run(main())\n"],
        capture_output=True, text=True, timeout=50, check=False)
    assert done.stdout == "refused True\n", done.stderr
