"""Metrics, snapshots, dead letters, hops, the log, and the Prometheus exposition."""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import odeon
import pytest
from odeon import events, telemetry
from odeon.testing import TestKit


class Echo(odeon.Actor[Any]):
    def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        if msg == "log":
            ctx.log.info("%s of %s", 3, 7)
            ctx.log.warning("with more", extra={"order": 17})
        if msg == "trace":
            return ctx.trace
        if msg == "fail":
            raise ValueError("no")
        if isinstance(msg, tuple):
            msg[0].tell("passed on")
        return msg


class Waiter(odeon.Actor[Any]):
    async def receive(self, msg: Any) -> Any:
        return await msg.ask("never", timeout=60.0)


class Parent(odeon.Actor[str]):
    def pre_start(self, ctx: odeon.Context) -> None:
        ctx.spawn(Echo, name="first")
        ctx.spawn(Echo, name="second")

    def receive(self, msg: str, ctx: odeon.Context) -> None:
        ctx.stash()


class Silent(odeon.Actor[Any]):
    async def receive(self, msg: Any) -> None:
        await asyncio.sleep(3600)


def test_metrics_count_what_happens() -> None:
    with TestKit() as kit:
        echo = kit.system.spawn(Echo)
        assert echo.ask_blocking("x") == "x"
        echo.tell("fail")
        kit.run_until_idle()
        kit.system.stop_actor(echo)
        kit.run_until_idle()
        echo.tell("lost")
        numbers = kit.system.metrics()
        assert numbers["spawned"] == numbers["stopped"] == 1
        assert numbers["failures"] == numbers["restarts"] == 1
        assert numbers["dead_letters"] == 2  # the one in hand, and the lost one
        assert numbers["messages"] >= 2
        assert numbers["hosts"]["python-loop"]["messages"] == 2
        assert [letter.reason for letter in kit.system.dead_letters()] == [
            "handler_failed", "actor_stopped"]


def test_a_snapshot_is_the_tree_of_actors_and_says_who_waits_for_whom() -> None:
    with TestKit() as kit:
        parent = kit.system.spawn(Parent, name="parent")
        parent.tell("set aside")
        silent = kit.system.spawn(Silent, name="silent")
        waiter = kit.system.spawn(Waiter, name="waiter")
        waiter.tell(silent)
        waiter.tell(silent)
        kit.system.spawn(Waiter, name="busy").tell(kit.probe("probe").ref)
        kit.run_until_idle()
        now = kit.system.snapshot()
        assert now.name == "test" and now.actors == 7
        assert [each.name for each in now.top] == ["parent", "silent", "waiter", "busy", "probe"]
        tree = now.find("/user/parent")
        assert tree is not None and tree.stashed == 1 and tree.uid == parent.uid
        assert [child.name for child in tree.children] == ["first", "second"]
        stuck = now.find("/user/waiter")
        assert stuck is not None
        assert (stuck.state, stuck.message, stuck.mailbox_depth) == (
            "waiting", "odeon._native.ActorRef", 1)
        assert stuck.waiting_for == "/user/silent"
        assert stuck.type == f"{__name__}.Waiter"
        text = str(now)
        assert "waiter waiting, 1 waiting" in text and "waits for /user/silent" in text
        assert "    first idle" in text
        assert now.find("/user/nobody") is None


class Caller(odeon.Actor[Any]):
    """Asks the other one back, until the cycle is refused or let in."""

    def __init__(self) -> None:
        self.other: odeon.ActorRef[Any] | None = None

    async def receive(self, msg: Any) -> Any:
        if isinstance(msg, odeon.ActorRef):
            self.other = msg
        elif msg > 0:
            assert self.other is not None
            return await self.other.ask(msg - 1) + 1
        return msg


def test_asks_that_wait_for_each_other_are_found_and_the_chain_is_told() -> None:
    with TestKit() as kit:
        found: list[events.CallCycleFound] = []
        kit.system.events.subscribe(found.append, events.CallCycleFound)
        a, b = kit.system.spawn(Caller, name="a"), kit.system.spawn(Caller, name="b")
        a.tell(b)
        b.tell(a)
        assert a.ask_blocking(1) == 1
        with pytest.raises(odeon.ActorFailed, match="would wait for itself: /user/b asks /user/a"):
            a.ask_blocking(3)
        assert kit.now() < 0.1
        (cycle,) = found
        assert "/user/a asks /user/b" in cycle.chain and not cycle.allowed
        assert kit.system.metrics()["call_cycles"] == 1


def test_a_handler_that_waits_for_no_actor_any_more_is_shown_so() -> None:
    class Steps(odeon.Actor[Any]):
        async def receive(self, msg: Any) -> None:
            await msg.ask("x")
            await asyncio.sleep(60)

    with TestKit() as kit:
        probe = kit.probe("probe")
        kit.system.spawn(Steps, name="steps").tell(probe.ref)
        probe.expect_message_blocking("x")

        def waits_for() -> str | None:
            found = kit.system.snapshot().find("/user/steps")
            assert found is not None and found.state == "waiting"
            return found.waiting_for

        assert waits_for() == "/user/probe"
        probe.reply(1)
        kit.run_until_idle()
        assert waits_for() is None


