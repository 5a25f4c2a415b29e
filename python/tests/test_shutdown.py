"""Ways for a program to end: each ends in time, with its exit code, and without a word from us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass

import pytest

HEAD = """
import asyncio, os, signal, sys, threading, time
import odeon

class Echo(odeon.Actor):
    def receive(self, msg, ctx):
        return msg

class Do(odeon.Actor):
    async def receive(self, msg, ctx):
        made = msg(ctx)
        return await made if asyncio.iscoroutine(made) else made

class DoNow(odeon.Actor):
    def receive(self, msg, ctx):
        return msg(ctx)

async def hang(ctx):
    await asyncio.Event().wait()

def say(text):
    print(text, flush=True)
"""

LIMIT_S = 120.0


@dataclass
class Ended:
    code: int
    out: str
    err: str


def program(text: str, send: int = 0, limit: float = LIMIT_S) -> Ended:
    """Runs it; sends it that signal once it has said "ready"."""
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", HEAD + textwrap.dedent(text)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    out = ""
    if send:
        out = process.stdout.readline()
        process.send_signal(send)
    try:
        more, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # shows its stacks
        try:
            more, err = process.communicate(timeout=1)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            more, err = process.communicate()
        pytest.fail(f"it does not end\n{out}{more}\n{err}", pytrace=False)
    assert "Fatal Python error" not in err, err
    assert "terminate called" not in err, err
    return Ended(process.returncode, out + more, err)


def clean(ended: Ended, code: int = 0, out: str | None = None) -> None:
    assert ended.err == ""
    assert ended.code == code
    if out is not None:
        assert ended.out == out


# -- the caller forgot to stop --------------------------------------------------------------------


def test_a_system_on_a_loop_that_nobody_stopped() -> None:
    clean(
        program("""
        async def main():
            system = odeon.ActorSystem("open")
            say(await system.spawn(Echo).ask("hello"))
            kept.append(system)
        kept = []
        asyncio.run(main())
    """),
        out="hello\n",
    )


def test_a_system_on_a_loop_that_nobody_kept() -> None:
    clean(
        program("""
        async def main():
            say(await odeon.ActorSystem("open").spawn(Do).ask(lambda ctx: "hello"))
        asyncio.run(main())
    """),
        out="hello\n",
    )


@pytest.mark.parametrize("actor", ["DoNow", "Do"])
def test_a_system_on_a_thread_that_nobody_stopped(actor: str) -> None:
    clean(
        program(f"""
        system = odeon.ActorSystem.start("open")
        say(system.spawn({actor}).ask_blocking(lambda ctx: "hello"))
    """),
        out="hello\n",
    )


def test_a_system_on_a_thread_that_nobody_kept() -> None:
    clean(
        program("""
        say(odeon.ActorSystem.start("open").spawn(Echo).ask_blocking("hello"))
    """),
        out="hello\n",
    )


def test_post_stop_runs_for_a_system_that_nobody_stopped() -> None:
    clean(
        program("""
        class Says(odeon.Actor):
            def receive(self, msg, ctx):
                return msg
            def post_stop(self):
                say("post_stop")
        system = odeon.ActorSystem.start("open")
        say(system.spawn(Says).ask_blocking("hello"))
    """),
        out="hello\npost_stop\n",
    )


def test_several_systems_of_both_kinds_that_nobody_stopped() -> None:
    clean(
        program("""
        kept = [odeon.ActorSystem.start("one"), odeon.ActorSystem.start("two")]
        for system in kept:
            system.spawn(Echo).ask_blocking(1)
        async def main():
            kept.append(odeon.ActorSystem("three"))
            say(await kept[-1].spawn(Do).ask(lambda ctx: "hello"))
        asyncio.run(main())
    """),
        out="hello\n",
    )


# -- sys.exit and exceptions ----------------------------------------------------------------------


def test_sys_exit_in_main_of_a_loop() -> None:
    clean(
        program("""
        async def main():
            async with odeon.ActorSystem("s") as system:
                await system.spawn(Echo).ask("x")
                sys.exit(3)
        asyncio.run(main())
    """),
        code=3,
    )


def test_sys_exit_in_main_of_a_thread_s_system() -> None:
    clean(
        program("""
        with odeon.ActorSystem.start("s") as system:
            system.spawn(Echo).ask_blocking("x")
            sys.exit(3)
    """),
        code=3,
    )


def test_sys_exit_without_a_block_around() -> None:
    clean(
        program("""
        system = odeon.ActorSystem.start("s")
        system.spawn(Do).ask_blocking(lambda ctx: "x")
        sys.exit(3)
    """),
        code=3,
    )


@pytest.mark.parametrize("wait", ["", "await asyncio.sleep(0);"])
def test_sys_exit_in_a_handler_ends_the_loop(wait: str) -> None:
    ended = program(f"""
        import logging
        logging.disable()
        async def leave(ctx):
            {wait} sys.exit(4)
        async def main():
            async with odeon.ActorSystem("s") as system:
                system.spawn(Do).tell(leave)
                await asyncio.Event().wait()
        asyncio.run(main())
    """)
    assert "Traceback" not in ended.err
    assert ended.code == 4


def test_sys_exit_in_a_handler_on_a_thread_ends_the_block() -> None:
    ended = program("""
        import logging
        logging.disable()
        def leave(ctx):
            sys.exit(4)
        with odeon.ActorSystem.start("s") as system:
            system.spawn(DoNow).tell(leave)
            system.when_terminated().wait()
            say("ended")
    """)
    assert "Traceback" not in ended.err
    assert (ended.code, ended.out) == (4, "ended\n")


def test_an_exception_out_of_main_is_the_only_one() -> None:
    ended = program("""
        async def main():
            async with odeon.ActorSystem("s") as system:
                await system.spawn(Echo).ask("x")
                raise ValueError("mine")
        asyncio.run(main())
    """)
    assert ended.code == 1
    assert ended.err.count("Traceback") == 1
    assert ended.err.rstrip().endswith("ValueError: mine")


def test_an_exception_out_of_main_without_a_block() -> None:
    ended = program("""
        system = odeon.ActorSystem.start("s")
        system.spawn(Echo).ask_blocking("x")
        raise ValueError("mine")
    """)
    assert ended.code == 1
    assert ended.err.count("Traceback") == 1


def test_os_exit_ends_at_once() -> None:
    clean(
        program("""
        system = odeon.ActorSystem.start("s")
        system.spawn(Do).tell(hang)
        system.spawn(Echo).ask_blocking("x")
        os._exit(5)
    """),
        code=5,
    )


# -- signals --------------------------------------------------------------------------------------


def test_control_c_in_main_of_a_loop() -> None:
    ended = program(
        """
        async def main():
            async with odeon.ActorSystem("s") as system:
                await system.spawn(Echo).ask("x")
                say("ready")
                try:
                    await asyncio.Event().wait()
                finally:
                    say("leaves")
        asyncio.run(main())
    """,
        send=signal.SIGINT,
    )
    assert ended.code == -signal.SIGINT
    assert ended.out == "ready\nleaves\n"
    assert ended.err.rstrip().endswith("KeyboardInterrupt")


def test_control_c_while_a_handler_waits() -> None:
    ended = program(
        """
        async def main():
            async with odeon.ActorSystem("s", shutdown_limit=0.2) as system:
                async def body(ctx):
                    say("ready")
                    await asyncio.Event().wait()
                await system.spawn(Do).ask(body, timeout=None)
        asyncio.run(main())
    """,
        send=signal.SIGINT,
    )
    assert ended.code == -signal.SIGINT, ended.err
    assert ended.err.rstrip().endswith("KeyboardInterrupt")


def test_control_c_while_a_handler_computes() -> None:
    ended = program(
        """
        import logging
        logging.disable()
        def body(ctx):
            say("ready")
            until = time.monotonic() + 0.3
            while time.monotonic() < until:
                pass
            return "done"
        async def main():
            async with odeon.ActorSystem("s") as system:
                say(await system.spawn(DoNow).ask(body))
                await asyncio.Event().wait()
        asyncio.run(main())
    """,
        send=signal.SIGINT,
    )
    assert ended.code == -signal.SIGINT, ended.err


def test_control_c_in_a_program_of_threads() -> None:
    ended = program(
        """
        with odeon.ActorSystem.start("s", shutdown_limit=0.2) as system:
            system.spawn(Do).tell(hang)
            say("ready")
            while True:
                time.sleep(0.05)  # CPython sees no signal that comes just before it sleeps
    """,
        send=signal.SIGINT,
    )
    assert ended.code == -signal.SIGINT, ended.err
    assert ended.err.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.parametrize("kind", ["loop", "thread"])
def test_sigterm_ends_as_it_does_by_default(kind: str) -> None:
    ended = program(
        """
        system = odeon.ActorSystem.start("s")
        system.spawn(Do).tell(hang)
        say("ready")
        time.sleep(30)
    """
        if kind == "thread"
        else """
        async def main():
            async with odeon.ActorSystem("s") as system:
                system.spawn(Do).tell(hang)
                say("ready")
                await asyncio.sleep(30)
        asyncio.run(main())
    """,
        send=signal.SIGTERM,
    )
    clean(ended, code=-signal.SIGTERM)


def test_sigterm_with_a_handler_of_the_program() -> None:
    clean(
        program(
            """
        async def main():
            stop = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
            async with odeon.ActorSystem("s") as system:
                say("ready")
                await stop.wait()
            say("stopped")
        asyncio.run(main())
    """,
            send=signal.SIGTERM,
        ),
        out="ready\nstopped\n",
    )


# -- with work under way --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["loop", "thread"])
def test_handlers_that_wait_for_ever_are_cancelled_after_the_limit(kind: str) -> None:
    ended = program(
        """
        async def body(ctx):
            try:
                await asyncio.Event().wait()
            finally:
                say("cancelled")
    """
        + (
            """
        async def main():
            async with odeon.ActorSystem("s", shutdown_limit=0.1) as system:
                for _ in range(3):
                    system.spawn(Do).tell(body)
                await system.spawn(Do).ask(lambda ctx: "barrier")
            say("left")
        asyncio.run(main())
    """
            if kind == "loop"
            else """
        with odeon.ActorSystem.start("s", shutdown_limit=0.1) as system:
            for _ in range(3):
                system.spawn(Do).tell(body)
            system.spawn(Do).ask_blocking(lambda ctx: "barrier")
        say("left")
    """
        )
    )
    assert (ended.code, ended.out) == (0, "cancelled\n" * 3 + "left\n"), ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("kind", ["loop", "thread"])
def test_handlers_that_wait_in_a_system_that_nobody_stopped(kind: str) -> None:
    ended = program(
        """
        kept = []
        async def main():
            kept.append(odeon.ActorSystem("s", shutdown_limit=0.1))
            kept[0].spawn(Do).tell(hang)
            await kept[0].spawn(Do).ask(lambda ctx: "barrier")
        asyncio.run(main())
    """
        if kind == "loop"
        else """
        system = odeon.ActorSystem.start("s", shutdown_limit=0.1)
        system.spawn(Do).tell(hang)
        system.spawn(Do).ask_blocking(lambda ctx: "barrier")
    """
    )
    assert ended.code == 0, ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("kind", ["loop", "thread"])
def test_armed_timers_and_queued_messages_hold_up_nothing(kind: str) -> None:
    clean(
        program(
            """
        class Timed(odeon.Actor):
            def pre_start(self, ctx):
                ctx.send_every(0.001, 0.001, "tick")
                ctx.send_after(3600, "late")
            def receive(self, msg, ctx):
                return msg
    """
            + (
                """
        async def main():
            async with odeon.ActorSystem("s") as system:
                actor = system.spawn(Timed)
                await actor.ask("x")
                for n in range(100_000):
                    actor.tell(n)
        asyncio.run(main())
    """
                if kind == "loop"
                else """
        with odeon.ActorSystem.start("s") as system:
            actor = system.spawn(Timed)
            actor.ask_blocking("x")
            for n in range(100_000):
                actor.tell(n)
    """
            )
        )
    )


@pytest.mark.parametrize("kind", ["loop", "thread"])
def test_timers_and_messages_of_a_system_that_nobody_stopped(kind: str) -> None:
    clean(
        program(
            """
        class Timed(odeon.Actor):
            def pre_start(self, ctx):
                ctx.send_every(0.001, 0.001, "tick")
            def receive(self, msg, ctx):
                return msg
        kept = []
        def fill(system):
            kept.append(system)
            actor = system.spawn(Timed)
            for n in range(50_000):
                actor.tell(n)
    """
            + (
                """
        async def main():
            fill(odeon.ActorSystem("s"))
        asyncio.run(main())
    """
                if kind == "loop"
                else """
        fill(odeon.ActorSystem.start("s"))
    """
            )
        )
    )


def test_a_daemon_thread_that_goes_on_telling() -> None:
    clean(
        program("""
        system = odeon.ActorSystem.start("s")
        actor = system.spawn(Echo)
        def tells():
            while True:
                actor.tell("x")
                time.sleep(0)
        threading.Thread(target=tells, daemon=True).start()
        actor.ask_blocking("x")
    """)
    )


def test_a_thread_that_waits_for_an_answer_at_the_end() -> None:
    ended = program("""
        system = odeon.ActorSystem.start("s", shutdown_limit=0.1)
        actor = system.spawn(Do)
        entered = threading.Event()
        async def body(ctx):
            entered.set()
            await asyncio.Event().wait()
        def asks():
            try:
                actor.ask_blocking(body, timeout=None)
            except odeon.OdeonError as e:
                say(type(e).__name__)
        threading.Thread(target=asks).start()
        entered.wait()
    """)
    assert ended.code == 0, ended.err
    assert ended.out in ("ActorKilled\n", "ActorStopped\n", "ActorFailed\n", "SystemStopped\n")
    assert "Traceback" not in ended.err


def test_a_handler_that_blocks_for_longer_than_the_limit_is_waited_for() -> None:
    ended = program("""
        with odeon.ActorSystem.start("s", shutdown_limit=0.1) as system:
            def body(ctx):
                say("begins")
                begun.set()
                time.sleep(0.5)
                say("ends")
            begun = threading.Event()
            system.spawn(DoNow).tell(body)
            begun.wait()
        say("left")
    """)
    assert (ended.code, ended.out) == (0, "begins\nends\nleft\n"), ended.err


# -- fork, and one after another ------------------------------------------------------------------


def test_a_child_that_was_forked_is_told_not_to_go_on() -> None:
    ended = program("""
        import warnings
        warnings.simplefilter("ignore")
        with odeon.ActorSystem.start("s") as system:
            actor = system.spawn(Echo)
            actor.ask_blocking("x")
            child = os.fork()
            if child == 0:
                try:
                    odeon.ActorSystem.start("t")
                except odeon.OdeonError as e:
                    say(str(e)[:33])
                try:
                    actor.ask_blocking("x", timeout=0.1)
                except odeon.OdeonError as e:
                    say(str(e)[:33])
                os._exit(7)
            say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    clean(
        ended,
        out="this process was forked from one "
        + "\n"
        + "this process was forked from one "
        + "\n7\n",
    )


