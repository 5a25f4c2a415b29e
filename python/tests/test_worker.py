"""Worker processes: actors there, their failures, quotas, and deaths."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
import worker_actors as actors

from odeon import codecs
from odeon.errors import (
    DecodingError,
    EncodingError,
    MailboxFull,
    OdeonError,
    QuotaExceeded,
    SystemStopped,
    Unhandled,
    WorkerDied,
)
from odeon.subprocess_worker import (
    NO_ANSWER,
    Listener,
    PoolOptions,
    SharedBuffer,
    WorkerActor,
    WorkerPool,
)

try:
    import numpy
except ImportError:
    numpy = None

LIMIT = 60.0  # seconds, for anything that has to happen at all


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    """Two workers, for tests that leave them well."""
    with WorkerPool(2) as made:
        yield made


@pytest.fixture(scope="module")
def counter(pool: WorkerPool) -> WorkerActor:
    return pool.spawn(actors.Counter).result(LIMIT)


class Heard(Listener):
    """What a listener was told, and when something was."""

    def __init__(self) -> None:
        self.told: list[tuple[str, BaseException | None]] = []
        self.event = threading.Event()

    def _tell(self, what: str, error: BaseException | None) -> None:
        self.told.append((what, error))
        self.event.set()

    def failed(self, error: BaseException) -> None:
        self._tell("failed", error)

    def stopped(self) -> None:
        self._tell("stopped", None)

    def died(self, error: WorkerDied) -> None:
        self._tell("died", error)

    def wait(self) -> tuple[str, BaseException | None]:
        assert self.event.wait(LIMIT)
        return self.told[0]


def ask(actor: WorkerActor, message: Any) -> Any:
    return actor.ask(message).result(LIMIT)


def test_messages_are_handled_in_order_by_def_and_async_handlers(pool: WorkerPool) -> None:
    actor = pool.spawn(actors.Counter, (5,)).result(LIMIT)
    for n in range(100):
        actor.tell(actors.Add(n))
    assert ask(actor, actors.Get()) == 5 + sum(range(100))


def test_an_actor_lives_in_another_process(pool: WorkerPool, counter: WorkerActor) -> None:
    other = pool.spawn(actors.Counter).result(LIMIT)
    assert ask(other, "pid") == other.pid != os.getpid()
    assert other.pid != counter.pid  # the one with the fewest actors
    assert ask(counter, "thread") is True


def test_no_answer_differs_from_the_answer_none(counter: WorkerActor) -> None:
    assert ask(counter, actors.Add(1)) is NO_ANSWER
    assert ask(counter, "none") is None


def test_a_failure_arrives_as_what_was_raised_with_the_trace_of_the_worker(
    counter: WorkerActor,
) -> None:
    with pytest.raises(ValueError, match="broken") as raised:
        ask(counter, actors.Fail("broken"))
    (note,) = raised.value.__notes__
    assert "in the worker process" in note and "on_Fail" in note
    assert ask(counter, "still there") == "still there"


def test_a_failure_that_cannot_travel_is_told_by_its_class_path_and_text(
    counter: WorkerActor,
) -> None:
    with pytest.raises(codecs.ForeignError) as raised:
        ask(counter, "odd")
    assert raised.value.class_path == "worker_actors.TooOdd"


def test_an_answer_without_a_codec_is_the_askers_error(counter: WorkerActor) -> None:
    with pytest.raises(EncodingError, match="no codec for object"):
        ask(counter, "object")


def test_a_message_that_cannot_travel_raises_at_the_call(counter: WorkerActor) -> None:
    with pytest.raises(EncodingError, match="no codec for object"):
        counter.tell(object())
    with pytest.raises(EncodingError):
        counter.ask([object()])


def test_a_class_that_a_worker_cannot_import_is_refused(
    pool: WorkerPool, counter: WorkerActor
) -> None:
    class Local:
        def receive(self, msg: Any) -> None: ...

    with pytest.raises(ValueError, match="inside a function"):
        pool.spawn(Local)
    main = type("Main", (), {"__module__": "__main__", "receive": lambda self, msg: None})
    with pytest.raises(ValueError, match="main file"):
        pool.spawn(main)
    made = dataclasses.make_dataclass("Made", ["n"])
    made.__module__ = "__main__"
    with pytest.raises(EncodingError, match="main file"):
        counter.tell(made(1))


def test_a_class_path_that_leads_nowhere_fails_the_spawn(pool: WorkerPool) -> None:
    with pytest.raises(ImportError):
        pool.spawn("no.such.Actor").result(LIMIT)
    with pytest.raises(TypeError, match="no class of actors"):
        pool.spawn("pathlib.PurePath").result(LIMIT)


def test_a_constructor_that_raises_fails_the_spawn(pool: WorkerPool) -> None:
    before = sum(one.actors for one in pool.metrics())
    with pytest.raises(ValueError, match="must not be negative"):
        pool.spawn(actors.Counter, (-1,)).result(LIMIT)
    assert sum(one.actors for one in pool.metrics()) == before


def test_a_message_without_a_handler_is_unhandled(pool: WorkerPool) -> None:
    class_path = "worker_actors.Handlers"
    with pytest.raises(AttributeError):
        pool.spawn(class_path).result(LIMIT)
    actor = pool.spawn(actors.OnlyAdd).result(LIMIT)
    with pytest.raises(Unhandled, match="has no handler for str"):
        ask(actor, "text")


def test_a_failing_tell_is_told_to_the_listener(pool: WorkerPool) -> None:
    heard = Heard()
    actor = pool.spawn(actors.Counter, listener=heard).result(LIMIT)
    actor.tell(actors.Fail("unasked"))
    what, error = heard.wait()
    assert what == "failed" and isinstance(error, ValueError) and str(error) == "unasked"


def test_a_message_to_itself_that_fails_is_told_to_the_listener(pool: WorkerPool) -> None:
    heard = Heard()
    actor = pool.spawn(actors.Counter, listener=heard).result(LIMIT)
    assert ask(actor, "fail yourself") is NO_ANSWER
    assert str(heard.wait()[1]) == "by itself"


def test_a_restart_makes_a_new_instance_and_calls_the_hooks_of_both(pool: WorkerPool) -> None:
    actor = pool.spawn(actors.Counter, (3,)).result(LIMIT)
    actor.tell(actors.Add(4))
    assert ask(actor, "log") == ["pre_start"]
    actor.restart(KeyError("why")).result(LIMIT)
    assert ask(actor, actors.Get()) == 3
    assert ask(actor, "log") == ["pre_restart 'why', post_restart KeyError"]


def test_stop_ends_the_actor_and_later_calls_say_so(pool: WorkerPool) -> None:
    actor = pool.spawn(actors.Counter).result(LIMIT)
    actor.stop().result(LIMIT)
    assert not actor.alive
    with pytest.raises(WorkerDied, match="has stopped"):
        actor.tell(1)


def test_an_actor_may_stop_itself(pool: WorkerPool) -> None:
    heard = Heard()
    actor = pool.spawn(actors.Counter, listener=heard).result(LIMIT)
    actor.tell("stop")
    assert heard.wait() == ("stopped", None) and not actor.alive


def test_stash_become_and_timers_work_there(pool: WorkerPool) -> None:
    gate = pool.spawn(actors.Gate).result(LIMIT)
    early = [gate.ask(n) for n in (1, 2)]
    gate.tell("later")
    assert early[1].result(LIMIT) == [1, 2]
    assert ask(gate, 3) == [1, 2, 3] and early[0].result(LIMIT) == [1]


def test_what_a_context_does_not_have_in_a_worker_is_said(counter: WorkerActor) -> None:
    with pytest.raises(AttributeError, match="ctx.children does not exist in a worker process"):
        ask(counter, "no such")
    path, name = ask(counter, "path")
    assert path == counter.path and path.endswith(name)


@pytest.mark.skipif(numpy is None, reason="numpy is not installed")
def test_arrays_of_shared_memory_are_handed_over(pool: WorkerPool) -> None:
    actor = pool.spawn(actors.Arrays).result(LIMIT)
    shared = SharedBuffer(800_000)
    array = numpy.frombuffer(shared, dtype="f8")
    array[:] = 1.5
    assert ask(actor, array) == (150_000.0, False)
    small = numpy.arange(10.0)
    assert ask(actor, small) == (45.0, True)
    assert (ask(actor, (numpy.arange(50_000),)) == numpy.arange(50_000) * 2).all()


class Ref:
    """Stands for an actor reference of the system's side."""

    heard: list[Any] = []
    event = threading.Event()

    def tell(self, message: Any) -> None:
        Ref.heard.append(message)
        Ref.event.set()

    def ask_blocking(self, message: Any, timeout: float) -> Any:
        if message == "question":
            return "answer"
        raise OdeonError("asked something else")


