"""Operations between a fast side and a slow one, of the clock, of failures and ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from ..options import Decision, Directive, Supervision
from ._each import Described

if TYPE_CHECKING:
    from .source import Source

T = TypeVar("T", covariant=True)
A = TypeVar("A")

Overflow = Literal["wait", "drop_newest", "drop_oldest", "drop_all", "fail"]


class Paced(Described[T]):
    """Speeds, the clock, failures, ends."""

    __slots__ = ()

    def buffer(self, n: int, overflow: Overflow = "wait") -> Source[T]:
        """Up to ``n`` elements wait for a busy sink."""
        return self._and(("buffer", n, overflow))

    @overload
    def conflate(self, fn: Callable[[T, T], T]) -> Source[T]: ...
    @overload
    def conflate(self, fn: Callable[[A, T], A], seed: Callable[[T], A]) -> Source[A]: ...
    def conflate(
        self, fn: Callable[[Any, T], Any], seed: Callable[[T], Any] | None = None
    ) -> Source[Any]:
        """All elements that come while the sink is busy become one: ``fn(fn(e1, e2), e3)``, or,
        with a ``seed``, beginning with ``seed(e1)``. The source is never held up."""
        if seed is None:
            return self._and(("conflate", fn))
        return self._and(("batch", 2**62, seed, fn))

    def batch(self, n: int, seed: Callable[[T], A], fn: Callable[[A, T], A]) -> Source[A]:
        """As :meth:`conflate`, beginning with ``seed(element)``, with at most ``n`` in one."""
        return self._and(("batch", n, seed, fn))

    def throttle(self, n: int, per: float, burst: int = 1) -> Source[T]:
        """At most ``n`` elements each ``per`` seconds; after a pause up to ``burst`` at once."""
        return self._and(("throttle", n, per, burst))

    def delay(self, seconds: float, capacity: int = 1024) -> Source[T]:
        """Each element, and the end, later; at most ``capacity`` are on their way."""
        return self._and(("delay", seconds, capacity))

    def initial_delay(self, seconds: float) -> Source[T]:
        """What is before is asked for the first time after that."""
        return self._and(("initial_delay", seconds))

    def debounce(self, quiet: float) -> Source[T]:
        """The last element of each burst: one after which none came for ``quiet`` seconds."""
        return self._and(("debounce", quiet))

    def timeout(self, seconds: float) -> Source[T]:
        """Fails with ``odeon.errors.Expired`` when it has not completed by then."""
        return self._and(("timeout", seconds))

    def idle_timeout(self, seconds: float) -> Source[T]:
        """The same when no element passes for so long."""
        return self._and(("idle_timeout", seconds))

    def keep_alive(self, interval: float, fn: Callable[[], T]) -> Source[T]:
        """Gives ``fn()`` when the sink asks and no element came for ``interval`` seconds."""
        return self._and(("keep_alive", interval, fn))

    # -- failures and ends -------------------------------------------------------------------------

    def supervised(
        self,
        decider: Mapping[type[BaseException] | str, Directive | str] | Sequence[Decision] = (),
        otherwise: Directive | str = Directive.STOP,
    ) -> Source[T]:
        """Exceptions of functions of the stages before, by class or class path: "stop" (and
        "escalate") fails the stream, "resume" drops the element, "restart" drops it and puts the
        stage that raised back to its beginning."""
        return self._and(("supervised", Supervision(decider=decider, otherwise=otherwise)))

    def recover(self, fn: Callable[[BaseException], T]) -> Source[T]:
        """A failure becomes a last element; what ``fn`` raises, such as the same, fails the
        stream."""
        return self._and(("recover", fn))

    def recover_with_retries(
        self, retries: int, fn: Callable[[BaseException], Source[T]]
    ) -> Source[T]:
        """A failure is followed by the source that ``fn`` gives, at most ``retries`` times in
        all."""
        return self._and(("recover_with_retries", retries, lambda why: fn(why)._ops))

    def map_error(self, fn: Callable[[BaseException], BaseException]) -> Source[T]:
        """A failure becomes another."""
        return self._and(("map_error", fn))

    def kill_switch(self) -> Source[T]:
        """A :class:`KillSwitch` for this stream, in the run's ``values``."""
        return self._and(("kill_switch",))

    def watch_termination(self) -> Source[T]:
        """In the run's ``values`` an ``Ask`` of how the stream ends at this place: "completed" or
        "cancelled"; it fails when the stream does."""
        return self._and(("watch_termination",))
