"""Actors in worker processes: what is in flight, what their context does, and how they die."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hosted_actors as there
import pytest

import odeon
from odeon import Directive, Supervision, _native, dispatchers, errors
from odeon._worker_place import WINDOW
from odeon._worker_process import Worker

LIMIT = 60.0


def eventually(what: Callable[[], Any]) -> Any:
    until = time.monotonic() + LIMIT
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.002)
    return found


def start(workers: int = 1, **options: Any) -> odeon.ActorSystem:
    return odeon.ActorSystem.start(
        "procs", dispatchers={"crunch": dispatchers.subprocess(workers)}, **options)


@pytest.fixture(scope="module")
def system() -> Iterator[odeon.ActorSystem]:
    """For tests that leave its workers well. All its threads are there from the start."""
    with start() as made:
        ref, here = doer(made, supervision=decide(Directive.RESUME)), made.spawn(Here)
        with pytest.raises(errors.NoReply):
            ask(ref, there.With("forward", here))
        with pytest.raises(errors.ActorFailed):
            ask(ref, "fail")
        ask(ref, "seen")
        yield made


def doer(system: odeon.ActorSystem, **options: Any) -> odeon.ActorRef[Any]:
    return system.spawn(there.Doer, dispatcher="crunch", **options)


def ask(ref: odeon.ActorRef[Any], message: Any) -> Any:
    return ref.ask_blocking(message, timeout=LIMIT)


def lost(system: odeon.ActorSystem, ref: odeon.ActorRef[Any], reason: str) -> list[str]:
    return [one.message for one in system.dead_letters()
            if one.to == ref.path and one.reason == reason]


def decide(directive: Directive) -> Supervision:
    return Supervision(decider=[(ValueError, directive)], otherwise=Directive.RESTART)


class Here(odeon.Actor[Any]):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def receive(self, msg: Any, ctx: odeon.Context) -> Any:
        if msg == "seen":
            return self.seen
        self.seen.append(msg)
        return "taken" if msg == "question" else None


# -- what is in flight -----------------------------------------------------------------------------


def test_thousands_of_messages_stay_in_order_past_the_window(system: odeon.ActorSystem) -> None:
    ref = doer(system)
    for n in range(5 * WINDOW):
        ref.tell(n)
    assert ask(ref, "seen") == list(range(5 * WINDOW))


def test_an_asynchronous_handler_takes_one_message_at_a_time(system: odeon.ActorSystem) -> None:
    ref = system.spawn(there.Waiter, dispatcher="crunch")
    asks = [ref.ask(0.001, timeout=LIMIT) for _ in range(20)]
    assert [one.wait() for one in asks] == [1] * 20


def test_a_resumed_actor_goes_on_with_all_but_the_message_that_failed(
        system: odeon.ActorSystem) -> None:
    ref = doer(system, supervision=decide(Directive.RESUME))
    ref.tell(1)
    ref.tell("fail")
    for n in range(2, 6):
        ref.tell(n)
    assert ask(ref, "seen") == [1, 2, 3, 4, 5]
    with pytest.raises(errors.ActorFailed, match="hosted_actors.Doer|as told") as failed:
        ask(ref, "fail")
    assert isinstance(failed.value.__cause__, ValueError)
    assert ask(ref, "seen") == [1, 2, 3, 4, 5]


def test_a_restarted_actor_keeps_what_waits_in_its_worker(system: odeon.ActorSystem) -> None:
    ref = doer(system)
    ref.tell(1)
    ref.tell("fail")
    for n in range(2, 6):
        ref.tell(n)
    assert ask(ref, "seen") == [2, 3, 4, 5]


def test_a_stopped_actor_leaves_dead_letters_and_fails_its_askers(
        system: odeon.ActorSystem) -> None:
    ref = doer(system, supervision=decide(Directive.STOP))
    ask(ref, "pid")
    ref.tell(("sleep", 0.1))
    ref.tell("fail")
    ref.tell("never")
    asked = ref.ask("never", timeout=LIMIT)
    with pytest.raises(errors.ActorStopped):
        asked.wait()
    eventually(ref.is_terminated)
    assert len(lost(system, ref, "actor_stopped")) == 2


def test_a_failure_is_heard_though_the_mailbox_is_full(system: odeon.ActorSystem) -> None:
    ref = doer(system, mailbox=odeon.Mailbox("bounded", 5, overflow="dead_letter"),
               supervision=decide(Directive.RESUME))
    ask(ref, "pid")
    ref.tell(("sleep", 0.05))
    ref.tell("fail")
    for n in range(3 * WINDOW):
        ref.tell(n)

    def seen() -> Any:
        try:
            return ask(ref, "seen")
        except errors.MailboxFull:
            return None

    found = eventually(seen)
    assert found == sorted(found) and lost(system, ref, "mailbox_full")


def test_a_message_without_a_handler_is_a_dead_letter(system: odeon.ActorSystem) -> None:
    ref = doer(system)
    ref.tell("nothing for you")
    with pytest.raises(errors.Unhandled):
        ask(ref, "nothing for you")
    assert ask(ref, "seen") == []
    eventually(lambda: lost(system, ref, "unhandled"))


# -- the context -----------------------------------------------------------------------------------


def test_it_has_children_in_the_pool(system: odeon.ActorSystem) -> None:
    ref = doer(system, name="parent")
    child, names, found, nobody = ask(ref, "spawn")
    assert child.path == "/user/parent/child" and names == ["child"]
    assert found is True and nobody is None
    assert ask(child, "parent") == ref and ask(child, "pid") != os.getpid()
    with pytest.raises(errors.ActorFailed, match="child"):
        ask(ref, "spawn")  # the name is taken; a restart stops the children
    eventually(child.is_terminated)
    assert ask(ref, "spawn")[0] != child


def test_it_hears_of_the_end_of_what_it_watches_or_is_linked_to(
        system: odeon.ActorSystem) -> None:
    ref, local, linked, not_any_more = doer(system), *(system.spawn(Here) for _ in range(3))
    ref.tell(there.With("watch", local))
    ref.tell(there.With("link", linked))
    ref.tell(there.With("watch", not_any_more))
    ref.tell(there.With("unwatch", not_any_more))
    ref.tell(there.With("stop", local))
    eventually(local.is_terminated)
    eventually(lambda: ("terminated", local.name, "stopped") in ask(ref, "seen"))
    system.stop_actor(not_any_more)
    ref.tell(there.With("kill", linked))
    eventually(lambda: ("exit", linked.name, "killed") in ask(ref, "seen"))
    assert len(ask(ref, "seen")) == 2
    gone = system.spawn(Here)
    system.stop_actor(gone)
    eventually(gone.is_terminated)
    ref.tell(there.With("watch", gone))
    eventually(lambda: any(one[1] == gone.name for one in ask(ref, "seen")))


def test_it_passes_a_question_on_with_its_asker(system: odeon.ActorSystem) -> None:
    ref, local = doer(system), system.spawn(Here)
    with pytest.raises(errors.NoReply):
        ask(ref, there.With("forward", local))
    assert [one.what for one in ask(local, "seen")] == ["forward"]


def test_it_answers_later_refuses_and_forgets(system: odeon.ActorSystem) -> None:
    ref = doer(system)
    late = ref.ask("later", timeout=LIMIT)
    assert ask(ref, "now") is True and late.wait() == "answered later"
    late = ref.ask("later", timeout=LIMIT)
    assert ask(ref, "refuse") is True
    with pytest.raises(errors.ActorFailed) as refused:
        late.wait()
    assert isinstance(refused.value.__cause__, KeyError)
    late = ref.ask("later", timeout=LIMIT)
    ref.tell("let go")
    with pytest.raises(errors.NoReply):
        late.wait()


def test_its_timers_repeat_and_are_cancelled(system: odeon.ActorSystem) -> None:
    for kind in ("every", "with delay"):
        ref = doer(system)
        ref.tell((kind, 0.0, 0.002))
        eventually(lambda ref=ref: len(ask(ref, "seen")) >= 3)
        assert ask(ref, "cancel") is False
        count = len(ask(ref, "seen"))
        time.sleep(0.02)
        assert len(ask(ref, "seen")) <= count + 1


def test_it_hears_that_no_message_came(system: odeon.ActorSystem) -> None:
    ref = doer(system)
    ref.tell(("quiet", 0.05))
    time.sleep(0.1)
    eventually(lambda: "quiet" in ask(ref, "seen"))


def test_what_it_sets_aside_comes_back_to_what_it_became(system: odeon.ActorSystem) -> None:
    ref = doer(system)
    ref.tell("aside")
    asked = ref.ask("aside", timeout=LIMIT)
    ref.tell("back")
    with pytest.raises(errors.NoReply):
        asked.wait()
    assert ask(ref, "seen") == [("back", "aside"), ("back", "aside")]


@pytest.mark.parametrize("name", ["sender", "trace", "system", "stopping_as", "no_such_thing"])
def test_what_a_context_cannot_do_there_is_said(system: odeon.ActorSystem, name: str) -> None:
    ref = doer(system, supervision=Supervision(decider=[(AttributeError, Directive.RESUME)]))
    with pytest.raises(errors.ActorFailed, match=f"ctx.{name} does not exist in a worker process"):
        ask(ref, ("get", name))


# -- how they die ----------------------------------------------------------------------------------


def test_what_a_killed_worker_had_is_lost_and_the_rest_goes_to_the_next() -> None:
    with start() as system:
        ref = doer(system)
        pid = ask(ref, "pid")
        ref.tell(("sleep", 30.0))
        waits = ref.ask("seen", timeout=LIMIT)
        count = 3 * WINDOW
        for n in range(count):
            ref.tell(n)
        # Once the window is full, the mailbox has what is left.
        eventually(lambda: sum(
            one["messages"] for one in _native._host_metrics(system).values()) >= WINDOW)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(errors.ActorFailed, match="signal 9") as failed:
            waits.wait()
        assert isinstance(failed.value.__cause__, errors.WorkerDied)
        seen = ask(ref, "seen")
        assert ask(ref, "pid") != pid
        assert seen == list(range(count - len(seen), count)) and len(seen) >= count - WINDOW
        # With the sleep and the question.
        assert len(lost(system, ref, "unreachable")) == count - len(seen) + 2


def test_who_waits_hears_how_a_worker_died_that_a_message_found_dead(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    goes_on, is_asked = threading.Event(), threading.Event()
    tell, send = Worker.fail_all, Worker.post_encoded

    def late(self: Worker, error: BaseException) -> None:
        goes_on.wait(LIMIT)
        tell(self, error)

    def sends(self: Worker, frame: tuple[Any, ...]) -> None:
        send(self, frame)
        if frame[2]:  # a request
            is_asked.set()

    monkeypatch.setattr(Worker, "fail_all", late)
    with start() as system:
        ref = doer(system)
        pid = ask(ref, "pid")
        ref.tell(("sleep", 30.0))
        monkeypatch.setattr(Worker, "post_encoded", sends)
        waits = ref.ask("seen", timeout=LIMIT)
        assert is_asked.wait(LIMIT)  # else the next worker would be told to sleep, and asked
        os.kill(pid, signal.SIGKILL)
        # The first one that finds it dead fails the actor, and the others wait.
        eventually(lambda: (ref.tell(1), "WorkerDied" in caplog.text)[1])
        goes_on.set()
        with pytest.raises(errors.ActorFailed, match="signal 9"):
            waits.wait()
        assert ask(ref, "pid") != pid


def marked(folder: Path, what: str) -> int:
    """The process that has come there, and says so from now on again."""
    found: Path = eventually(lambda: next(folder.glob(what + "-*"), None))
    found.rename(found.with_name("past-" + found.name))
    return int(found.name.rpartition("-")[2])


def test_a_kill_at_any_step_is_a_failure_and_the_actor_starts_again(tmp_path: Path) -> None:
    patient = Supervision(max_retries=100)
    with start() as system:
        ref = system.spawn(there.Slow, str(tmp_path), dispatcher="crunch", supervision=patient)
        early = ref.ask("early", timeout=LIMIT)
        os.kill(marked(tmp_path, "start"), signal.SIGKILL)
        # What was sent to it before it had started has not left its mailbox.
        os.kill(marked(tmp_path, "restart"), signal.SIGKILL)
        assert early.wait() == "early"
        marked(tmp_path, "restart")
        asked = ref.ask("handle", timeout=LIMIT)
        os.kill(marked(tmp_path, "handle"), signal.SIGKILL)
        with pytest.raises(errors.ActorFailed, match="signal 9"):
            asked.wait()
        marked(tmp_path, "restart")
        ref.tell("fail")
        marked(tmp_path, "failed")
        os.kill(marked(tmp_path, "restart"), signal.SIGKILL)
        assert ask(ref, "well") == "well"
        system.stop_actor(ref)
        os.kill(marked(tmp_path, "stop"), signal.SIGKILL)
        eventually(ref.is_terminated)