def test_actors_in_workers_reach_those_of_the_system() -> None:
    with WorkerPool(1) as own:
        own.codec.set_reference_type(Ref, lambda ref: "odeon://test/user/x", lambda text: Ref())
        actor = own.spawn(actors.Counter).result(LIMIT)
        actor.tell(actors.Send(Ref(), ("hello", 1)))
        assert Ref.event.wait(LIMIT) and Ref.heard == [("hello", 1)]
        assert ask(actor, actors.Send(Ref(), "ask")) == "answer"


# -- quotas and deaths ----------------------------------------------------------------------------


def outcome(future: Future[Any]) -> BaseException | None:
    return future.exception(LIMIT)


def test_a_killed_worker_fails_what_was_asked_and_is_started_again() -> None:
    with WorkerPool(1) as own:
        heard = Heard()
        actor = own.spawn(actors.Counter, listener=heard).result(LIMIT)
        pid = actor.pid
        asked = [actor.ask("die"), actor.ask("pid"), actor.ask("pid")]
        for one in asked:
            error = outcome(one)
            assert isinstance(error, WorkerDied) and "signal 9" in str(error)
        what, error = heard.wait()
        assert what == "died" and actor.path in str(error)
        assert not actor.alive
        with pytest.raises(WorkerDied, match="signal 9"):
            actor.ask("pid")
        again = spawned(own)
        assert ask(again, "pid") != pid


