"""Ways to end for programs with processes, interpreters and journals; and loops of other kinds.

The twelve ways of a plain program stand in test_shutdown.py: forgotten systems of a loop and of a
thread, sys.exit and exceptions in main and in handlers, os._exit, Ctrl-C, SIGTERM with and without
a handler, handlers and threads that go on, a fork, and loops that were closed before.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import odeon
import pytest
from odeon import interpreters
from test_shutdown import HEAD, clean, program

TESTS = Path(__file__).parent
POOLS = [
    "subprocess(1)",
    pytest.param("subinterpreters(2)", marks=pytest.mark.skipif(
        not interpreters.subinterpreters_supported(),
        reason=str(interpreters.why_no_subinterpreters()))),
    "nogil(2, with_gil=True)",
]


@pytest.fixture
def pool_program(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A program whose system has a pool with an actor that has answered once."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), *filter(None, sys.path)]))

    def run(pool: str, rest: str, send: int = 0, block: str = "") -> Any:
        text = f"""
            import pool_actors
            from odeon import dispatchers
            system = odeon.ActorSystem.start("s", dispatchers={{"pool": dispatchers.{pool}}})
            counter = system.spawn(pool_actors.Counter, dispatcher="pool")
            assert counter.ask_blocking(pool_actors.Add(2), timeout=20) == 2
        """
        return program(textwrap.dedent(text) + textwrap.dedent(rest), send=send, limit=40.0)

    return run


@pytest.mark.parametrize("pool", POOLS)
def test_a_pool_that_nobody_stopped(pool_program: Callable[..., Any], pool: str) -> None:
    clean(pool_program(pool, "say('over')"), out="over\n")


@pytest.mark.parametrize("pool", POOLS)
def test_sys_exit_and_an_exception_with_a_pool(
        pool_program: Callable[..., Any], pool: str) -> None:
    clean(pool_program(pool, "sys.exit(3)"), code=3)
    ended = pool_program(pool, "with system: raise ValueError('mine')")
    assert ended.code == 1 and ended.err.count("Traceback") == 1


@pytest.mark.parametrize("block", ["with system: ", ""])
@pytest.mark.parametrize("pool", POOLS)
def test_control_c_with_a_pool(pool_program: Callable[..., Any], pool: str, block: str) -> None:
    """As without: 130 in a shell, which is what a program has that ends by the signal."""
    ended = pool_program(pool, f"{block}say('ready') or time.sleep(30)", send=signal.SIGINT)
    assert ended.code == -signal.SIGINT, ended.err
    assert ended.err.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.parametrize("pool", POOLS)
def test_sigterm_with_a_pool(pool_program: Callable[..., Any], pool: str) -> None:
    clean(pool_program(pool, "say('ready'); time.sleep(30)", send=signal.SIGTERM),
          code=-signal.SIGTERM)


def test_messages_on_their_way_to_a_process_hold_up_nothing(
        pool_program: Callable[..., Any]) -> None:
    ended = pool_program("subprocess(1)", """
        import logging
        logging.disable()
        for n in range(5000):
            counter.tell(pool_actors.Add(n))
        say("over")
    """)
    assert (ended.code, ended.out) == (0, "over\n")


def test_what_a_journal_acknowledged_is_there_after_a_program_that_stopped_nothing(
        tmp_path: Path) -> None:
    text = f"""
        from odeon import persistence as p
        class Account(p.EventSourced):
            persistence_id = "a"
            def initial_state(self): return 0
            def on_command(self, state, cmd, ctx):
                return p.persist(cmd).reply_with(lambda s: s) if cmd else state
            def on_event(self, state, event): return state + event
        system = odeon.ActorSystem.start("s", journal=p.Journal.sqlite({str(tmp_path / "j.db")!r}))
        account = system.spawn(Account)
        if account.ask_blocking(0) < 8:
            account.ask_blocking(4)
        say(account.ask_blocking(0))
    """
    clean(program(text), out="4\n")
    clean(program(text), out="8\n")


# -- loops of other kinds --------------------------------------------------------------------------


class Adder(odeon.Actor[Any]):
    async def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
            async with asyncio.TaskGroup() as group:
                one = group.create_task(asyncio.sleep(0, msg))
                two = group.create_task(asyncio.to_thread(lambda: 1))
        if msg < 0:
            raise ValueError("as told")
        return one.result() + two.result()


class Silent(odeon.Actor[Any]):
    async def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        await asyncio.Event().wait()


async def exercise() -> None:
    async with odeon.ActorSystem("s") as system:
        adder = system.spawn(Adder)
        assert await adder.ask(1) == 2
        assert await asyncio.gather(*(adder.ask(n) for n in range(20))) == list(range(1, 21))
        with pytest.raises(odeon.ActorFailed):
            await adder.ask(-1)
        with pytest.raises(odeon.AskTimeout):
            await asyncio.shield(system.spawn(Silent).ask(1, timeout=0.01))
        given_up = asyncio.ensure_future(adder.ask(1))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.gather(given_up, return_exceptions=True)
        assert await asyncio.wait_for(adder.ask(5), 5) == 6
        assert await asyncio.to_thread(lambda: adder.ask_blocking(7, timeout=5)) == 8


def test_asyncio_s_debug_mode_has_nothing_to_say() -> None:
    """With what it checks: calls from other threads, slow callbacks, coroutines never awaited."""
    text = HEAD + textwrap.dedent("""
        import test_endings
        asyncio.run(test_endings.exercise())
        assert asyncio.coroutines._is_debug_mode()
        say("ended")
    """)
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error::RuntimeWarning", "-c", text],
        env={**os.environ, "PYTHONASYNCIODEBUG": "1",
             "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)])},
        capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr
    for trouble in ("never awaited", "Non-thread-safe", "was destroyed", "ResourceWarning",
                    "exception was never retrieved"):
        assert trouble not in done.stderr, done.stderr


class OtherLoop(asyncio.AbstractEventLoop):
    """A loop that is none of asyncio's classes, as uvloop's is none: it passes all on to one."""

    def __init__(self) -> None:
        self._inner = asyncio.new_event_loop()

    def __getattribute__(self, name: str) -> Any:
        own = ("_inner", "__class__", "run_forever", "run_until_complete", "create_task",
               "create_future", "run_in_executor", "__dict__")
        if name in own:
            return object.__getattribute__(self, name)
        return getattr(object.__getattribute__(self, "_inner"), name)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, **options)

    async def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        made = self.create_future()
        inner = self._inner.run_in_executor(executor, func, *args)
        inner.add_done_callback(lambda done: made.set_result(done.result()))
        return await made

    def run_forever(self) -> None:
        # As BaseEventLoop.run_forever, but that the running loop is this one.
        inner: Any = self._inner
        inner._check_closed()
        asyncio._set_running_loop(self)
        inner._thread_id = __import__("threading").get_ident()
        try:
            while True:
                inner._run_once()
                if inner._stopping:
                    break
        finally:
            inner._stopping = False
            inner._thread_id = None
            asyncio._set_running_loop(None)

    def run_until_complete(self, future: Any) -> Any:
        future = asyncio.ensure_future(future, loop=self)
        future.add_done_callback(lambda _: self._inner.stop())
        self.run_forever()
        return future.result()


def test_a_loop_that_is_none_of_asyncio_s_own() -> None:
    loop = OtherLoop()
    try:
        loop.run_until_complete(exercise())
        loop._inner.run_until_complete(loop._inner.shutdown_default_executor())
    finally:
        loop.close()


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed")
def test_uvloop() -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(exercise())


def test_a_server_that_sets_up_its_loop_itself() -> None:
    """As uvicorn does: loops of its own, signals that it handles, several life cycles."""
    clean(
        program("""
        async def serve(last):
            loop = asyncio.get_running_loop()
            stop = asyncio.Event()
            loop.add_signal_handler(signal.SIGINT, stop.set)
            async with odeon.ActorSystem("app") as system:
                echo = system.spawn(Echo)
                async def serve_one(reader, writer):
                    while line := await reader.readline():
                        writer.write(await echo.ask(line))
                    writer.close()
                server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
                port = server.sockets[0].getsockname()[1]
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"hello\\n")
                say((await reader.readline()).decode().strip())
                writer.close()
                await writer.wait_closed()
                if last:
                    os.kill(os.getpid(), signal.SIGINT)
                    await stop.wait()
                server.close()
        for last in (False, False, True):
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            loop.run_until_complete(serve(last))
            asyncio.set_event_loop(None)
            loop.close()
        say("stopped")
    """),
        out="hello\nhello\nhello\nstopped\n",
    )
