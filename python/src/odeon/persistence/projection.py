"""Projections: what is made of the events of a tag, one after the other, for ever."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import codecs
from .._native import ActorRef, Context
from ..actor import Actor
from ..errors import DecodingError, InvalidArgument, OdeonError, VersionConflict
from ..options import Backoff, Directive, Supervision
from . import _wire
from .journal import Journal
from .offsets import MemoryOffsets, OffsetStore, SqliteOffsets
from .queries import News
from .receivers import installed
from .records import StoredEvent

__all__ = [
    "GetProgress", "Pause", "Progress", "ProjectionHalted", "Resume", "Rewind", "start_projection",
]

_log = logging.getLogger("odeon.persistence")


@dataclass(frozen=True, slots=True)
class Pause:
    """Stops reading after the batch in hand, until :class:`Resume`. Answered when it has."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Goes on."""


@dataclass(frozen=True, slots=True)
class Rewind:
    """Goes on behind the position ``to``, back (0: all anew) or ahead. Answered when stored."""

    to: int = 0


@dataclass(frozen=True, slots=True)
class GetProgress:
    """How far it is: :class:`Progress`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a projection stands; counts are since the actor's last start."""

    name: str
    offset: int
    handled: int
    skipped: int
    retries: int
    paused: bool
    caught_up: bool


class ProjectionHalted(OdeonError):
    """A projection has stopped for good: an event that cannot be handled, and its reason."""

    code = "handler_failed"


@dataclass(frozen=True, slots=True)
class _Next:
    """Read on."""


@dataclass(frozen=True, slots=True)
class _Settings:
    name: str
    tag: str
    handler: Callable[..., Any]
    store: OffsetStore
    journal: Journal
    batch: int
    poll: float
    skip_unknown: bool
    skip_poison: bool
    attempts: int
    pause: float


def _nothing(*_: Any) -> None:
    """A handler that does not look at rewinds."""


class _Projection(Actor[Any]):
    def __init__(self, settings: _Settings) -> None:
        self._with = settings
        self._offset = 0
        self._handled = self._skipped = self._retries = 0
        self._paused = self._reading = self._caught_up = False
        takes = len(inspect.signature(settings.handler).parameters)
        self._in_transaction = takes >= 3
        self._waits: asyncio.Task[None] | None = None
        self._news = News(settings.journal, tag=settings.tag)

    async def pre_start(self, ctx: Context) -> None:
        self._offset = await self._with.store.load(self._with.name)
        self._read_on(ctx)

    def post_stop(self, ctx: Context) -> None:
        if self._waits is not None:
            self._waits.cancel()

    def pre_restart(self, exc: BaseException, msg: Any, ctx: Context) -> None:
        self.post_stop(ctx)

    def on_Pause(self, msg: Pause, ctx: Context) -> None:
        self._paused = True
        ctx.reply(None)

    def on_Resume(self, msg: Resume, ctx: Context) -> None:
        self._paused = False
        self._read_on(ctx)
        ctx.reply(None)

    async def on_Rewind(self, msg: Rewind, ctx: Context) -> None:
        rewound: Callable[..., Any] = getattr(self._with.handler, "rewound", _nothing)
        if self._in_transaction:
            await self._run(msg.to, functools.partial(rewound, msg.to))
        else:
            await self._with.store.save(self._with.name, self._offset, msg.to)
            rewound(msg.to)
        self._offset = msg.to
        self._caught_up = False
        self._read_on(ctx)
        ctx.reply(None)

    def on_GetProgress(self, msg: GetProgress) -> Progress:
        return Progress(self._with.name, self._offset, self._handled, self._skipped, self._retries,
                        self._paused, self._caught_up)

    async def on__Next(self, msg: _Next, ctx: Context) -> None:
        self._reading = False
        if self._paused:
            return
        self._news.expect()
        events = await self._with.journal.by_tag(self._with.tag, self._offset, self._with.batch)
        if not events:
            self._caught_up = True
            if self._waits is None:
                self._waits = asyncio.get_running_loop().create_task(self._wait(ctx.self))
            return
        self._caught_up = False
        try:
            await self._handle(events)
        except (VersionConflict, ProjectionHalted) as why:
            _log.error("the projection %s stops at %d: %s", self._with.name, self._offset, why)
            ctx.stop()
            return
        self._read_on(ctx)

    async def _wait(self, me: ActorRef[Any]) -> None:
        await self._news.wait(self._with.poll)
        self._waits = None
        me.tell(_Next())

    def _read_on(self, ctx: Context) -> None:
        if not self._reading:
            self._reading = True
            ctx.self.tell(_Next())

    # -- events --------------------------------------------------------------------------------

    async def _handle(self, events: list[StoredEvent]) -> None:
        try:
            await self._handle_together(events)
            self._handled += len(events)
        except (VersionConflict, sqlite3.OperationalError):
            raise
        except Exception as why:
            # One of them cannot be handled: each by itself tells which.
            _log.warning("the projection %s goes event by event: %r", self._with.name, why)
            for event in events:
                if event.position > self._offset:
                    await self._handle_alone(event)

    async def _handle_together(self, events: list[StoredEvent]) -> None:
        values = [(_wire.decode(e.manifest, e.version, e.payload), e) for e in events]
        handler = self._with.handler
        last = events[-1].position
        if self._in_transaction:

            def work(db: sqlite3.Connection) -> None:
                for value, event in values:
                    handler(value, event, db)

            await self._run(last, work)
        else:
            for value, event in values:
                done = handler(value, event)
                if inspect.isawaitable(done):
                    await done
            await self._with.store.save(self._with.name, self._offset, last)
        self._offset = last

    async def _handle_alone(self, event: StoredEvent) -> None:
        why: Exception | None = None
        for attempt in range(self._with.attempts):
            if attempt > 0:
                self._retries += 1
                await asyncio.sleep(self._with.pause * 2 ** (attempt - 1))
            try:
                await self._handle_together([event])
                self._handled += 1
                return
            except (VersionConflict, sqlite3.OperationalError):
                raise
            except Exception as failed:
                why = failed
        unknown = (isinstance(why, DecodingError)
                   and codecs.default.native.find(event.manifest) is None)
        if not (self._with.skip_unknown if unknown else self._with.skip_poison):
            raise ProjectionHalted(
                f"event {event.sequence} of {event.persistence_id!r} (position {event.position}, "
                f"{event.manifest}): {type(why).__name__}: {why}") from why
        _log.warning("the projection %s passes over event %d of %s: %r", self._with.name,
                     event.sequence, event.persistence_id, why)
        await self._with.store.save(self._with.name, self._offset, event.position)
        self._offset = event.position
        self._skipped += 1

    async def _run(self, to: int, work: Callable[[sqlite3.Connection], Any]) -> None:
        store = self._with.store
        assert isinstance(store, SqliteOffsets)
        await store.run(self._with.name, self._offset, to, work)


