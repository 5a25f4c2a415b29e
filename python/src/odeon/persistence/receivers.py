"""The journal of a system, and who can be reached by messages that survive a crash."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from typing import Any

from .. import _native
from .._native import ActorRef, Context, Delivery
from ..actor import Actor
from ..errors import InvalidArgument, NoReply
from ..messages import Terminated
from . import _wire
from .journal import Journal
from .records import Activation

__all__ = ["activate_with", "install", "installed", "receive"]

_log = logging.getLogger("odeon.persistence")
_ANSWER_WITHIN = 25.0  # seconds; a delivery that takes longer than 30 s is delivered again

HANDLED = 1


class _Installed:
    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.names: dict[ActorRef[Any], str] = {}


_systems: weakref.WeakKeyDictionary[_native.System, _Installed] = weakref.WeakKeyDictionary()


def install(
    system: _native.System, journal: Journal, *, outbox_poll: float = 0.0,
    max_delivery_attempts: int = 0,
) -> None:
    """Gives a system the journal of its durable actors; also ``ActorSystem(…, journal=journal)``.

    Once a system, before the first of them is spawned. The system closes it after its last actor
    has ended. ``outbox_poll``: how often, in seconds, the store is looked through for messages that
    other processes left for receivers here (0: never). ``max_delivery_attempts``: failed deliveries
    after which a message is given up (0: never).
    """
    _native.durable_install(system, journal, outbox_poll, max_delivery_attempts)
    _systems[system] = _Installed(journal)


def installed(system: _native.System | None) -> Journal:
    """The installed one. Raises :class:`odeon.errors.InvalidArgument` without."""
    found = None if system is None else _systems.get(system)
    if found is None:
        if system is None:
            raise InvalidArgument(
                "a durable actor runs in the interpreter that made its system and has its journal")
        raise InvalidArgument(
            "a durable actor needs a journal: ActorSystem(…, journal=…), or "
            "persistence.install(system, journal), first")
    return found.journal


def address_of(system: _native.System, ref: ActorRef[Any]) -> str:
    """The address under which an actor is a durable receiver; "": it is none."""
    found = _systems.get(system)
    name = found.names.get(ref) if found is not None else None
    return name or _native.durable_address_of(system, ref)


class _PlainReceiver(Actor[Any]):
    """Asks a plain actor what is delivered for it."""

    def __init__(self, name: str, ref: ActorRef[Any]) -> None:
        self._name = name
        self._ref = ref

    def pre_start(self, ctx: Context) -> None:
        ctx.watch(self._ref)
        _native.durable_add_receiver(ctx.system, self._name, ctx.self)

    def on_Terminated(self, msg: Terminated, ctx: Context) -> None:
        known = _systems.get(ctx.system)
        if known is not None:
            known.names.pop(self._ref, None)
        ctx.stop()

    async def on_Delivery(self, what: Delivery) -> None:
        try:
            if not what.skip:
                message = _wire.decode(what.manifest, what.version, what.payload)
                await self._ref.ask(message, timeout=_ANSWER_WITHIN)
        except NoReply:
            pass
        except Exception as why:
            what.fail(f"{type(why).__name__}: {why}")
            return
        what.settle(HANDLED)


def receive(system: _native.System, name: str, ref: ActorRef[Any]) -> None:
    """Makes a plain actor a durable receiver under a name.

    What is sent there by an effect, or was set as a timer for it, is asked of it at least once: it
    sees a message again when its handler raised, or when the process ended before it was noted.
    The classes of its messages must be registered in :mod:`odeon.codecs`.
    """
    installed(system)
    _systems[system].names[ref] = name
    system.spawn(_PlainReceiver, name, ref)


class _Activator(Actor[Activation]):
    def __init__(self, start: Callable[[str], Any]) -> None:
        self._start = start

    def receive(self, msg: Activation, ctx: Context) -> None:
        try:
            self._start(msg.address)
        except Exception:
            _log.exception("nobody could be brought to life at %r", msg.address)


def activate_with(
    system: _native.System, prefix: str, start: Callable[[str], Any]
) -> None:
    """Calls ``start(address)`` when something is to be delivered to an address that begins with
    ``prefix`` and nobody is there: it may spawn the actor, and is called again after a while if
    that did not help. Runs on a turn of an actor of the system, where it must not block."""
    installed(system)
    _native.durable_activate_with(system, prefix, system.spawn(_Activator, start))
