"""Steps: what a workflow is made of."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from odeon.errors import WrongType

from ._values import hints_of

if TYPE_CHECKING:
    from ._graph import Chain
    from ._state import StateStore


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a step is tried. The pause is ``min`` seconds, then twice as long each time, at
    most ``max``. ``Refused`` and values that cannot be stored are not tried again."""

    attempts: int = 1
    """In all; 1 to 1,000."""
    min: float = 0.1
    max: float = 30.0

    def pause(self, failed: int) -> float:
        """Seconds after ``failed`` attempts."""
        wait = self.min
        for _ in range(failed - 1):
            if wait >= self.max:
                break
            wait *= 2
        return min(wait, self.max)


@dataclass(slots=True)
class StepContext:
    """What a step sees of its run: a parameter named ``ctx``, or annotated with this class."""

    run_id: str
    """The id given to ``durable``; a generated one for other runs."""
    step: str
    key: str
    """The same for each attempt of this visit of the step, also after a restart, and for no other:
    what an outside service deduplicates by. ``order-17/charge/3``; of a compensation with
    ``/undo``."""
    attempt: int
    """1, 2, …"""
    state: StateStore
    system: Any
    """What was given to ``run``."""
    given_up: bool = False
    """Nobody waits for this attempt any more: it timed out, or its run ended."""


class Shape:
    """How a function takes its input."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.optional: list[bool] = []
        self.context: str | None = None
        hints = hints_of(function)
        self.hints = hints.values()
        try:
            parameters: Iterable[inspect.Parameter] = inspect.signature(
                function
            ).parameters.values()
        except (TypeError, ValueError):  # some built-in functions do not tell
            self.optional = [False]
            return
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for p in parameters:
            if p.name == "ctx" or hints.get(p.name) is StepContext:
                self.context = p.name
            elif p.kind in positional and (p.default is p.empty or not self.optional):
                self.optional.append(_allows_none(hints.get(p.name, p.annotation)))
            elif p.kind in positional and p.default is None:
                self.optional.append(True)
            elif p.kind is p.VAR_POSITIONAL and not self.optional:
                self.optional.append(False)

    def call(self, function: Callable[..., Any], values: tuple[Any, ...], ctx: StepContext) -> Any:
        if self.context is None:
            return function(*values)
        return function(*values, **{self.context: ctx})

    def spread(self, value: Any, name: str) -> tuple[Any, ...]:
        n = len(self.optional)
        if n == 0:
            return ()
        if n == 1:
            return (value,)
        if not isinstance(value, tuple) or len(value) != n:
            raise WrongType(f"the step '{name}' takes {n} values, and got {value!r}")
        return value


def _allows_none(hint: Any) -> bool:
    return hint is None or type(None) in getattr(hint, "__args__", ())


class Step:
    """A step; made by ``step`` or ``spawned``. A value: what changes it gives another one."""

    def __init__(
        self,
        name: str,
        body: Any,
        *,
        retry: Retry,
        timeout: float | None,
        max_visits: int | None,
        version: int,
        joins: bool,
        kind: str,
    ) -> None:
        self.name = name
        self.body = body
        self.retry = retry
        self.timeout = timeout
        self.max_visits = max_visits
        self.version = version
        self.joins = joins
        self.kind = kind
        self.is_hidden = kind == "relay"
        self.undo: Callable[..., Any] | None = None
        self.spawn: tuple[Any, tuple[Any, ...], dict[str, Any]] | None = None
        self.shape = Shape(body) if kind in ("function", "async", "task") else Shape(lambda v: v)

    def compensated_by(self, undo: Callable[..., Any]) -> Step:
        """The same step with what takes its effect back when a later step of the run fails for
        good: ``undo(output)``, ``undo(input, output)`` or ``undo()``, and ``ctx`` if it wants one.
        It has the step's attempts and time-out.
        """
        other = copy.copy(self)
        other.undo = undo
        return other

    def __rshift__(self, other: Any) -> Chain:
        from ._graph import chain_of

        out: Chain = chain_of(self) >> other
        return out

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function, as if it were no step: for tests."""
        return self.body(*args, **kwargs)

    def __repr__(self) -> str:
        return f"step({self.name!r})"


def _kind(body: Any) -> str:
    if not callable(body) or (hasattr(body, "ask") and not inspect.isroutine(body)):
        return "actor"
    target = body if inspect.isroutine(body) else getattr(body, "__call__", body)  # noqa: B004
    if inspect.iscoroutinefunction(target):
        return "async"
    return "task" if inspect.isgeneratorfunction(target) else "function"


@overload
def step(
    name: str,
    body: Any,
    *,
    retry: Retry = ...,
    timeout: float | None = ...,
    max_visits: int | None = ...,
    version: int = ...,
    joins: bool = ...,
) -> Step: ...
@overload
def step(name: Callable[..., Any]) -> Step: ...
@overload
def step(
    name: str | None = ...,
    *,
    retry: Retry = ...,
    timeout: float | None = ...,
    max_visits: int | None = ...,
    version: int = ...,
    joins: bool = ...,
) -> Callable[[Callable[..., Any]], Step]: ...
def step(
    name: Any = None,
    body: Any = None,
    *,
    retry: Retry = Retry(),  # noqa: B008
    timeout: float | None = None,
    max_visits: int | None = None,
    version: int = 1,
    joins: bool = False,
) -> Any:
    """A step: ``step("charge", charge_card, timeout=5.0)``, or a decorator, ``@step`` and
    ``@step(timeout=5.0)``, which names it after the function.

    ``body`` is a function, which runs on the loop's turn and must be short; a coroutine function or
    a task of ``odeon.task`` (a generator function), which runs beside the others; or an actor's
    reference, which is asked. ``timeout`` seconds are of one attempt. ``max_visits`` bounds how
    often it may run in one run. ``version`` is of its meaning, for durable runs. ``joins``: it
    waits for all its edges, and takes a list of what they brought.
    """
    if name is not None and not isinstance(name, str):
        return step(name.__name__, name)
    if body is None:
        return lambda function: step(
            name or function.__name__,
            function,
            retry=retry,
            timeout=timeout,
            max_visits=max_visits,
            version=version,
            joins=joins,
        )
    return Step(
        str(name),
        body,
        retry=retry,
        timeout=timeout,
        max_visits=max_visits,
        version=version,
        joins=joins,
        kind=_kind(body),
    )


def spawned(name: str, actor: Any, *args: Any, options: Step | None = None, **kwargs: Any) -> Step:
    """A step that asks an actor which each run spawns for itself before the first visit, by
    ``system.spawn(actor, *args, **kwargs)``, and stops at its end by ``system.stop_actor``.
    ``options``: another step, whose attempts, time-out and so on it has.
    """
    like = options or step(name, lambda v: v)
    made = copy.copy(like)
    made.name, made.body, made.kind = name, None, "spawned"
    made.shape = Shape(lambda v: v)
    made.spawn = (actor, args, kwargs)
    return made


def relay(kind: str = "relay") -> Step:
    """A place without work, made by a spelling."""
    return Step(
        "",
        None,
        retry=Retry(),
        timeout=None,
        max_visits=None,
        version=1,
        joins=False,
        kind=kind,
    )
