"""Event-sourced actors: the state is what the events made of it."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from .._native import Context
from ..actor import on
from ..errors import CorruptRecord, DecodingError
from ..messages import ReceiveTimeout
from . import _wire
from ._base import DurableBase, own_function
from ._core import Core
from .effects import Effect
from .records import Event as EventRecord
from .records import State as StateRecord
from .records import StoredEvent, StoredSnapshot

__all__ = ["EventSourced"]

Cmd = TypeVar("Cmd")
Event = TypeVar("Event")
State = TypeVar("State")


class EventSourced(DurableBase, Generic[Cmd, Event, State]):
    """An actor that stores what happened, its events, and is what they add up to.

    ``persistence_id`` names the history: set it in ``__init__`` or in the class. :meth:`on_command`
    looks at a command and the state, changes nothing, and returns an effect (``persist`` and its
    like), or a plain answer. :meth:`on_event` gives the state after an event, now and at each
    recovery; it decides nothing. A reply leaves when the events are on disk; while a commit is
    under way the actor takes no message.

    The classes in the type arguments (``EventSourced[Command, Deposited | Withdrawn, Account]``)
    and in ``events`` are made known to :mod:`odeon.codecs`, so that a recovery can read them.

    Before the first message it waits for a permit (50 at once), takes over the writing of its id
    (an older writer is refused from then on), reads the newest good snapshot and what came after
    it, and calls :meth:`recovery_completed`. A recovery or commit that fails is a failure of the
    actor with that reason: its supervision decides. ``Fenced`` stops it.

    Example::

        class Account(EventSourced[Deposit | GetBalance, Deposited, int]):
            def __init__(self, number: str) -> None:
                self.persistence_id = f"account/{number}"

            def initial_state(self) -> int:
                return 0

            def on_command(self, state, cmd, ctx):
                match cmd:
                    case Deposit(amount):
                        return persist(Deposited(amount)).reply_with(lambda balance: balance)
                    case GetBalance():
                        return state

            def on_event(self, state: int, event: Deposited) -> int:
                return state + event.amount
    """

    persistence_id: str
    snapshot_every: int = 0
    """Events between snapshots; 0: only on demand."""
    keep_snapshots: int = 2
    """Older ones are deleted; 0: all stay."""
    tags: Iterable[str] = ()
    """Of every event, for queries and projections."""
    events: Iterable[type] = ()
    """Classes of events beside those of the type arguments: old ones, above all."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("on_command", "on_event"):
            if inspect.isfunction(own := cls.__dict__.get(name)):
                own_function(own)
        for base in getattr(cls, "__orig_bases__", ()):
            if typing.get_origin(base) is not None:
                _wire.know_classes(*typing.get_args(base)[1:])
        _wire.know_classes(*cls.__dict__.get("events", ()))

    # -- what a class defines --------------------------------------------------------------------

    def initial_state(self) -> State:
        """The state before the first event; fresh at each call."""
        raise NotImplementedError

    @own_function
    def on_command(self, state: State, cmd: Cmd, ctx: Context) -> Any:
        """What is to be done: an effect, a list of effects, or a plain answer. May be
        ``async``."""
        raise NotImplementedError

    @own_function
    def on_event(self, state: State, event: Event) -> Any:
        """The state after the event; None: ``state`` itself, which it has changed. Must not depend
        on anything else, nor raise."""
        raise NotImplementedError

    def tags_of(self, event: Event) -> Iterable[str]:
        """Tags of an event beside ``tags``; at most 32."""
        return ()

    def adapt(self, event: Any) -> Any:
        """At recovery: what takes the place of a stored event – one event, None or several in a
        list. For classes of events that the actor no longer wants."""
        return event

    def snapshot_state(self, state: State) -> Any:
        """What a snapshot stores of the state."""
        return state

    def restore_state(self, stored: Any) -> State:
        """The state of what a snapshot stored."""
        return typing.cast(State, stored)

    def recovery_completed(self, ctx: Context) -> Any:
        """Before the first message, with the state as it is stored. ``def`` or ``async def``."""

    # -- in a handler ----------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state after the last event."""
        return typing.cast(State, self._state)

    @property
    def sequence(self) -> int:
        """Of the last event; 0 before the first."""
        return self._core.sequence

    # -- for the runtime -------------------------------------------------------------------------

    _state: Any
    _last_snapshot = 0

    async def pre_start(self, ctx: Context) -> None:
        """Recovers. A class that overrides it calls it first."""
        self._core = Core(ctx, getattr(self, "persistence_id", None))
        self._state = self.initial_state()
        self._last_snapshot = await self._core.recover(self._read_snapshot, self._read_event)
        done = self.recovery_completed(ctx)
        if inspect.isawaitable(done):
            await done
        self._core.ready(ctx)
        if self.deactivate_after > 0:
            ctx.receive_timeout(self.deactivate_after)

    def receive(self, msg: Any, ctx: Context) -> Any:
        """Hands a message to :meth:`on_command`, and carries its effect out."""
        given = self.on_command(self._state, msg, ctx)
        if inspect.iscoroutine(given):
            return self._perform_later(given, ctx)
        return self._perform(given, ctx)

    @on(ReceiveTimeout)
    def _timed_out(self, msg: ReceiveTimeout, ctx: Context) -> Any:
        if self.deactivate_after > 0:
            ctx.stop()
            return None
        return self.receive(msg, ctx)

    def _read_snapshot(self, stored: StoredSnapshot) -> None:
        self._state = self.restore_state(
            _wire.decode(stored.manifest, stored.version, stored.payload)
        )

    async def _read_event(self, stored: StoredEvent) -> None:
        try:
            event = _wire.decode(stored.manifest, stored.version, stored.payload)
        except DecodingError as why:
            raise CorruptRecord(
                f"{self._core.id}: event {stored.sequence} ({stored.manifest}) cannot be read, so "
                f"recovery stops here: {why}"
            ) from why
        adapted = self.adapt(event)
        if adapted is None:
            return
        for one in adapted if isinstance(adapted, list) else (adapted,):
            await self._apply(one)

    async def _apply(self, event: Any) -> None:
        state = self.on_event(self._state, event)
        if inspect.iscoroutine(state):
            state = await state
        if state is not None:
            self._state = state

    def _to_write(self, effect: Effect) -> tuple[list[EventRecord], StateRecord | None]:
        return [
            EventRecord(*_wire.encode(event), (*self.tags, *self.tags_of(event)))
            for event in effect.events
        ], None

    async def _committed(self, effect: Effect) -> None:
        for event in effect.events:
            await self._apply(event)

    def _concluded(self, effect: Effect) -> None:
        if 0 < self.snapshot_every <= self._core.sequence - self._last_snapshot:
            self._save_snapshot()

    def _save_snapshot(self) -> None:
        if self._core.sequence == self._last_snapshot:
            return
        self._last_snapshot = self._core.sequence
        self._core.save_snapshot(self.snapshot_state(self._state), self.keep_snapshots)

    def _state_now(self) -> Any:
        return self._state

    def _take_command(self, message: Any, ctx: Context) -> Any:
        return self.on_command(self._state, message, ctx)
