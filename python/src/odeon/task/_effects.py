"""Tasks that speak: making, tagging, merging and feeding back messages."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, cast

from ._fork import Fork
from ._group import Group
from ._scheduler import running as running_fork
from ._types import CURRENT, Effect, M, T, Tagged, Task, X, is_instruction
from ._verbs import join, serve, together


class _Through(Generator[Any, Any, Any]):
    """A task whose messages are looked at on their way; all else passes."""

    __slots__ = ("_source",)

    def __init__(self, source: Any) -> None:
        self._source = source

    def _message(self, message: Any) -> Any:
        raise NotImplementedError

    def send(self, value: Any) -> Any:
        item = self._source.send(value)
        return item if is_instruction(item) else self._message(item)

    def throw(self, *error: Any) -> Any:
        item = self._source.throw(*error)
        return item if is_instruction(item) else self._message(item)

    def close(self) -> None:
        self._source.close()


class _None(Generator[Any, Any, None]):
    __slots__ = ()

    def send(self, value: Any) -> Any:
        raise StopIteration

    def throw(self, error: Any, value: Any = None, tb: Any = None) -> Any:
        raise error if isinstance(error, BaseException) else error(value)

    def close(self) -> None:
        pass

    def __repr__(self) -> str:
        return "none_()"


_NONE = _None()


class _TaggedEffect(_Through):
    __slots__ = ("_tag",)

    def __init__(self, source: Any, tag: str) -> None:
        self._source = source
        self._tag = tag

    def _message(self, message: Any) -> Tagged:
        return with_tag(self._tag, message)

    def __str__(self) -> str:
        return "TaggedEffect"


class _Consumed(_Through):
    __slots__ = ("_take",)

    def __init__(self, source: Any, take: Callable[[Any], object]) -> None:
        self._source = source
        self._take = take

    def _message(self, message: Any) -> Any:
        while True:
            try:
                self._take(message)
            except Exception as error:
                message = self._source.throw(error)
            else:
                message = self._source.send(None)
            if is_instruction(message):
                return message


def send(message: M) -> Effect[M]:
    """``yield from``: sends ``message``; the same as ``yield message``. Does not suspend.

    It goes to the task that joins this one, from there on to who joins that, and is dropped where
    nobody does. ``run`` and ``consume`` call a function with it.
    """
    yield message


def with_tag(tag: str, value: Any) -> Tagged:
    """``{"type": tag, tag: value}``"""
    return {"type": tag, tag: value}


def none_() -> Effect[Any]:
    """The effect that sends nothing."""
    return _NONE


def effect(work: Task[T, X, Any]) -> Effect[T]:
    """The result of ``work`` as one message."""
    yield (yield from work)


def effects(tasks: Iterable[Task[T, X, Any]]) -> Effect[T]:
    """The results of ``tasks`` as messages, in the order in which they end."""
    made = [effect(t) for t in tasks]
    return batch(made) if made else none_()


def batch(effects: Iterable[Effect[M]]) -> Effect[M]:
    """Several effects as one: they run beside each other, and their messages come as they are sent.

    The first failure aborts the others and is raised.
    """
    yield from together([Fork(e) for e in effects])


def tag(effect: Task[T, X, Any], name: str) -> Task[T, X, Tagged]:
    """``effect`` with each message ``m`` as ``{"type": name, name: m}``. Tags nest."""
    if effect is _NONE:
        return cast("Task[T, X, Tagged]", effect)
    return cast("Task[T, X, Tagged]", _TaggedEffect(effect, name))


def listen(sources: Mapping[str, Effect[Any]]) -> Effect[Tagged]:
    """Several effects as one, whose messages are tagged with the names of where they come from."""
    yield from batch([tag(e, name) for name, e in sources.items() if e is not _NONE])


def consume(work: Any, on_message: Callable[[Any], object]) -> Task[Any]:
    """``yield from``: runs ``work`` in the present task and calls ``on_message(m)`` with each of
    its messages, so that none leaves; gives its value. An error of ``on_message`` is raised in
    ``work``, where it sent the message.
    """
    source = join(work) if isinstance(work, Fork) else work
    return cast("Task[Any]", _Consumed(source, on_message))


def loop(init: Effect[M], next_: Callable[..., Effect[M]]) -> Task[None]:
    """``yield from``: a feedback loop. Runs ``init``, and for each message of it, and of what
    follows from it, the effect that ``next_`` gives, beside the others; ends when nothing runs any
    more.

    A message that is a dict is passed as keywords, if ``next_`` takes them so: ``next_(**m)``; any
    other as ``next_(m)``. A failure aborts the others and is raised. What ``next_`` does not bound
    is unbounded.
    """
    running = Group(running_fork() or (yield CURRENT))
    try:
        running.start(Fork(init))
    except BaseException:
        running.leave()
        raise
    yield from serve(running, lambda message: running.start(Fork(_call(next_, message))))
    failed = running.decided
    running.members.clear()  # an error has this frame, and would be a circle with it
    running.decided = None
    try:
        if failed is not None:
            failed._take()
    finally:
        del failed


def _call(next_: Callable[..., Any], message: Any) -> Any:
    if isinstance(message, dict):
        try:
            return next_(**message)
        except TypeError as error:
            tb = error.__traceback__
            if tb is not None and tb.tb_next is not None:
                raise  # of its own, not of how it was called
    return next_(message)
