"""One run of a workflow, driven by one task of asyncio; each step that is under way is another.

The record is what is applied: what a step gave is written down with the edges that fired, and only
then do the values go on. A replay applies the same records, and asks no condition again.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

from odeon.errors import (
    ActorFailed,
    AskTimeout,
    EncodingError,
    InternalError,
    NoReply,
    OdeonError,
    Refused,
    from_code,
)

from ._marking import NOWHERE, Firing, Marking, Plan, Token, Visit, code_of, fire, text_of
from ._replay import Completed, Failing, replay
from ._state import StateStore
from ._steps import Shape, Step, StepContext
from ._store import Record, RunStore
from ._values import Values

_run_numbers = itertools.count(1)
_NOT_AGAIN = (Refused, EncodingError)


@dataclass(slots=True)
class Ended:
    """How a visit ended."""

    visit: Visit
    attempt: int
    output: Any = None
    error: BaseException | None = None


@dataclass(slots=True)
class UnderWay:
    visit: Visit
    task: asyncio.Task[Ended]
    pauses: bool = False  # between two attempts


@dataclass(slots=True)
class Recorder:
    """The record of a durable run."""

    store: RunStore
    run_id: str
    workflow: str
    values: Values
    epoch: int = 0

    async def append(self, *records: Record) -> None:
        await self.store.append(self.run_id, self.epoch, self.workflow, list(records))


@dataclass
class Run:
    plan: Plan
    system: Any
    state: StateStore
    recorder: Recorder | None = None
    run_id: str = ""
    marking: Marking = field(init=False)

    def __post_init__(self) -> None:
        self.marking = Marking(self.plan)
        self.run_id = self.run_id or f"{self.plan.graph.name}-{next(_run_numbers)}"
        self._under_way: dict[int, UnderWay] = {}
        self._attempts: dict[int, tuple[int, float]] = {}
        self._completed: list[Completed] = []
        self._spawned: dict[int, Any] = {}
        self._ends: list[str] = []
        self._failing: Failing | None = None
        self._failing_recorded = False
        self._undo_failures: list[str] = []
        self._has_answer = False
        self._answer: Any = None

    def _now(self) -> float:
        """Seconds: of the wall clock in durable runs, whose delays go on while the program is
        down."""
        return time.time() if self.recorder else asyncio.get_running_loop().time()

    async def answer(self, input: Any) -> Any:
        """The answer of the run. Cancelled, it gives up what is under way and undoes nothing."""
        try:
            if self.recorder is None:
                tokens, answers = self._first(input)
                self._put(tokens, input)
                if answers:
                    self._has_answer, self._answer = True, input
            elif await self._open(self.recorder, input):
                return self._answer
            return await self._drive()
        finally:
            await self._leave()

    async def _leave(self) -> None:
        tasks = [u.task for u in self._under_way.values()]
        self._under_way.clear()
        for t in tasks:
            t.cancel()
        for ref in self._spawned.values():
            self.system.stop_actor(ref)
        if tasks:
            await asyncio.wait(tasks)

    # -- what happens, in turns ----------------------------------------------------------------

    async def _drive(self) -> Any:
        while True:
            if self._failing is None:
                self._start_ready()
            if not self._under_way:
                if self._failing is not None:
                    await self._undo(self._failing)
                if not self.marking:
                    return await self._finish()
            due = self.marking.next_due(self._now()) if self._failing is None else None
            wait = None if due is None else max(0.001, due - self._now())
            tasks = [u.task for u in self._under_way.values()]
            if not tasks:
                await asyncio.sleep(0.001 if wait is None else wait)
                continue
            done, _ = await asyncio.wait(tasks, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            # In the order in which they were started, so that a run is the same each time.
            await self._ended([t.result() for t in tasks if t in done])

    def _start_ready(self) -> None:
        try:
            while (visit := self.marking.next(self._now())) is not None:
                self._begin(visit)
        except OdeonError as error:
            self._fail(Failing(error.code, str(error), error))

    def _begin(self, visit: Visit) -> None:
        before, retry_at = self._attempts.get(visit.id, (0, 0.0))
        attempts = self.plan.step(visit.step).retry.attempts
        work = self._visit(visit, min(before + 1, attempts), retry_at)
        name = f"{self.run_id}/{self.plan.names[visit.step]}"
        self._under_way[visit.id] = UnderWay(visit, asyncio.create_task(work, name=name))

    async def _ended(self, all: list[Ended]) -> None:
        records: list[Record] = []
        apply: list[Callable[[], None]] = []
        for e in all:
            if e.error is None:
                try:
                    record, failing = self._done_record(e)
                except EncodingError as error:
                    e.error = error
                else:
                    records.append(record)
                    apply.append(partial(self._applied, record, e.output, failing))
            if e.error is not None:
                apply.append(partial(self._failed, e))
        if self.recorder is not None and records:
            await self.recorder.append(*records)
        for act in apply:
            act()

    def _done_record(self, e: Ended) -> tuple[Record, Failing | None]:
        failing = None
        firing = Firing()
        if self._failing is None:
            try:
                firing = fire(self.plan, e.visit.step, e.output)
            except OdeonError as error:
                failing = Failing(error.code, str(error), error)
            self._ends += firing.ends
        record: Record = {
            "kind": "done",
            "step": self.plan.names[e.visit.step],
            "consumed": e.visit.consumed,
            "attempts": e.attempt,
            "tokens": self._tokens_of(firing),
            "answers": firing.answers,
        }
        if self.recorder is not None:
            record["output"] = self.recorder.values.pack(e.output)
        return record, failing

    def _applied(self, record: Record, output: Any, failing: Failing | None) -> None:
        self._apply_done(record, self._under_way.pop(record["consumed"][0]).visit, output)
        if failing is not None:
            self._fail(failing)

    def _apply_done(self, record: Record, visit: Visit, output: Any) -> None:
        self.marking.ended(visit.step)
        self._attempts.pop(visit.id, None)
        if self.plan.step(visit.step).undo is not None:
            self._completed.append(Completed(visit, output))
        if self._failing is not None:
            return
        self._put(record["tokens"], output)
        if record["answers"]:
            self._has_answer, self._answer = True, output

    def _failed(self, e: Ended) -> None:
        assert e.error is not None
        self._under_way.pop(e.visit.id)
        self.marking.ended(e.visit.step)
        text = f"the step '{self.plan.names[e.visit.step]}' failed"
        if e.attempt > 1:
            text += f" after {e.attempt} attempts"
        self._fail(Failing(code_of(e.error), f"{text}: {text_of(e.error)}", e.error))

    def _fail(self, why: Failing) -> None:
        if self._failing is not None:
            return
        self._failing = why
        self.marking.clear()
        # What has a compensation is waited for: whether it happened decides what there is to undo.
        for id, u in list(self._under_way.items()):
            if u.task.done() and not u.task.cancelled():
                continue
            if self.plan.step(u.visit.step).undo is None or u.pauses:
                u.task.cancel()
                del self._under_way[id]
                self.marking.ended(u.visit.step)

    async def _finish(self) -> Any:
        if not self._has_answer:
            text = (
                f"the run of '{self.plan.graph.name}' ended without an answer: its end "
                f"'{self.plan.names[self.plan.end]}' gave none"
            )
            if self._ends:
                text += "; no edge went on from " + ", ".join(f"'{e}'" for e in self._ends[:10])
            await self._undo(Failing("no_reply", text, NoReply(text)))
        if self.recorder is not None:
            try:
                packed = self.recorder.values.pack(self._answer)
            except EncodingError as error:
                await self._undo(Failing(error.code, str(error), error))
            await self.recorder.append(
                {"kind": "finished", "code": "", "text": "", "answer": packed}
            )
        return self._answer

    # -- tokens --------------------------------------------------------------------------------

    def _first(self, input: Any) -> tuple[list[list[Any]], bool]:
        start = self.plan.start
        if self.plan.is_relay(start):
            firing = fire(self.plan, start, input)
            return self._tokens_of(firing), firing.answers
        return [[self.marking.new_id(), "", 0]], False

    def _tokens_of(self, firing: Firing) -> list[list[Any]]:
        """Each: its id, its edge, and when it is due; 0: now."""
        return [
            [
                self.marking.new_id(),
                self.plan.edge_keys[edge],
                self._now() + delay if delay > 0 else 0,
            ]
            for edge, _, delay in firing.targets
        ]

    def _put(self, tokens: list[list[Any]], value: Any) -> None:
        for id, key, due in tokens:
            edge = self.plan.edges[key] if key else NOWHERE
            to = self.plan.graph.edges[edge].to if key else self.plan.start
            self.marking.put(Token(id, edge, to, due, value))

    # -- one visit -----------------------------------------------------------------------------

    async def _visit(self, visit: Visit, attempt: int, retry_at: float) -> Ended:
        s = self.plan.step(visit.step)
        while True:
            if (wait := retry_at - self._now()) > 0:
                self._under_way[visit.id].pauses = True
                await asyncio.sleep(wait)
                self._under_way[visit.id].pauses = False
            ctx = self._context(visit, attempt)
            try:
                return Ended(visit, attempt, await self._attempt(s, visit, ctx))
            except asyncio.CancelledError:
                if _is_cancelled():
                    raise
                error: BaseException = InternalError("the step was cancelled from inside")
            except Exception as failure:
                error = failure
            finally:
                ctx.given_up = True
            again = attempt < s.retry.attempts and not isinstance(error, _NOT_AGAIN)
            if not again or self._failing is not None:
                return Ended(visit, attempt, None, error)
            retry_at = self._now() + s.retry.pause(attempt)
            if self.recorder is not None:
                await self.recorder.append(  # what this raises ends the run, and undoes nothing
                    {
                        "kind": "failed",
                        "step": self.plan.names[visit.step],
                        "visit": visit.id,
                        "attempt": attempt,
                        "code": code_of(error),
                        "text": text_of(error),
                        "next": retry_at,
                    }
                )
                if self._failing is not None:
                    return Ended(visit, attempt, None, error)
            attempt += 1

    def _context(self, visit: Visit, attempt: int, suffix: str = "") -> StepContext:
        name = self.plan.names[visit.step]
        key = f"{self.run_id}/{name}/{visit.id}{suffix}"
        return StepContext(self.run_id, name, key, attempt, self.state, self.system)

    async def _attempt(self, s: Step, visit: Visit, ctx: StepContext) -> Any:
        if s.kind == "gather":
            return visit.input
        if s.kind in ("actor", "spawned"):
            ref = s.body if s.kind == "actor" else self._own(visit.step, s)
            more = {} if s.timeout is None else {"timeout": s.timeout}
            try:
                return await ref.ask(visit.input, **more)
            except ActorFailed as error:
                if isinstance(error.__cause__, Refused):  # the actor's own no
                    raise error.__cause__ from None
                raise
        values = s.shape.spread(visit.input, s.name)
        return await _within(s.timeout, lambda: s.shape.call(s.body, values, ctx))

    def _own(self, step: int, s: Step) -> Any:
        ref = self._spawned.get(step)
        if ref is None or ref.is_terminated():
            actor, args, kwargs = s.spawn or (None, (), {})
            ref = self._spawned[step] = self.system.spawn(actor, *args, **kwargs)
        return ref

    # -- failing -------------------------------------------------------------------------------

    async def _undo(self, why: Failing) -> NoReturn:
        """Runs the compensations, latest first, and raises."""
        self._failing = why
        if self.recorder is not None and self._completed and not self._failing_recorded:
            self._failing_recorded = True
            await self.recorder.append({"kind": "failing", "code": why.code, "text": why.text})
        for c in reversed(self._completed):
            if not c.is_undone:
                await self._undo_one(c)
        text = "; ".join([why.text, *self._undo_failures])
        if self.recorder is not None:
            await self.recorder.append(
                {"kind": "finished", "code": why.code, "text": text, "answer": None}
            )
        raise from_code(why.code, text) from why.cause

    async def _undo_one(self, c: Completed) -> None:
        s = self.plan.step(c.visit.step)
        undo = s.undo
        assert undo is not None
        shape = Shape(undo)
        values = (c.visit.input, c.output)[2 - min(len(shape.optional), 2) :]
        error: BaseException | None = None
        for attempt in range(1, s.retry.attempts + 1):
            ctx = self._context(c.visit, attempt, "/undo")
            try:
                await _within(s.timeout, lambda: shape.call(undo, values, ctx))  # noqa: B023
                error = None
                break
            except Exception as failure:
                error = failure
            finally:
                ctx.given_up = True
            if isinstance(error, _NOT_AGAIN) or attempt == s.retry.attempts:
                break
            await asyncio.sleep(s.retry.pause(attempt))
        c.is_undone = True
        if error is not None:
            self._undo_failures.append(f"the compensation of '{s.name}' failed: {text_of(error)}")
        if self.recorder is not None:
            await self.recorder.append(
                {
                    "kind": "undone",
                    "step": self.plan.names[c.visit.step],
                    "visit": c.visit.id,
                    "code": "" if error is None else code_of(error),
                    "text": "" if error is None else text_of(error),
                }
            )

    # -- going on ------------------------------------------------------------------------------

    async def _open(self, recorder: Recorder, input: Any) -> bool:
        """Begins a record, or goes on where it ends. True: it has ended, with an answer."""
        recorder.epoch, records = await recorder.store.claim(recorder.run_id)
        if not records:
            tokens, answers = self._first(input)
            await recorder.append(
                {
                    "kind": "started",
                    "workflow": self.plan.graph.name,
                    "version": self.plan.graph.version,
                    "pins": self.plan.pins(),
                    "input": recorder.values.pack(input),
                    "tokens": tokens,
                    "answers": answers,
                }
            )
            self._put(tokens, input)
            if answers:
                self._has_answer, self._answer = True, input
            return False
        replay(self, recorder.values, records)
        return bool(records[-1]["kind"] == "finished")


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _within(seconds: float | None, call: Callable[[], Any]) -> Any:
    """What ``call`` gives, awaited if it can be, within a time."""
    from odeon import task

    try:
        async with asyncio.timeout(seconds) as limit:
            value = call()
            if inspect.isgenerator(value):
                value = task.fork(value)
            return await value if inspect.isawaitable(value) else value
    except TimeoutError as error:
        if limit.expired():
            raise AskTimeout(f"no end within {seconds:g} s") from error
        raise