def test_recent_hops_follow_one_chain() -> None:
    with TestKit() as kit:
        first, second = kit.system.spawn(Echo), kit.system.spawn(Echo)
        second.tell("something else")
        first.tell((second,))
        kit.run_until_idle()
        begun = next(hop for hop in kit.system.recent_hops() if hop.message == "tuple")
        chain = kit.system.recent_hops(begun.trace)
        assert [hop.message for hop in chain] == ["tuple", "str"]
        assert chain[1].cause == chain[0].id and chain[0].cause == 0
        assert [hop.actor for hop in chain] == [first.uid, second.uid]
        trace = first.ask_blocking("trace")
        assert [hop.trace for hop in kit.system.recent_hops(trace)] == [trace]


def test_an_actors_log_is_that_of_its_class_and_names_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), TestKit() as kit:
        kit.system.spawn(Echo, name="writer").tell("log")
        kit.run_until_idle()
    first, second = [each for each in caplog.records if each.name == f"{__name__}.Echo"]
    assert first.getMessage() == "/user/writer: 3 of 7"
    assert first.actor == "/user/writer"  # type: ignore[attr-defined]
    assert second.actor == "/user/writer" and second.order == 17  # type: ignore[attr-defined]


def test_a_failure_is_logged_once_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with TestKit() as kit:
        kit.system.spawn(Echo, name="weak").tell("fail")
        kit.run_until_idle()
    told = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert [each.name for each in told] == ["odeon.actor"]
    assert told[0].exc_info is not None and "weak" in told[0].getMessage()


PROGRAM = """
import logging, sys
import odeon
class Fails(odeon.Actor):
    def receive(self, msg):
        return 1
    def post_stop(self):
        raise KeyError("in the hook")
if sys.argv[1] == "file":
    logging.basicConfig(filename=sys.argv[2], format="%(name)s|%(message)s")
with odeon.ActorSystem.start("app") as system:
    ref = system.spawn(Fails, name="a")
    ref.ask_blocking(1)
"""


def test_lines_of_cpp_threads_go_to_the_log_and_not_to_stderr(tmp_path: Any) -> None:
    log = tmp_path / "log"
    done = subprocess.run([sys.executable, "-c", PROGRAM, "file", str(log)], capture_output=True,
                          text=True, timeout=120, check=True)
    assert done.stderr == ""
    assert re.search(r"odeon\.actor\|/user/a.*in the hook", log.read_text("utf-8"))


class Breaks(odeon.Actor[str]):
    def receive(self, msg: str) -> None:
        pass

    def post_stop(self, ctx: odeon.Context) -> None:
        raise KeyError("at the very end")


def test_lines_that_come_while_the_last_system_closes_are_held_and_written(
        caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    from odeon import _logs

    with TestKit() as kit:
        ref = kit.system.spawn(Breaks, name="breaks")
        kit.run_until_idle()
        _logs.detach(kit.system)
        kit.system.stop_actor(ref)
        kit.run_until_idle()
        assert caplog.records == []
        _logs.flush()
        (record,) = caplog.records
        assert record.name == "odeon.actor" and "at the very end" in record.getMessage()
    assert capfd.readouterr().err == ""


def test_the_runtimes_log_follows_the_level_of_the_logger(caplog: pytest.LogCaptureFixture) -> None:
    from odeon import _logs

    assert [_logs._native_level(each) for each in (1, 10, 11, 30, 40, 50)] == [0, 1, 2, 3, 4, 5]
    with caplog.at_level(logging.DEBUG, "odeon"):
        _logs.write(0, "events", "a trace", 0)
        _logs.write(1, "/user/a", "seen", 2)
    assert [(each.name, each.levelno, each.getMessage()) for each in caplog.records] == [
        ("odeon.actor", 10, "/user/a: seen"),
        ("odeon", 30, "2 lines of the log were lost: too many at once")]


def test_prometheus_has_a_family_for_each_metric_and_escapes_labels() -> None:
    with TestKit(name='a"b\\') as kit:
        kit.system.spawn(Echo).ask_blocking("x")
        text = telemetry.prometheus(kit.system)
        assert telemetry.prometheus().count("odeon_actors{") >= 1
    assert text.endswith("\n")
    sample = re.compile(r'^[a-z_]+\{[a-z]+="(?:[^"\\]|\\.)*"(?:,[a-z]+="[^"]*")*\} [0-9.e+-]+$')
    families = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            families.add(line.split()[2])
        elif not line.startswith("#"):
            assert sample.match(line), line
            assert line.split("{")[0] in families
    assert 'odeon_messages_total{system="a\\"b\\\\"} 1' in text.splitlines()
    assert 'odeon_actors{system="a\\"b\\\\"} 1' in text.splitlines()
    assert 'dispatcher="python-loop"} 1' in text


def test_a_closed_system_says_so() -> None:
    with TestKit() as kit:
        system = kit.system
    looks: list[Callable[[], Any]] = [system.metrics, system.snapshot, system.dead_letters,
                                      system.late_replies, system.recent_hops]
    for look in looks:
        with pytest.raises(odeon.SystemStopped):
            look()


def test_the_blocks_of_the_guide_run_in_their_order(guide_blocks: Callable[[str], int],
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    assert guide_blocks("python-diagnostics.md") >= 3
    assert "app: 1 actors" in capsys.readouterr().out