def spawned(own: WorkerPool, listener: Listener | None = None) -> WorkerActor:
    """An actor on a worker that may be starting again just now."""
    deadline = threading.Event()
    for _ in range(200):
        try:
            return own.spawn(actors.Counter, listener=listener).result(LIMIT)
        except WorkerDied:
            deadline.wait(0.02)
    raise AssertionError("no worker came back")


def test_an_exit_code_is_told_and_other_workers_go_on() -> None:
    with WorkerPool(2) as own:
        first, second = (own.spawn(actors.Counter).result(LIMIT) for _ in range(2))
        error = outcome(first.ask("exit"))
        assert isinstance(error, WorkerDied) and "exit code 3" in str(error)
        assert ask(second, "well") == "well"


def test_a_kill_from_outside_while_idle_is_noticed() -> None:
    with WorkerPool(1) as own:
        heard = Heard()
        actor = own.spawn(actors.Counter, listener=heard).result(LIMIT)
        os.kill(actor.pid, signal.SIGKILL)
        assert heard.wait()[0] == "died"


def test_a_worker_that_dies_too_often_is_not_started_again() -> None:
    with WorkerPool(1) as own:
        for _ in range(6):
            heard = Heard()
            os.kill(spawned(own, heard).pid, signal.SIGKILL)
            heard.wait()
        with pytest.raises(WorkerDied, match="no worker process is left"):
            own.spawn(actors.Counter)


def test_the_number_of_actors_is_bounded() -> None:
    with WorkerPool(2, PoolOptions(max_actors=3)) as own:
        made = [own.spawn(actors.Counter).result(LIMIT) for _ in range(3)]
        with pytest.raises(QuotaExceeded, match="3 actors"):
            own.spawn(actors.Counter)
        made[0].stop().result(LIMIT)
        own.spawn(actors.Counter).result(LIMIT)


def test_a_full_ring_is_a_full_mailbox_past_its_bound() -> None:
    with WorkerPool(1, PoolOptions(ring_bytes=1 << 16, max_waiting=100)) as own:
        actor = own.spawn(actors.Sleeper).result(LIMIT)
        first = actor.ask(0.5)
        with pytest.raises(MailboxFull):
            for _ in range(10_000):
                actor.tell(0.0)
        assert first.result(LIMIT) == "awake"
        last = None
        while last is None:
            try:
                last = actor.ask(0.0)
            except MailboxFull:
                threading.Event().wait(0.01)
        assert last.result(LIMIT) == "awake"  # what waited was sent before


def test_past_the_soft_limit_of_memory_a_worker_is_replaced() -> None:
    with WorkerPool(1, PoolOptions(memory_soft_limit=150 << 20)) as own:
        heard = Heard()
        actor = own.spawn(actors.Counter, listener=heard).result(LIMIT)
        assert ask(actor, "eat") is NO_ANSWER
        what, error = heard.wait()
        assert what == "died" and "bytes of memory; its limit is" in str(error)


def test_past_the_hard_limit_an_allocation_fails_inside() -> None:
    with WorkerPool(1, PoolOptions(memory_hard_limit=1 << 30)) as own:
        actor = own.spawn(actors.Counter).result(LIMIT)
        assert ask(actor, "eat") is NO_ANSWER
    with WorkerPool(1, PoolOptions(memory_hard_limit=300 << 20)) as own:
        actor = own.spawn(actors.Counter).result(LIMIT)
        with pytest.raises(MemoryError):
            ask(actor, "eat")


