"""The base of event-sourced and durable-state actors: carries effects out, takes deliveries."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .._native import Context, Delivery
from ..actor import Actor, on
from ..errors import DecodingError, Fenced, Unhandled, VersionConflict
from . import _wire
from ._core import Core, log
from .effects import _FAILURE, _FUNCTION, _NONE, Effect
from .records import Event, State

SETTLED = 0
DUPLICATE = 2


def own_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a method whose name begins with ``on_`` as no handler of messages."""
    function.__odeon_default__ = True  # type: ignore[attr-defined]
    return function


def as_effect(given: Any) -> Effect | None:
    """An effect, or several in a list; None: it is a plain answer."""
    if isinstance(given, Effect):
        return given
    if isinstance(given, (list, tuple)) and given and all(isinstance(e, Effect) for e in given):
        merged = Effect()
        for one in given:
            merged.merge(one)
        return merged
    return None


class DurableBase(Actor[Any]):
    """What both kinds of durable actors do with effects."""

    deactivate_after: float = 0.0
    """Stops the actor when it took no message for so many seconds; 0: never. What comes in that
    instant is a dead letter, or, from an outbox or timer, comes again."""

    _core: Core

    # -- of the kind ---------------------------------------------------------------------------

    def _to_write(self, effect: Effect) -> tuple[list[Event], State | None]:
        """What of the effect, or of the state, is stored."""
        raise NotImplementedError

    async def _committed(self, effect: Effect) -> None:
        """Makes the state that of the commit."""
        raise NotImplementedError

    def _concluded(self, effect: Effect) -> None:
        """After the reply."""

    def _state_now(self) -> Any:
        raise NotImplementedError

    def _take_command(self, message: Any, ctx: Context) -> Any:
        """Calls the user's handler of a message that was delivered."""
        raise NotImplementedError

    # -- effects -------------------------------------------------------------------------------

    def _perform(self, given: Any, ctx: Context) -> Any:
        """What a handler returned; the value of ``receive``, or a coroutine of it."""
        effect = as_effect(given)
        if effect is None:
            return given
        if effect.untaken:
            return NotImplemented
        if effect.stashes:
            ctx.stash()
            return None
        if effect.writes or effect.callbacks or effect.snapshots:
            return self._carry_out(effect, ctx, None)
        self._answer(effect, ctx)
        if effect.stops:
            ctx.stop()
        return None

    async def _perform_later(self, handler: Any, ctx: Context) -> Any:
        given = await handler
        effect = as_effect(given)
        if effect is None:
            return given
        if effect.untaken:
            ctx.reply_to().fail(Unhandled(f"{ctx.path} has no handler for this message"))
        elif effect.stashes:
            ctx.stash()
        else:
            await self._carry_out(effect, ctx, None)
        return None

    def _answer(self, effect: Effect, ctx: Context) -> None:
        if effect.answer_kind == _NONE:
            if effect.writes:
                ctx.reply(None)
        elif effect.answer_kind == _FUNCTION:
            ctx.reply(effect.answer(self._state_now()))
        elif effect.answer_kind == _FAILURE:
            ctx.reply_to().fail(effect.answer)
        else:
            ctx.reply(effect.answer)

    async def _carry_out(self, effect: Effect, ctx: Context, settling: Delivery | None) -> bool:
        """Commits, applies, concludes. False: another writer has taken over, and this one stops."""
        if effect.writes or settling is not None:
            events, state = self._to_write(effect)
            try:
                await self._core.commit(effect, events, state, settling)
            except Exception as why:
                ctx.reply_to().fail(why)
                if not isinstance(why, Fenced):
                    raise
                # Another one writes this id now: to come back here would fence that one in turn.
                log.warning("%s stops, because another writer has taken over: %s", ctx.path, why)
                self._fenced()
                ctx.stop()
                return False
            await self._committed(effect)
        for function in effect.callbacks:
            waits = function(self._state_now())
            if inspect.isawaitable(waits):
                await waits
        self._answer(effect, ctx)
        if effect.snapshots:
            self._save_snapshot()
        self._concluded(effect)
        if effect.stops:
            ctx.stop()
        return True

    def _fenced(self) -> None:
        """Another writer has taken over."""

    def _save_snapshot(self) -> None:
        """For kinds that have snapshots."""

    # -- deliveries ----------------------------------------------------------------------------

    @on(Delivery)
    async def _take_delivery(self, what: Delivery, ctx: Context) -> None:
        try:
            if not await self._core.is_new(what):
                what.settle(DUPLICATE)
                return
            effect = Effect() if what.skip else await self._effect_of(what, ctx)
            # Whatever the handler's answer is, nobody waits for it.
            effect.answer_kind = _NONE
            if await self._carry_out(effect, ctx, what):
                what.settle(SETTLED)
            else:
                what.fail("another writer has taken over")
        except (VersionConflict, DecodingError, _Refused) as why:
            what.fail(f"{type(why).__name__}: {why}")
        except BaseException as why:
            what.fail(f"{ctx.path}: {type(why).__name__}: {why}")
            raise

    async def _effect_of(self, what: Delivery, ctx: Context) -> Effect:
        message = _wire.decode(what.manifest, what.version, what.payload)
        given = self._take_command(message, ctx)
        if inspect.isawaitable(given):
            given = await given
        effect = as_effect(given) or Effect()
        if given is NotImplemented or effect.untaken or effect.stashes:
            raise _Refused(f"the receiver takes no message with the manifest {what.manifest} now")
        return effect


class _Refused(Exception):
    """A delivery is for a later time, or for nobody."""
