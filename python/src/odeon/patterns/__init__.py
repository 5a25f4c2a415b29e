"""What is made of actors, asks and tasks again and again; each part can be used without the others.

Calls that are repeated (`retry`), left alone (`CircuitBreaker`) or spaced out (`RateLimiter`), many
answers (`gather`, `ask_all`, `ask_some`, `ask_first`), machines of states (`Fsm`), times that come
again (`Cron`), which node a key belongs to (`HashRing`), messages that must not be lost
(`ProducerController`, `ConsumerController`, `WorkController`), and actors in front of others
(`spawn_throttler`, `spawn_backoff`, `spawn_aggregator`). All durations are float seconds; all
waiting goes by the running loop's clock, or the actor system's.
"""

from __future__ import annotations

from odeon.patterns._errors import (
    CallTimeout,
    CircuitOpen,
    CronError,
    NotEnough,
    RateLimited,
)
from odeon.patterns.actors import (
    Aggregated,
    Aggregator,
    BackoffPaused,
    BackoffSettings,
    spawn_aggregator,
    spawn_backoff,
    spawn_throttler,
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
from odeon.patterns.delivery import (
    Confirmed,
    ConsumerOptions,
    ConsumerStatus,
    Deliver,
    Delivery,
    DurableQueue,
    GetConsumerStatus,
    GetProducerStatus,
    MemoryQueue,
    ProducerOptions,
    ProducerStatus,
    QueueState,
    Ready,
    Send,
    Start,
)
from odeon.patterns.delivery_controllers import ConsumerController, ProducerController
from odeon.patterns.delivery_work import GetWorkStatus, WorkController, WorkStatus
from odeon.patterns.fsm import Fsm, FsmDot, FsmTransition, Step
from odeon.patterns.hash_ring import HashRing, fnv1a, message_key
from odeon.patterns.pipe import PipeFailed, graceful_stop, pipe_to
from odeon.patterns.retry import retry, retry_blocking, retry_if, retrying
from odeon.patterns.schedule import RetrySchedule, Schedule
from odeon.patterns.throttle import Rate, RateLimiter, TokenBucket

__all__ = [
    "Aggregated",
    "Aggregator",
    "BackoffPaused",
    "BackoffSettings",
    "BreakerCounters",
    "BreakerState",
    "BreakerTransition",
    "CallTimeout",
    "CircuitBreaker",
    "CircuitOpen",
    "Confirmed",
    "ConsumerController",
    "ConsumerOptions",
    "ConsumerStatus",
    "Cron",
    "CronError",
    "Deliver",
    "Delivery",
    "DurableQueue",
    "Fsm",
    "FsmDot",
    "FsmTransition",
    "Gathered",
    "GetConsumerStatus",
    "GetProducerStatus",
    "GetWorkStatus",
    "HashRing",
    "MemoryQueue",
    "NotEnough",
    "Permit",
    "PipeFailed",
    "ProducerController",
    "ProducerOptions",
    "ProducerStatus",
    "QueueState",
    "Rate",
    "RateLimited",
    "RateLimiter",
    "Ready",
    "RetrySchedule",
    "Schedule",
    "Send",
    "Start",
    "Step",
    "TokenBucket",
    "WorkController",
    "WorkStatus",
    "ask_all",
    "ask_first",
    "ask_some",
    "fnv1a",
    "gather",
    "graceful_stop",
    "message_key",
    "pipe_to",
    "retry",
    "retry_blocking",
    "retry_if",
    "retrying",
    "spawn_aggregator",
    "spawn_backoff",
    "spawn_throttler",
]
