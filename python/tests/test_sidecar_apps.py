"""Apps in other languages that register with a sidecar of Python, over HTTP: here their bytes."""

from __future__ import annotations

import asyncio
import http.client
import http.server
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import odeon
import pytest
from odeon import errors
from odeon.persistence import Journal
from remote_kit import LIMIT, looped, until
from sidecar_kit import TEXT, Money, Text, a_bank, deposit, field, fields, state

from odeon import sidecar  # isort: skip; a package without it is skipped by the kit
from odeon.sidecar import ActorDef, Call, InvocationFailed, Sidecar, Value

ECHO = field(1, field(1, "echo")) + field(2, b"") + field(3, field(1, 1)) + b"".join(
    field(4, field(1, action)) for action in ("double", "fail", "pay"))
REGISTRATION = field(2, field(1, "apps") + field(2, field(1, field(1, "echo") + field(2, ECHO))))


def wanted(actor: str, system: str, action: str, value: Any) -> bytes:
    """An InvocationRequest."""
    sent = sidecar.pack(value)
    who = field(1, field(1, actor) + field(2, system))
    return (field(1, field(1, system)) + field(2, who) + field(3, action)
            + field(4, field(1, sent.type_url) + field(2, sent.value)))


def value_in(payload: bytes) -> Any:
    found = fields(payload)
    return sidecar.unpack(sidecar.Any(found[1][0].decode(), found[2][0]))


def post(at: str, path: str, body: bytes) -> dict[int, list[Any]]:
    asked = urllib.request.Request(f"http://{at}/api/v1/system{path}", body, {
        "Content-Type": "application/octet-stream"})
    with urllib.request.urlopen(asked, timeout=LIMIT) as answer:
        return fields(answer.read())


class App(http.server.ThreadingHTTPServer):
    """An app whose actor "echo" says what it was told twice; "fail" fails; "pay" invokes "ann" of
    Python while it runs, and answers what she did."""

    sidecar = ""


