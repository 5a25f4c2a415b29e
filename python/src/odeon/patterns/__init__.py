"""What is made of actors, asks and tasks again and again; each part can be used without the others.

Calls that are repeated (`retry`), left alone (`CircuitBreaker`) or spaced out (`RateLimiter`), many
answers (`gather`, `ask_all`, `ask_some`, `ask_first`), machines of states (`Fsm`), times that come
again (`Cron`), and which node a key belongs to (`HashRing`). All durations are float seconds; all
waiting goes by the running loop's clock.
"""

from __future__ import annotations

from odeon.patterns._errors import (
    CallTimeout,
    CircuitOpen,
    CronError,
    NotEnough,
    RateLimited,
)
from odeon.patterns.aggregate import Gathered, ask_all, ask_first, ask_some, gather
from odeon.patterns.circuit_breaker import (
    BreakerCounters,
    BreakerState,
    BreakerTransition,
    CircuitBreaker,
    Permit,
)
from odeon.patterns.cron import Cron
from odeon.patterns.fsm import Fsm, FsmDot, FsmTransition, Step
from odeon.patterns.hash_ring import HashRing, fnv1a, message_key
from odeon.patterns.retry import retry, retry_blocking, retry_if, retrying
from odeon.patterns.schedule import RetrySchedule, Schedule
from odeon.patterns.throttle import Rate, RateLimiter, TokenBucket

__all__ = [
    "BreakerCounters",
    "BreakerState",
    "BreakerTransition",
    "CallTimeout",
    "CircuitBreaker",
    "CircuitOpen",
    "Cron",
    "CronError",
    "Fsm",
    "FsmDot",
    "FsmTransition",
    "Gathered",
    "HashRing",
    "NotEnough",
    "Permit",
    "Rate",
    "RateLimited",
    "RateLimiter",
    "RetrySchedule",
    "Schedule",
    "Step",
    "TokenBucket",
    "ask_all",
    "ask_first",
    "ask_some",
    "fnv1a",
    "gather",
    "message_key",
    "retry",
    "retry_blocking",
    "retry_if",
    "retrying",
]
