"""Runs that survive the program, and the stores that they are recorded in."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from odeon.errors import (
    ActorFailed,
    EncodingError,
    Fenced,
    InvalidArgument,
    IoFailed,
    NameTaken,
    Refused,
    VersionConflict,
    WrongType,
)
from odeon.workflow import (
    MemoryRuns,
    Retry,
    SqliteRuns,
    SqliteState,
    Step,
    StepContext,
    Values,
    Workflow,
    delayed,
    fan_out,
    step,
    when,
)


@dataclass
class Order:
    __manifest__ = "test.order"
    item: str
    amount: int = 0


@dataclass
class Receipt:
    of: Order
    notes: list[str]


class Crash(BaseException):
    """The program ends here."""


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryRuns()
        return
    runs = SqliteRuns(tmp_path / "runs.db")
    yield runs
    runs.close()


def go(w: Workflow, store: Any, input: Any = 1, id: str = "r") -> Any:
    return asyncio.run(asyncio.wait_for(w.durable(id, store).run(input), 20))


def logged(log: list[str], name: str, crash_at: Callable[[], bool] = lambda: False) -> Step:
    def body(v: int) -> int:
        log.append(name)
        if crash_at():
            raise Crash
        return v + 1

    return step(name, body)


def test_a_run_goes_on_where_its_record_ends(store: Any) -> None:
    for crashing in ("a", "b", "c"):
        log: list[str] = []
        crashes = [crashing]

        def crash(name: str, crashes: list[str] = crashes) -> Callable[[], bool]:
            return lambda: crashes == [name] and bool(crashes.pop())

        w = Workflow(
            logged(log, "a", crash("a"))
            >> logged(log, "b", crash("b"))
            >> logged(log, "c", crash("c"))
        )
        with pytest.raises(Crash):
            go(w, store, 10, crashing)
        assert go(w, store, 99, crashing) == 13  # the recorded input counts
        assert sorted(log) == sorted(["a", "b", "c", crashing])


def test_a_run_that_has_ended_answers_from_its_record(store: Any) -> None:
    log: list[str] = []
    w = Workflow(logged(log, "a"))
    assert [go(w, store), go(w, store)] == [2, 2]
    assert log == ["a"]

    def refuse(v: int) -> int:
        log.append("refused")
        raise Refused("no")

    bad = Workflow(step("b", refuse))
    for _ in range(2):
        with pytest.raises(Refused, match="the step 'b' failed: no"):
            go(bad, store, id="bad")
    assert log == ["a", "refused"]


def test_a_step_that_was_under_way_runs_again_with_the_same_key(store: Any) -> None:
    keys: list[str] = []

    async def under_way(v: int, ctx: StepContext) -> int:
        keys.append(ctx.key)
        if len(keys) == 1:
            await asyncio.sleep(60)
        return v

    w = Workflow(step("a", lambda v: v) >> step("b", under_way))

    async def first() -> None:
        run = asyncio.create_task(w.durable("r", store).run(1))
        while not keys:
            await asyncio.sleep(0.001)
        run.cancel()
        await asyncio.wait([run])

    asyncio.run(first())
    assert go(w, store) == 1
    assert keys == ["r/b/2"] * 2


def test_conditions_are_not_asked_again(store: Any) -> None:
    asked: list[int] = []
    log: list[str] = []
    crashes = [True]

    def condition(v: int) -> bool:
        asked.append(v)
        return len(asked) == 1

    w = Workflow(
        step("a", lambda v: v)
        >> when(condition, logged(log, "b", lambda: bool(crashes and crashes.pop())))
    )
    with pytest.raises(Crash):
        go(w, store)
    assert go(w, store) == 2
    assert (asked, log) == ([1], ["b", "b"])


def test_attempts_are_counted_across_restarts(store: Any) -> None:
    attempts: list[int] = []

    def flaky(v: int, ctx: StepContext) -> int:
        attempts.append(ctx.attempt)
        if len(attempts) == 2:
            raise Crash
        raise ValueError("busy")

    w = Workflow(step("f", flaky, retry=Retry(attempts=3, min=0.001)))
    with pytest.raises(Crash):
        go(w, store)
    with pytest.raises(ActorFailed, match="failed after 3 attempts: ValueError: busy"):
        go(w, store)
    assert attempts == [1, 2, 2, 3]


def test_delays_go_on_while_the_program_is_down(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    begun = asyncio.Event()

    def now(v: int) -> int:
        begun.set()
        return v

    w = Workflow(fan_out(delayed(1000.0, logged(log, "late")), step("now", now)))

    async def main() -> None:
        run = asyncio.create_task(w.durable("r", store).run(1))
        await begun.wait()
        run.cancel()
        await asyncio.wait([run])
        assert log == []
        later = time.time() + 2000
        monkeypatch.setattr(time, "time", lambda: later)
        assert await asyncio.wait_for(w.durable("r", store).run(1), 10) == (2, 1)

    asyncio.run(main())
    assert log == ["late"]


def test_compensations_go_on_after_a_restart_and_none_runs_twice(store: Any) -> None:
    log: list[str] = []
    crashes = [True]

    def undo(name: str) -> Callable[[int], None]:
        def body(output: int) -> None:
            log.append(f"{name} undone")
            if name == "b" and crashes:
                crashes.pop()
                raise Crash

        return body

    w = Workflow(
        logged(log, "a").compensated_by(undo("a"))
        >> logged(log, "b").compensated_by(undo("b"))
        >> logged(log, "c").compensated_by(undo("c"))
        >> step("bad", lambda v: 1 // 0)
    )
    with pytest.raises(Crash):
        go(w, store)
    for _ in range(2):
        with pytest.raises(ActorFailed, match="the step 'bad' failed: ZeroDivisionError"):
            go(w, store)
    assert log == ["a", "b", "c", "c undone", "b undone", "b undone", "a undone"]


def test_a_crash_at_each_record_loses_and_repeats_nothing_that_was_recorded() -> None:
    """Every append is a place to crash at, before and after it is written."""

    class Crashing(MemoryRuns):
        def __init__(self, at: int, is_written: bool) -> None:
            super().__init__()
            self.at, self.is_written, self.count = at, is_written, 0

        async def append(self, *args: Any) -> None:
            self.count += 1
            if self.count == self.at and not self.is_written:
                raise Crash
            await super().append(*args)
            if self.count == self.at:
                raise Crash

    def build(log: list[str]) -> Workflow:
        def flaky(v: int, ctx: StepContext) -> int:
            log.append(f"flaky {ctx.attempt}")
            if ctx.attempt == 1:
                raise ValueError("busy")
            return v

        return Workflow(
            logged(log, "a")
            >> fan_out(logged(log, "b"), step("f", flaky, retry=Retry(2, 0.001)))
            >> step("sum", lambda b, f: b + f)
        )

    answer = go(build([]), MemoryRuns())
    crashes = 0
    for at in range(1, 10):
        for is_written in (False, True):
            log: list[str] = []
            runs = Crashing(at, is_written)
            try:
                assert go(build(log), runs) == answer
            except Crash:
                crashes += 1
                _, records = asyncio.run(runs.claim("r"))
                ended = {r["step"] for r in records if r["kind"] == "done"}
                before = len(log)
                assert go(build(log), runs) == answer
                again = {entry.split()[0].replace("flaky", "f") for entry in log[before:]}
                assert not again & ended, (at, is_written, log)
    assert crashes >= 12


def test_a_second_run_of_an_id_under_way_is_refused(store: Any) -> None:
    async def main() -> None:
        w = Workflow(delayed(0.01, step("a", lambda v: v)))
        first = asyncio.create_task(w.durable("r", store).run(1))
        await asyncio.sleep(0)
        with pytest.raises(NameTaken, match="'r' is under way"):
            await w.durable("r", store).run(1)
        assert await first == 1
        assert await w.durable("r", store).run(1) == 1

    asyncio.run(main())


def test_a_run_that_another_program_took_over_is_fenced_and_undoes_nothing(store: Any) -> None:
    log: list[str] = []

    async def taken(v: int) -> int:
        await store.claim("r")
        return v

    w = Workflow(
        logged(log, "a").compensated_by(lambda: log.append("undone")) >> step("taken", taken)
    )
    with pytest.raises(Fenced, match="'r' was taken over"):
        go(w, store)
    assert log == ["a"]


def test_values_and_dataclasses_come_back_as_they_were(store: Any) -> None:
    values = (Order("clock", 3), [1, 2.5, None, True], {"a": b"\x00\xff", 1: {"x", "y"}}, "ü$")
    crashes = [True]

    def give(v: Any) -> Any:
        return values

    def take(v: Any) -> Receipt:
        assert v == values
        if crashes.pop():
            raise Crash
        return Receipt(v[0], ["seen"])

    w = Workflow(step("give", give) >> step("take", take))
    with pytest.raises(Crash):
        go(w, store)
    crashes.append(False)
    assert go(w, store) == Receipt(values[0], ["seen"])
    assert asyncio.run(w.durable("r", store, Values(Receipt)).run(0)).of == values[0]


def test_what_cannot_be_stored_is_told_by_name(store: Any) -> None:
    with pytest.raises(EncodingError, match="the step 'o' failed: a builtins.object cannot"):
        go(Workflow(step("o", lambda v: object(), retry=Retry(3))), store)
    with pytest.raises(EncodingError, match="cannot be stored"):
        go(Workflow(step("a", str)), store, input=object(), id="other")


def test_a_record_of_other_code_is_refused_and_the_difference_named(store: Any) -> None:
    crashes = [True]

    def build(version: int = 1, name: str = "b") -> Workflow:
        def body(v: int) -> int:
            if crashes and crashes.pop():
                raise Crash
            return v

        return Workflow(step("a", lambda v: v) >> step(name, body)).version(version)

    with pytest.raises(Crash):
        go(build(), store)
    with pytest.raises(VersionConflict, match="step b is not there any more"):
        go(build(name="c"), store)
    with pytest.raises(VersionConflict, match="step b was 'takes one, version 1'"):
        go(Workflow(step("a", lambda v: v) >> step("b", lambda v: v, version=2)), store)
    with pytest.raises(VersionConflict, match="begun by version 1 .* this is version 2"):
        go(build(2), store)
    with pytest.raises(VersionConflict, match="one of the workflow 'workflow'"):
        go(build().named("other"), store)
    assert go(build(2).version(2, compatible=[1]), store) == 1


def test_unfinished_runs_are_listed_oldest_first(store: Any) -> None:
    crashing = [True]

    def body(v: int) -> int:
        if crashing:
            raise Crash
        return v

    w = Workflow(step("a", body), name="w")
    for id in ("z", "b"):
        with pytest.raises(Crash):
            go(w, store, id=id)
    crashing.clear()
    go(w, store, id="done")
    assert asyncio.run(store.unfinished("w")) == ["z", "b"]
    assert asyncio.run(store.unfinished("v")) == []
    for id in ("z", "b"):
        go(w, store, id=id)
    assert asyncio.run(store.unfinished("w")) == []


def test_a_durable_run_has_an_id() -> None:
    with pytest.raises(InvalidArgument, match="an id of its own"):
        Workflow(step("a", str)).durable("", MemoryRuns())


def test_a_killed_program_goes_on_when_it_is_started_again(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent("""
        import asyncio, os, signal, sys
        from pathlib import Path
        from odeon.workflow import SqliteRuns, Workflow, step

        here = Path(sys.argv[1])

        def noting(name):
            def body(v):
                with (here / "log").open("a") as f:
                    f.write(name + "\\n")
                flag = here / f"killed at {name}"
                if name in ("b", "c") and not flag.exists():
                    flag.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return v + 1
            return step(name, body)

        w = Workflow(noting("a") >> noting("b") >> noting("c"))
        runs = SqliteRuns(here / "runs.db")
        print(asyncio.run(w.durable("order-17", runs).run(0)))
        runs.close()
        """)
    )
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
    codes, out = [], ""
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, str(program), str(tmp_path)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        codes.append(done.returncode)
        out = done.stdout + done.stderr
    assert (codes, out) == ([-9, -9, 0], "3\n")
    assert (tmp_path / "log").read_text().split() == ["a", "b", "b", "c", "c"]


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE songs(title)")
    db.commit()
    db.close()
    runs = SqliteRuns(path)
    with pytest.raises(WrongType, match="another program"):
        asyncio.run(runs.claim("r"))
    runs.close()
    with pytest.raises(WrongType, match="another program"):
        SqliteState(path)
    (tmp_path / "no.db").write_bytes(b"this is no database at all" * 100)
    runs = SqliteRuns(tmp_path / "no.db")
    with pytest.raises(IoFailed, match="no.db"):
        asyncio.run(runs.claim("r"))
    runs.close()