def start_projection(
    system: Any, name: str, tag: str, handler: Callable[..., Any], *,
    store: OffsetStore | None = None, journal: Journal | None = None, batch: int = 200,
    poll: float = 1.0, skip_unknown: bool = False, skip_poison: bool = False, attempts: int = 3,
    pause: float = 0.1, max_restarts: int = 20,
) -> ActorRef[Any]:
    """Starts a projection of the events with ``tag``: an actor named ``projection-<name>``.

    ``handler(event, info)`` (``def`` or ``async def``): **at least once**; the offset is stored
    after every ``batch`` events, so those since then come again after a crash. ``handler(event,
    info, db)`` with :class:`SqliteOffsets`: **exactly once**; what it writes to ``db``, an
    ``sqlite3.Connection``, and the offset are one transaction, which up to ``batch`` events share.
    It then runs on the store's thread. ``info`` is the :class:`StoredEvent`.

    An event that cannot be read (``skip_unknown``), or that the handler raises for after
    ``attempts`` (``skip_poison``), is passed over or stops the projection with the reason. A store
    that is down restarts it, with backoff. ``handler.rewound(to)``, or ``(to, db)``, if there is
    one, is called with a :class:`Rewind`. Also answers :class:`Pause`, :class:`Resume` and
    :class:`GetProgress`.
    """
    takes = len(inspect.signature(handler).parameters)
    if takes >= 3 and not isinstance(store, SqliteOffsets):
        raise InvalidArgument(
            f"the projection {name!r} writes in a transaction: give it a store of the class "
            "SqliteOffsets")
    if not name or not tag or batch < 1 or attempts < 1:
        raise InvalidArgument(
            "a projection has a name and a tag, and at least one event in a batch and one attempt")
    settings = _Settings(name, tag, handler, store or MemoryOffsets(), journal or installed(system),
                         batch, poll, skip_unknown, skip_poison, attempts, pause)
    restarts = Supervision(
        otherwise=Directive.RESTART, max_retries=max_restarts, within=600.0,
        backoff=Backoff(initial=0.2, max=30.0))
    ref: ActorRef[Any] = system.spawn(
        _Projection, settings, name=f"projection-{name}", supervision=restarts)
    return ref
