"""Cold paths of the native layer: what it calls, in Python, where speed does not matter."""

from __future__ import annotations

import asyncio
import inspect
import logging
from asyncio import InvalidStateError
from collections.abc import Awaitable, Callable
from typing import Any

from . import _native
from .messages import ExitSignal, ReceiveTimeout, Terminated

__all__ = ["InvalidStateError"]

_log = logging.getLogger("odeon.actor")

Function = tuple[Callable[..., Any], int]


def _takes(function: Callable[..., Any]) -> int:
    """How many positional arguments a function of a class takes, with ``self``; at most 4."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return 3
    count = 0
    for p in signature.parameters.values():
        if p.kind is p.VAR_POSITIONAL:
            return 4
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
            count += 1
    return min(count, 4)


def _function(cls: type, name: str) -> Function | None:
    found = inspect.getattr_static(cls, name, None)
    if found is None or getattr(found, "__odeon_default__", False):
        return None
    if inspect.isfunction(found):
        return found, _takes(found)

    # A descriptor of another kind: found on the instance at each call.
    def bound(self: Any, *args: Any) -> Any:
        return getattr(self, name)(*args)

    method = getattr(cls, name)
    return bound, 4 if isinstance(found, classmethod) else max(2, _takes(method) + 1)


def describe_class(cls: type) -> tuple[Any, ...]:
    """What the native layer knows of a class of actors.

    (name, receive, handlers or None, (pre_start, post_stop, pre_restart, post_restart),
    on_unhandled, whether some handler is a coroutine function, whether it is reentrant)
    """
    receive = _function(cls, "receive")
    handlers: dict[type, Function] = {}
    by_name: dict[str, Function] = {}
    for name in dir(cls):
        static = inspect.getattr_static(cls, name, None)
        marks = getattr(static, "__odeon_on__", None)
        if marks:
            for message in marks:
                handlers[message] = _function(cls, name) or (static, 3)
        elif name.startswith("on_") and name != "on_unhandled" and callable(static):
            function = _function(cls, name)
            if function is not None:
                by_name[name[3:]] = function
    if not handlers and not by_name and receive is None:
        raise TypeError(
            f"{cls.__qualname__} is no class of actors: "
            "it defines neither receive(msg, ctx) nor on_… methods"
        )
    table: dict[Any, Any] | None = None
    if handlers or by_name:
        table = dict(handlers)
        table[None] = by_name
    hooks = tuple(
        _function(cls, n) for n in ("pre_start", "post_stop", "pre_restart", "post_restart")
    )
    functions = [receive, *handlers.values(), *by_name.values(), *hooks]
    is_async = any(f is not None and inspect.iscoroutinefunction(f[0]) for f in functions)
    return (
        f"{cls.__module__}.{cls.__qualname__}",
        receive,
        table,
        hooks,
        _function(cls, "on_unhandled"),
        is_async,
        bool(getattr(cls, "reentrant", False)),
    )


def find_handler(table: dict[Any, Any], message: type) -> None:
    """Notes in the table which function takes messages of that class; None: the class's receive."""
    by_name: dict[str, Function] = table.get(None, {})
    for base in message.__mro__:
        if base is object:
            break
        found = table.get(base) or by_name.get(base.__name__) or by_name.get(_snake(base.__name__))
        if found is not None:
            table[message] = found
            return
    table[message] = None


def _snake(name: str) -> str:
    out = []
    for i, c in enumerate(name):
        if c.isupper() and i and not name[i - 1].isupper():
            out.append("_")
        out.append(c.lower())
    return "".join(out)


def recipe(what: Any, rest: tuple[Any, ...]) -> tuple[type, tuple[Any, ...], dict[str, Any]]:
    """A class and the arguments of its constructor, for ``spawn``'s first argument that is no
    class."""
    make = getattr(what, "__odeon_recipe__", None)
    if make is None:
        raise TypeError(
            f"spawn takes a class of actors, a Props or a behavior, not {type(what).__qualname__}"
        )
    cls, args, kwargs = make(rest)
    return cls, args, kwargs


def behavior_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """A callable of (message, ctx), of one that may take the message alone."""
    try:
        takes = _takes(function)
    except TypeError:
        takes = 2
    if takes >= 2:
        return function
    return lambda message, ctx: function(message)


def handler_failed(exc: BaseException, path: str, cls: str, message: str) -> None:
    """Tells of an exception that left a handler, and notes on it where that was."""
    note = f"in the actor {path} ({cls}), handling {message}"
    if note not in getattr(exc, "__notes__", ()):
        exc.add_note(note)
    if isinstance(exc, asyncio.CancelledError):
        _log.info("%s was cancelled on %s", path, message)
        return
    _log.error("%s failed on %s: %r", path, message, exc, exc_info=exc)


async def _piped(target: Any, work: Awaitable[Any], convert: Callable[[Any], Any] | None) -> None:
    try:
        outcome: Any = await work
    except Exception as e:
        outcome = e
    target.tell(convert(outcome) if convert is not None else outcome)


_pipes: set[asyncio.Task[None]] = set()


def pipe_to_self(ctx: Any, work: Awaitable[Any], convert: Callable[[Any], Any] | None) -> None:
    """Awaits beside the mailbox; its result, or its exception, becomes a message."""
    task = asyncio.get_running_loop().create_task(_piped(ctx.self, work, convert))
    _pipes.add(task)
    task.add_done_callback(_pipes.discard)


def terminated(ref: Any, kind: str, text: str) -> Terminated:
    return Terminated(ref, kind, text)


def exit_signal(ref: Any, kind: str, text: str) -> ExitSignal:
    return ExitSignal(ref, kind, text)


def receive_timeout() -> ReceiveTimeout:
    return ReceiveTimeout()


def install() -> None:
    import sys

    _native._use_support(sys.modules[__name__])
