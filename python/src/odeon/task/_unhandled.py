"""Errors of tasks that nobody looked at."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from ._host import LoopHost


@dataclass(slots=True)
class UnhandledTaskError:
    """A detached task has failed, and nobody joined, awaited or aborted it, or looked at its
    ``result``."""

    error: BaseException
    task: str
    """The name it was forked with."""
    id: int
    """Of the fork."""

    def __str__(self) -> str:
        name = f" '{self.task}'" if self.task else ""
        return f"the task{name} (id={self.id}) failed: {type(self.error).__name__}: {self.error}"


_TOLD_OTHERWISE = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)  # as asyncio has it
UnhandledHook = Callable[[UnhandledTaskError], object]
_hook: UnhandledHook | None = None


def set_unhandled_task_error_hook(hook: UnhandledHook | None) -> UnhandledHook | None:
    """Takes the errors that nobody looked at, in the whole process; gives the hook before.

    A scheduler's or a run's own ``on_unhandled`` comes first. Without a hook they go to the
    exception handler of the asyncio loop that runs the task, and without a loop to stderr. It is
    called when the last handle of the failed task goes, on whatever thread that is.
    """
    global _hook
    before, _hook = _hook, hook
    return before


class Unlooked:
    """The error of a task; reports itself when it goes and nobody has looked at it."""

    __slots__ = ("_fork", "error", "traceback")

    def __init__(
        self, error: BaseException, tb: TracebackType | None, fork: Any, is_quiet: bool
    ) -> None:
        self.error = error
        self.traceback = tb
        self._fork: tuple[Any, str, int] | None = (
            None
            if is_quiet or isinstance(error, _TOLD_OTHERWISE)
            else (fork._scheduler, fork.name, fork.id)
        )

    def look(self) -> BaseException:
        self._fork = None
        return self.error

    def __del__(self) -> None:
        if self._fork is None:
            return
        scheduler, name, id = self._fork
        try:
            _report(scheduler, UnhandledTaskError(self.error, name, id))
        except Exception as failure:
            if sys is not None and not sys.is_finalizing():
                sys.stderr.write(f"a hook for unhandled errors of tasks failed: {failure!r}\n")


def _report(scheduler: Any, what: UnhandledTaskError) -> None:
    hook = scheduler.on_unhandled or _hook
    if hook is not None:
        hook(what)
        return
    host = scheduler.host
    if isinstance(host, LoopHost) and not host.loop.is_closed():
        host.loop.call_exception_handler({"message": str(what), "exception": what.error})
        return
    lines = traceback.format_exception(what.error)
    sys.stderr.write(f"{what}\n{''.join(lines)}")