def test_a_share_of_the_processor_is_a_nice_level() -> None:
    with WorkerPool(1, PoolOptions(cpu_share=0.25)) as own:
        actor = own.spawn(actors.Counter).result(LIMIT)
        assert ask(actor, "nice") == os.nice(0) + 6


def test_a_worker_that_gives_no_sign_of_life_is_replaced() -> None:
    with WorkerPool(1, PoolOptions(max_handler_seconds=1.5)) as own:
        actor = own.spawn(actors.Counter).result(LIMIT)
        os.kill(actor.pid, signal.SIGSTOP)
        error = outcome(actor.ask("pid"))
        assert isinstance(error, WorkerDied) and "no sign of life" in str(error)


def test_metrics_tell_what_each_worker_does() -> None:
    with WorkerPool(1) as own:
        actor = own.spawn(actors.Counter).result(LIMIT)
        for _ in range(10):
            actor.tell(actors.Add(1))
        until = threading.Event()
        for _ in range(300):
            (metrics,) = own.metrics()
            if metrics.handled == 10:
                break
            until.wait(0.02)
        assert metrics.handled == 10 and metrics.actors == 1 and metrics.pid == actor.pid
        assert metrics.resident_bytes > 1 << 20


def test_pickles_only_travel_where_the_pool_allows_them() -> None:
    class_with_state = codecs.Limits()  # frozen, slots, and known to both sides
    with WorkerPool(1, PoolOptions(allow_pickle=True)) as own:
        actor = own.spawn(actors.Counter).result(LIMIT)
        assert ask(actor, actors.Plain(5)).n == 5
        assert ask(actor, class_with_state) == class_with_state
    with WorkerPool(1) as own:
        actor = own.spawn(actors.Counter).result(LIMIT)
        with pytest.raises(EncodingError):
            actor.ask(actors.Plain(5))


def test_a_message_the_worker_cannot_decode_fails_its_ask(counter: WorkerActor) -> None:
    error = outcome(counter.ask_encoded("no.such.Message", 1, b"\x80"))
    assert isinstance(error, DecodingError)
    sent = codecs.encode(actors.Get())
    assert counter.ask_encoded(sent.manifest, 1, sent.payload).result(LIMIT) is not None


def test_close_runs_post_stop_ends_the_processes_and_fails_open_asks() -> None:
    own = WorkerPool(1)
    actor = own.spawn(actors.Sleeper).result(LIMIT)
    slow = actor.ask(0.2)
    pid = actor.pid
    own.close()
    own.close()
    assert slow.done() and not os.path.exists(f"/proc/{pid}")
    with pytest.raises(SystemStopped):
        own.spawn(actors.Counter)


def test_a_worker_that_hangs_at_close_is_killed() -> None:
    own = WorkerPool(1, PoolOptions(stop_seconds=0.3))
    actor = own.spawn(actors.Sleeper).result(LIMIT)
    slow = actor.ask(60.0)
    own.close()
    assert isinstance(outcome(slow), WorkerDied)


def test_a_program_that_forgets_to_close_ends_all_the_same() -> None:
    import subprocess

    program = (
        "from odeon.subprocess_worker import WorkerPool\n"
        "import worker_actors\n"
        "pool = WorkerPool(1)\n"
        "print(pool.spawn(worker_actors.Counter).result(15).pid)\n"
    )
    path = os.pathsep.join(one or os.getcwd() for one in sys.path)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=dict(os.environ, PYTHONPATH=path),
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert not os.path.exists(f"/proc/{int(done.stdout)}") and done.stderr == ""


def test_a_killed_system_takes_its_workers_with_it() -> None:
    import subprocess

    program = (
        "from odeon.subprocess_worker import WorkerPool\n"
        "import worker_actors, os, sys\n"
        "pool = WorkerPool(1)\n"
        "print(pool.spawn(worker_actors.Counter).result(15).pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    path = os.pathsep.join(one or os.getcwd() for one in sys.path)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=dict(os.environ, PYTHONPATH=path),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    gone = threading.Event()
    for _ in range(500):
        if not _lives(int(done.stdout)):
            break
        gone.wait(0.02)
    assert not _lives(int(done.stdout))


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_worker_program_refuses_other_arguments() -> None:
    import subprocess

    path = os.pathsep.join(one or os.getcwd() for one in sys.path)
    done = subprocess.run(
        [sys.executable, "-m", "odeon._worker"],
        capture_output=True,
        text=True,
        env=dict(os.environ, PYTHONPATH=path),
        timeout=100,
        check=False,
    )
    assert done.returncode == 2 and "started by odeon.subprocess_worker" in done.stderr