def test_a_child_that_was_forked_ends_by_itself() -> None:
    clean(
        program("""
        import warnings
        warnings.simplefilter("ignore")
        system = odeon.ActorSystem.start("s")
        system.spawn(Echo).ask_blocking("x")
        child = os.fork()
        if child == 0:
            sys.exit(7)
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """),
        out="7\n",
    )


def test_runs_one_after_another() -> None:
    clean(
        program("""
        async def main(n):
            async with odeon.ActorSystem(f"s{n}") as system:
                async def body(ctx):
                    await asyncio.sleep(0)
                    return n
                return await system.spawn(Do).ask(body)
        say([asyncio.run(main(n)) for n in range(20)])
        with odeon.ActorSystem.start("last") as system:
            say(system.spawn(Do).ask_blocking(lambda ctx: "last"))
    """),
        out=str(list(range(20))) + "\nlast\n",
    )


def test_a_loop_that_is_closed_before_its_system_is_stopped() -> None:
    clean(
        program("""
        kept = []
        async def open_one():
            kept.append(odeon.ActorSystem("s"))
            await kept[0].spawn(Do).ask(lambda ctx: 1)
        loop = asyncio.new_event_loop()
        loop.run_until_complete(open_one())
        loop.close()
        say(kept[0].stop_blocking())
    """),
        out="True\n",
    )


def test_a_run_while_a_thread_s_system_lives() -> None:
    clean(
        program("""
        with odeon.ActorSystem.start("outer") as outer:
            echo = outer.spawn(Echo)
            async def main():
                async with odeon.ActorSystem("inner") as inner:
                    async def body(ctx):
                        return await echo.ask("across")
                    return await inner.spawn(Do).ask(body)
            say(asyncio.run(main()))
    """),
        out="across\n",
    )


def test_stopping_twice_is_stopping_once() -> None:
    clean(
        program("""
        system = odeon.ActorSystem.start("s")
        say(system.stop_blocking())
        say(system.stop_blocking())
        async def main():
            system = odeon.ActorSystem("t")
            say(await system.stop())
            say(await system.stop())
        asyncio.run(main())
    """),
        out="True\n" * 4,
    )
