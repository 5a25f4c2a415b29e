"""Options of ``spawn``: supervision and mailboxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

__all__ = ["Backoff", "Directive", "Mailbox", "Scope", "Supervision"]


class Directive(Enum):
    """What becomes of an actor that failed."""

    RESUME = "resume"
    """Keep the state, go on with the next message; the failed one is a dead letter."""
    RESTART = "restart"
    """A new instance from the same arguments; same ref and mailbox."""
    STOP = "stop"
    """Stop the actor; watchers are told why."""
    ESCALATE = "escalate"
    """Stop the actor, and fail its parent with the same failure."""


class Scope(Enum):
    """Who is meant by the directive."""

    ONE_FOR_ONE = "one_for_one"
    ALL_FOR_ONE = "all_for_one"
    REST_FOR_ONE = "rest_for_one"


@dataclass(frozen=True, slots=True)
class Backoff:
    """The wait before a restart: initial · multiplier^n seconds, at most ``max``, ± jitter of
    itself."""

    initial: float = 0.0
    max: float = 30.0
    multiplier: float = 2.0
    jitter: float = 0.2


Decision = tuple[type[BaseException] | str, Directive | str]


@dataclass(frozen=True, slots=True)
class Supervision:
    """What happens to an actor whose handler or hook raises.

    ``decider`` maps exception classes, or their paths as text ("app.errors.Lost"), to directives;
    the first that matches the exception or one of its bases counts, and ``otherwise`` where none
    does. ``max_retries`` restarts within ``within`` seconds (0: for ever); the failure after them
    stops it.
    """

    decider: Mapping[type[BaseException] | str, Directive | str] | Sequence[Decision] = ()
    otherwise: Directive | str = Directive.RESTART
    scope: Scope | str = Scope.ONE_FOR_ONE
    max_retries: int = 3
    within: float = 60.0
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """How messages wait. ``kind``: "unbounded", "bounded" or "priority"; ``capacity`` in messages.

    ``overflow``, what a full one does: "fail", "drop_newest", "drop_oldest", "dead_letter" or
    "block".
    """

    kind: str = "unbounded"
    capacity: int = 0
    overflow: str = "fail"
    high_water: int = 10_000

    @classmethod
    def bounded(cls, capacity: int, overflow: str = "fail") -> Mailbox:
        """At most ``capacity`` messages wait."""
        return cls("bounded", capacity, overflow)

    @classmethod
    def priority(cls, capacity: int = 0, overflow: str = "fail") -> Mailbox:
        """The highest ``tell(…, priority=)`` first."""
        return cls("priority", capacity, overflow)