class Callback(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: App

    def do_POST(self) -> None:
        asked = fields(self.rfile.read(int(self.headers["Content-Length"])))
        action, status = asked[2][0].decode(), 200
        value = fields(asked[4][0])
        if action == "fail":
            status, body = 500, b"the app is tired"
        else:
            if action == "double":
                word = fields(value[2][0])[1][0]
                reply = field(1, TEXT) + field(2, field(1, word + word))
            else:
                answer = post(self.server.sidecar, "/bank/actors/ann/invoke",
                              wanted("ann", "bank", "deposit", value_in(asked[4][0])))
                reply = answer[4][0]
            body = field(1, "echo") + field(2, "apps") + field(4, reply)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def an_app() -> Iterator[App]:
    with App(("127.0.0.1", 0), Callback) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield server
        finally:
            server.shutdown()
            serving.join()


@looped
async def test_apps_register_over_http_and_call_actors_of_python_and_are_called() -> None:
    with an_app() as app:
        async with a_bank(ActorDef("ann").action("deposit", deposit),
                          app_port=app.server_port) as side:
            at = side.listen("127.0.0.1:0")
            answer = await asyncio.to_thread(post, at, "", REGISTRATION)
            assert fields(answer[1][0])[1] == [1]
            # An actor of Python invokes the app's.
            got = await side.invoke("echo", "double", Text("ab"), system="apps")
            assert got.unpack(Text).value == "abab"
            with pytest.raises(InvocationFailed, match="the app is tired"):
                await side.invoke("echo", "fail", Text("ab"), system="apps")
            # A client of HTTP invokes that of Python.
            answer = await asyncio.to_thread(post, at, "/bank/actors/ann/invoke",
                                             wanted("ann", "bank", "deposit", Money(5)))
            assert value_in(answer[4][0]) == Money(5)
            assert await state(side, "ann") == Money(5)


@looped
async def test_actions_of_an_app_and_of_python_invoke_each_other_while_they_run() -> None:
    async def shop(call: Call) -> Value:
        paid = await side.invoke("echo", "pay", call.value, system="apps", caller=call)
        return Value().reply(paid)

    with an_app() as app:
        async with a_bank(ActorDef("ann").action("deposit", deposit),
                          ActorDef("joe").action("shop", shop),
                          app_port=app.server_port) as side:
            app.sidecar = at = side.listen("127.0.0.1:0")
            await asyncio.to_thread(post, at, "", REGISTRATION)
            # HTTP to joe of Python, to echo of the app, to ann of Python, and all the way back.
            answer = await asyncio.to_thread(post, at, "/bank/actors/joe/invoke",
                                             wanted("joe", "bank", "shop", Money(7)))
            assert value_in(answer[4][0]) == Money(7)
            assert await state(side, "ann") == Money(7)
            assert await side.invoke("joe", "shop", Money(1)) == Money(8)


@looped
async def test_an_address_that_is_taken_is_told_and_a_socket_s_file_serves_too(
        tmp_path: Path) -> None:
    async with a_bank(ActorDef("ann").action("deposit", deposit)) as side:
        at = side.listen("127.0.0.1:0")
        with pytest.raises(errors.AddressInUse, match=at) as caught:
            side.listen(at)
        assert caught.value.address == at
        path = tmp_path / "sidecar.sock"
        assert side.listen(f"unix:{path}") == f"unix:{path}"
        with pytest.raises(errors.AddressInUse) as caught:
            side.listen(f"unix:{path}")
        assert caught.value.address == f"unix:{path}"

        def ask_by_file() -> tuple[int, bytes]:
            link = http.client.HTTPConnection("localhost", timeout=LIMIT)
            link.sock = socket.socket(socket.AF_UNIX)
            link.sock.connect(str(path))
            link.request("POST", "/api/v1/system/bank/actors/ann/invoke",
                         wanted("ann", "bank", "deposit", Money(5)))
            answer = link.getresponse()
            told = answer.status, answer.read()
            link.close()
            return told

        status, body = await asyncio.to_thread(ask_by_file)
        assert status == 200 and value_in(fields(body)[4][0]) == Money(5)
    assert not path.exists()


@looped
async def test_registrations_of_apps_are_recalled_after_a_restart(tmp_path: Path) -> None:
    with an_app() as app, Journal.sqlite(tmp_path / "states.db") as journal:
        options = {"journal": journal, "app_port": app.server_port, "remember": "ours"}
        async with a_bank(**options) as side:
            assert await side.recall() == 0
            at = side.listen("127.0.0.1:0")
            await asyncio.to_thread(post, at, "", REGISTRATION)
            with pytest.raises(errors.InvalidArgument, match="before the first listen"):
                await side.recall()
        async with a_bank(**options) as side:
            with pytest.raises(sidecar.ActorNotFound):
                await side.invoke("echo", "double", Text("ab"), system="apps")
            assert await side.recall() == 1
            got = await side.invoke("echo", "double", Text("ab"), system="apps")
            assert got.unpack(Text).value == "abab"
        async with a_bank(**{**options, "remember": None}) as side:
            assert await side.recall() == 0


@looped
async def test_an_answer_over_http_goes_out_before_the_end() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(call: Call) -> Value:
        begun.set()
        await go.wait()
        return Value().reply(2 * call.value)

    async with odeon.ActorSystem("bank") as system:
        async with Sidecar(system, request_time=LIMIT) as side:
            side.register(ActorDef("ann").action("slow", slow))
            at = side.listen("127.0.0.1:0")
            asked = asyncio.ensure_future(asyncio.to_thread(
                post, at, "/bank/actors/ann/invoke", wanted("ann", "bank", "slow", 21)))
            await asyncio.wait_for(begun.wait(), LIMIT)
            closing = asyncio.ensure_future(side.close(LIMIT))
            await until(lambda: refused(at))  # it takes nothing new
            go.set()
            assert value_in((await asked)[4][0]) == 42
            assert await closing == 0


def refused(at: str) -> bool:
    """Whether the server says that it is not ready, or takes no connection any more."""
    try:
        link = http.client.HTTPConnection(at, timeout=LIMIT)
        link.request("GET", "/health/readiness")
        return link.getresponse().status == 503
    except OSError:
        return True
