"""Durable-state actors: the state is a value that is stored as a whole."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .._native import Context
from .._support import _takes
from ..actor import on
from ..errors import CorruptRecord, Fenced, NotFound, Unhandled, WrongType
from ..messages import ReceiveTimeout
from . import _wire
from ._base import DurableBase, as_effect, own_function
from ._core import Core, log
from .effects import Effect
from .records import Event, SnapshotInfo, State, StoredEvent, StoredSnapshot

__all__ = ["DurableState", "checkpoint"]


@dataclass(frozen=True, slots=True)
class _Look:
    """Time to look at the state."""


def checkpoint() -> Effect:
    """Stores the state now; what follows in the effect happens when that is durable."""
    effect = Effect()
    effect.save = True
    return effect


def _watched(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler, after which the state is looked at."""
    takes = _takes(handler)

    def watched(self: DurableState, msg: Any, ctx: Context) -> Any:
        args = (self, msg, ctx)[:takes]
        if self._inside:  # of another handler, which calls this one
            return handler(*args)
        self._inside = True
        try:
            given = handler(*args)
        finally:
            self._inside = False
        if inspect.iscoroutine(given):
            return self._finish_later(given, ctx)
        return self._finish(given, ctx)

    for name in ("__name__", "__qualname__", "__module__", "__doc__", "__odeon_on__"):
        if hasattr(handler, name):
            setattr(watched, name, getattr(handler, name))
    return watched


