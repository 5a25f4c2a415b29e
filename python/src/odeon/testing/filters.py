"""Event filters: exactly so many failures, dead letters or warnings within a block."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from .. import events
from .kit import Steps, TestKit

__all__ = ["EventFilter", "dead_letters", "failures", "warnings"]

_GRACE = 0.1  # real seconds in which no further one is to come


class _Handler(logging.Handler):
    """Keeps records for a filter."""

    def __init__(self, put: Callable[[Any], None]) -> None:
        super().__init__(logging.WARNING)
        self._put = put

    def emit(self, record: logging.LogRecord) -> None:
        self._put(record)


class EventFilter:
    """Exactly ``exactly`` matching events come while a block runs, or within ``within`` seconds of
    its end (the kit's patience); otherwise :class:`ExpectationError` with those that came.

    Events are of ``classes``, the runtime's or the program's own. ``match`` is a regular
    expression searched for in an event's text (for a log record its message, for others their
    fields), ``where`` a function that says yes. Entered by ``with`` or ``async with``, it gives
    itself; ``seen`` has the events. Made by the kit: ``expect_events``, ``expect_failures``,
    ``expect_dead_letters``, ``expect_warnings``.

    Example::

        with kit.expect_failures(ValueError, match="too large", exactly=2) as failures:
            account.tell(Withdraw(10**9))
            account.tell(Withdraw(10**9))
        assert failures.seen[0].path == account.path
    """

    __test__ = False

    def __init__(self, kit: TestKit, *classes: type, exactly: int = 1, match: str | None = None,
                 where: Callable[[Any], bool] | None = None, within: float | None = None,
                 what: str = "", log: bool = False) -> None:
        self._kit = kit
        self._classes = classes
        self._exactly = exactly
        self._pattern = re.compile(match) if match is not None else None
        self._where = where
        self._within = kit.patience if within is None else within
        self._what = what or " or ".join(cls.__name__ for cls in classes)
        self._handler = _Handler(self._put) if log else None
        self._lock = threading.Lock()
        self._subscription: events.Subscription | None = None
        self.seen: list[Any] = []

    def _text(self, event: Any) -> str:
        return event.getMessage() if isinstance(event, logging.LogRecord) else repr(event)

    def _put(self, event: Any) -> None:
        if self._pattern is not None and not self._pattern.search(self._text(event)):
            return
        if self._where is not None and not self._where(event):
            return
        with self._lock:
            self.seen.append(event)
        self._kit.changed()

    def _begin(self) -> None:
        if self._handler is not None:
            logging.getLogger().addHandler(self._handler)
        else:
            self._subscription = self._kit.system.events.subscribe(self._put, *self._classes)

    def _end(self) -> None:
        if self._handler is not None:
            logging.getLogger().removeHandler(self._handler)
        if self._subscription is not None:
            self._subscription.cancel()

    def _steps(self) -> Steps[None]:
        yield (lambda: len(self.seen) >= self._exactly and self._exactly > 0), (
            self._within if self._exactly else 0.0)
        if len(self.seen) == self._exactly:  # and no further one
            yield (lambda: len(self.seen) > self._exactly), (
                0.001 if self._kit.is_virtual else _GRACE)
        if len(self.seen) == self._exactly:
            return
        came = "".join(f"\n  {self._text(event)}" for event in self.seen) or " none"
        like = f" like /{self._pattern.pattern}/" if self._pattern is not None else ""
        self._kit.fail(f"expected exactly {self._exactly} {self._what}{like} within "
                       f"{self._within:g} s, but {len(self.seen)} came:{came}")

    def __enter__(self) -> Self:
        self._begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None,
                 at: TracebackType | None) -> None:
        __tracebackhide__ = True
        try:
            if kind is None:
                self._kit.drive_blocking(self._steps())
        finally:
            self._end()

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None,
                        at: TracebackType | None) -> None:
        __tracebackhide__ = True
        try:
            if kind is None:
                await self._kit.drive(self._steps())
        finally:
            self._end()


def failures(kit: TestKit, exception: type[BaseException], **options: Any) -> EventFilter:
    """Handlers and hooks that raise such an exception."""
    also = options.pop("where", None)

    def where(event: events.ActorFailed) -> bool:
        return isinstance(event.exception, exception) and (also is None or bool(also(event)))

    return EventFilter(kit, events.ActorFailed, where=where,
                       what=f"failures by {exception.__name__}", **options)


def dead_letters(kit: TestKit, message: type | str | None, **options: Any) -> EventFilter:
    """Messages that no handler gets."""
    also = options.pop("where", None)
    if isinstance(message, type):
        name = message.__qualname__
        if message.__module__ != "builtins":
            name = f"{message.__module__}.{name}"
    else:
        name = message or ""

    def where(event: events.DeadLetter) -> bool:
        return (name in ("", event.message)) and (also is None or bool(also(event)))

    return EventFilter(kit, events.DeadLetter, where=where,
                       what=f"dead letters{' of ' + name if name else ''}", **options)


def warnings(kit: TestKit, **options: Any) -> EventFilter:
    """Records of the log, at or above WARNING."""
    return EventFilter(kit, what="warnings", log=True, **options)
