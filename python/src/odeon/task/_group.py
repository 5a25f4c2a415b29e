"""The tasks that one task waits for."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import Any, Final

from odeon.errors import CallCycle, InvalidArgument

from ._types import Status, TaskExit
from ._unhandled import Unlooked

AnyFork = Any  # Fork[Any, Any, Any]; spelled out it costs mypy more than it gives
_IDLE: Final = Status.IDLE
_ACTIVE: Final = Status.ACTIVE
_FINISHED: Final = Status.FINISHED


class Group:
    """The tasks that one task waits for, its *driver*; without a driver, the root."""

    __slots__ = (
        "_group",
        "_inner",
        "decided",
        "driver",
        "left",
        "members",
        "outbox",
        "outer",
        "over",
        "race",
        "ready",
    )

    def __init__(self, driver: AnyFork, race: bool = False) -> None:
        self.driver = driver
        self.ready: deque[AnyFork] = deque()
        self.outbox: list[Any] = []
        """Messages that the driver is to pass on."""
        self.members: list[AnyFork] = []
        self.left = 0
        """So many have not ended."""
        self.decided: AnyFork = None
        """The first that failed; of a race, the first that ended."""
        self.over = False
        """Nothing is waited for any more."""
        self.race = race
        # As an entry of the root's queue a group looks like a task that joins others.
        self._group: Group | None = None  # the root, while it has an entry there
        self._inner = True
        self.outer: Group | None = None
        if driver is not None:
            self.outer = driver._inner
            driver._inner = self

    def start(self, fork: AnyFork) -> None:
        """Joins a new fork, in a group that may be over and goes on."""
        if len(self.members) > 2 * self.left + 64:
            self.members = [f for f in self.members if f.status is not _FINISHED]
        self.over = self.decided is not None
        self.add(fork)

    def add(self, fork: AnyFork) -> None:
        """Joins ``fork``: takes it over from the root, or from who joined it before."""
        self.members.append(fork)
        self.left += 1
        if fork.status is _FINISHED:
            self.ended(fork)
        elif (
            fork.status is _ACTIVE
            and fork._group is self.driver._scheduler.root
            and fork._inner is None
            and fork is not self.driver
        ):
            fork._group = self  # nothing to check
            if not fork._idle:
                self.ready.append(fork)
        else:
            self._take_over(fork)

    def add_all(self, forks: list[AnyFork]) -> None:
        """Joins all, once each. Those which have ended decide before any other has a turn."""
        self.members = list(dict.fromkeys(forks))
        self.left = len(self.members)
        for f in self.members:
            if f.status is _FINISHED:
                self.ended(f)
        if self.decided is None:
            for f in self.members:
                if f.status is not _FINISHED:
                    self._take_over(f)

    def _take_over(self, fork: AnyFork) -> None:
        if fork.status is _IDLE:
            fork._start(self.driver._scheduler, self)
            return
        self._check(fork)
        before = fork._group
        if before.driver is not None:
            fork._watch(before)  # that one waits on, but messages come here
        fork._group = self
        if not fork._idle:
            self.ready.append(fork)

    def _check(self, fork: AnyFork) -> None:
        """Refuses what would never end."""
        driver = self.driver
        if fork._scheduler is not driver._scheduler:
            raise InvalidArgument(
                f"{fork!r} runs on another thread or loop: it cannot be joined here"
            )
        if fork is driver:
            raise InvalidArgument(f"{fork!r} joins itself, and would wait for ever")
        if fork._inner is None:
            return
        seen = set()
        above = [driver]
        while above:
            f = above.pop()
            if f is fork:
                raise CallCycle(f"{driver!r} joins {fork!r}, which waits for it")
            if f in seen:
                continue
            seen.add(f)
            if f._group is not None and f._group.driver is not None:
                above.append(f._group.driver)
            above += [w.driver for w in f._watchers or () if type(w) is Group]

    def ended(self, fork: AnyFork) -> None:
        self.left -= 1
        if self.decided is None and (self.race or type(fork._outcome) is Unlooked):
            self.decided = fork
            self.over = True
        elif self.left == 0:
            self.over = True
        if self.over and self.driver._idle:
            self.driver._wake()

    def abort(self, error: BaseException) -> None:
        """Throws ``error`` into all that have not ended; into those of an exit, one of their
        own."""
        for f in self.members:
            if f.status is not _FINISHED:
                e = TaskExit() if isinstance(error, TaskExit) else error
                self.driver._scheduler.throw_into(f, e)

    def leave(self) -> None:
        """The driver waits for it no longer; what has not ended goes back to the root."""
        driver = self.driver
        if driver._inner is self:
            driver._inner = self.outer
        else:
            g = driver._inner
            while g is not None and g.outer is not self:
                g = g.outer
            if g is not None:
                g.outer = self.outer
        if self.left == 0:
            return
        for f in self.members:
            if f._group is self:
                f._group = driver._scheduler.root
                if not f._idle:
                    f._group.ready.append(f)
            elif f._watchers is not None:
                with suppress(ValueError):
                    f._watchers.remove(self)


def served(task: AnyFork) -> Group | None:
    """The group of what ``task`` waits for that has turns to give."""
    group: Group | None = task._inner
    while group is not None and (group.over or not group.ready):
        group = group.outer
    return group