class DurableState(DurableBase):
    """An actor whose state is stored as a whole, under ``persistence_id``.

    The state is the instance's public attributes (those set in ``__init__`` included; names that
    begin with ``_`` or stand in ``state_exclude`` are not stored), or what :meth:`get_state` and
    :meth:`set_state` say: a registered dataclass there is what C++ reads and writes as its state.
    Handlers are those of any actor, and may return effects: ``checkpoint().reply(x)`` answers when
    the state is on disk.

    When a handler changed the state it is written ``write_behind`` seconds later, with each effect
    that writes, and when the actor stops; with ``write_through`` after each handler, before its
    answer. An actor that failed is not stored: a restart begins with what is. So of what was not
    acknowledged by an effect, at most the last ``write_behind`` seconds are lost in a crash.

    ``recovery_completed(ctx)`` is called before the first message, ``deactivated(ctx)`` at the end,
    before the last write.

    Example::

        class Cart(DurableState):
            def __init__(self, id: str) -> None:
                self.persistence_id = f"cart/{id}"
                self.items: list[str] = []

            def on_Add(self, msg: Add) -> None:
                self.items.append(msg.item)      # stored within 2 s

            def on_Pay(self, msg: Pay) -> Effect:
                return checkpoint().reply("paid")  # stored before the answer
    """

    persistence_id: str
    write_behind: float = 2.0
    """Seconds after a change until it is written; 0: only by effects and at the end."""
    write_through: bool = False
    """Write after each handler that changed the state, before its answer (None without one)."""
    keep_revisions: int = 1
    """Older ones are deleted; 0: all stay."""
    begin_with: int = 0
    """Begin with this revision, as the newest; 0: with the newest."""
    state_exclude: Iterable[str] = ()
    """Public attributes that are not stored."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, function in list(cls.__dict__.items()):
            marked = hasattr(function, "__odeon_on__")
            by_name = name == "receive" or (name.startswith("on_") and name != "on_unhandled")
            if (marked or by_name) and inspect.isfunction(function):
                setattr(cls, name, _watched(function))

    # -- what a class may define -----------------------------------------------------------------

    def get_state(self) -> Any:
        """What is stored."""
        left_out = {"persistence_id", *DurableState.__annotations__, *DurableBase.__annotations__,
                    *self.state_exclude}
        return {name: value for name, value in self.__dict__.items()
                if not name.startswith("_") and name not in left_out}

    def set_state(self, state: Any) -> None:
        """Takes what was stored."""
        self.__dict__.update(state)

    def recovery_completed(self, ctx: Context) -> Any:
        """Before the first message, with the state as it is stored. ``def`` or ``async def``."""

    def deactivated(self, ctx: Context) -> Any:
        """At the end, before the last write. ``def`` or ``async def``."""

    @own_function
    def receive(self, msg: Any, ctx: Context) -> Any:
        """For messages without a handler of their own."""
        return NotImplemented

    # -- in a handler ----------------------------------------------------------------------------

    @property
    def revision(self) -> int:
        """Of the state as it is stored: 1 for the first; 0: nothing is stored yet."""
        return self._core.sequence

    async def history(self, max_count: int = 100) -> list[SnapshotInfo]:
        """The revisions that can be restored, the newest first."""
        return await self._core.journal.snapshots_of(self._core.id, max_count)

    async def restore(self, revision: int) -> None:
        """Makes an older revision the state again, stored as the newest.

        Raises :class:`odeon.errors.NotFound` when it is not kept.
        """
        loaded = await self._core.journal.load_snapshot(self._core.id, revision, revision)
        if loaded.damaged:
            raise CorruptRecord(loaded.damaged[0])
        if loaded.snapshot is None:
            raise NotFound(f"{self._core.id!r} keeps no revision {revision}")
        self._read(loaded.snapshot)
        await self._write_changes()

    # -- for the runtime -------------------------------------------------------------------------

    _inside = False
    _armed = False
    _lost = False
    _stored: tuple[str, int, bytes] | None = None
    _writing: tuple[str, int, bytes] | None = None
    _first: tuple[str, int, bytes] | None = None

    async def pre_start(self, ctx: Context) -> None:
        """Recovers. A class that overrides it calls it first."""
        self._ctx = ctx
        self._core = Core(ctx, getattr(self, "persistence_id", None))
        self._first = _wire.encode(self.get_state())
        await self._core.recover(self._read_newest, self._no_event)
        if self.begin_with not in (0, self._core.sequence):
            await self.restore(self.begin_with)
        done = self.recovery_completed(ctx)
        if inspect.isawaitable(done):
            await done
        self._core.ready(ctx)
        if self.deactivate_after > 0:
            ctx.receive_timeout(self.deactivate_after)

    async def post_stop(self, ctx: Context) -> None:
        """Writes what has changed. A class that overrides it calls it last."""
        done = self.deactivated(ctx)
        if inspect.isawaitable(done):
            await done
        ready = hasattr(self, "_core") and self._core.is_ready
        if ready and not self._lost and ctx.stopping_as not in ("failed", "killed"):
            await self._write_changes()

    def pre_restart(self, exc: BaseException, msg: Any, ctx: Context) -> None:
        """An actor that failed is not stored."""

    @on(_Look)
    async def _look(self, msg: _Look, ctx: Context) -> None:
        self._armed = False
        try:
            await self._write_changes()
        except Fenced as why:
            log.warning("%s stops, because another writer has taken over: %s", ctx.path, why)
            self._lost = True
            ctx.stop()
        except Exception:
            self._arm(ctx)  # an actor that is resumed tries again
            raise

    @on(ReceiveTimeout)
    def _timed_out(self, msg: ReceiveTimeout, ctx: Context) -> Any:
        if self.deactivate_after > 0:
            ctx.stop()
            return None
        handler = getattr(self, "on_ReceiveTimeout", None) or self.receive
        return handler(msg, ctx)

    def _read_newest(self, stored: StoredSnapshot) -> None:
        self._read(stored)
        self._stored = (stored.manifest, stored.version, stored.payload)

    def _read(self, stored: StoredSnapshot) -> None:
        self.set_state(_wire.decode(stored.manifest, stored.version, stored.payload))

    def _no_event(self, event: StoredEvent) -> None:
        raise WrongType(f"{self._core.id!r} is the id of an event-sourced actor")

    def _finish(self, given: Any, ctx: Context) -> Any:
        if self.write_through:
            given = self._saved_first(given)
        done = self._perform(given, ctx)
        if not inspect.iscoroutine(done):
            self._arm(ctx)
        return done

    async def _finish_later(self, handler: Any, ctx: Context) -> Any:
        self._inside = True
        try:
            given = await handler
        finally:
            self._inside = False
        if self.write_through:
            given = self._saved_first(given)
        done = self._perform(given, ctx)
        if inspect.iscoroutine(done):
            return await done
        if done is NotImplemented:
            ctx.reply_to().fail(Unhandled(f"{ctx.path} has no handler for this message"))
            return None
        self._arm(ctx)
        return done

    def _saved_first(self, given: Any) -> Any:
        """The answer after a write, when there is something to be written."""
        if given is NotImplemented or not self._changed():
            return given
        effect = as_effect(given)
        if effect is None:
            return checkpoint().reply(given)
        effect.save = not (effect.untaken or effect.stashes)
        return effect

    def _changed(self) -> bool:
        now = _wire.encode(self.get_state())
        return now != (self._stored or self._first)

    def _arm(self, ctx: Context) -> None:
        if not self._armed and self.write_behind > 0 and not self.write_through:
            self._armed = True
            ctx.send_after(self.write_behind, _Look())

    async def _write_changes(self) -> None:
        if self._changed():
            effect = checkpoint()
            events, state = self._to_write(effect)
            await self._core.commit(effect, events, state, None)
            await self._committed(effect)

    def _to_write(self, effect: Effect) -> tuple[list[Event], State | None]:
        self._writing = None
        now = _wire.encode(self.get_state())
        # A checkpoint of what is stored already still says that this writer is the one.
        if now == self._stored and self._core.sequence != 0:
            return [], None
        self._writing = now
        return [], State(*now, self.keep_revisions)

    async def _committed(self, effect: Effect) -> None:
        if self._writing is not None:
            self._stored, self._writing = self._writing, None

    def _concluded(self, effect: Effect) -> None:
        if not effect.writes:
            self._arm(self._ctx)

    def _fenced(self) -> None:
        self._lost = True

    def _state_now(self) -> Any:
        return self

    def _take_command(self, message: Any, ctx: Context) -> Any:
        handler = _handler_of(type(self), type(message))
        if handler is None:
            return NotImplemented
        inside, self._inside = self._inside, True  # what follows is the delivery's
        try:
            return handler(self, message, ctx)
        finally:
            self._inside = inside


_tables: dict[type, dict[Any, Any]] = {}


def _handler_of(cls: type, message: type) -> Callable[..., Any] | None:
    """What takes messages of that class, as the native layer would find it."""
    from .._support import describe_class, find_handler

    table = _tables.get(cls)
    if table is None:
        _, receive, described, *_ = describe_class(cls)
        table = _tables[cls] = described or {}
        table["receive"] = receive
    if message not in table:
        find_handler(table, message)
    found = table[message] or table["receive"]
    return None if found is None else found[0]
