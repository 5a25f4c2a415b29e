"""Worker processes: a pool of them, and actors that live there (dispatcher ``python-subprocess``).

For handlers that need a core of their own (numpy, torch, pure Python), memory with a bound, or a
process that may crash. A worker is a fresh interpreter, started by exec; messages go through shared
memory, large buffers and arrays without a copy on the way out of a :class:`SharedBuffer`, and with
one otherwise.

    >>> pool = WorkerPool(2)                                             # doctest: +SKIP
    >>> actor = pool.spawn("shop.Pricing", ("EUR",)).result()            # doctest: +SKIP
    >>> actor.ask(Price("bolt")).result(timeout=5)                       # doctest: +SKIP

Interface for the runtime
-------------------------
`WorkerPool.spawn(cls, args, kwargs, path=…, listener=…)` gives a future of a :class:`WorkerActor`,
which has

- ``tell(value)``: one frame, no outcome; failures come to the listener;
- ``ask(value)``: a `concurrent.futures.Future` with the answer; :data:`NO_ANSWER` when the handler
  gave none; the handler's exception (its note has the worker's trace), or ``WorkerDied``;
- ``tell_encoded(manifest, version, payload, buffers)`` and ``ask_encoded(…)``: the same for a
message
  that is encoded already, by a codec with :data:`FLAGS`;
- ``restart(error, message)``, ``stop()``: futures, done when the hooks have run;
- ``alive``: False once its worker has ended. Then open futures have failed with ``WorkerDied``,
calls
  raise it, and the listener was told. Whoever supervises it spawns it anew, on another worker.

The listener's methods (:class:`Listener`) and the callbacks of futures run on the pool's own thread
and must not block. A worker keeps an actor's messages in order and handles one at a time. Messages
in a worker that dies are lost (at most once).

:class:`HostedActor` is an ordinary actor that stands for one in a worker: its messages go there as
they come, and what it raises, or that its worker died, is its own failure, so that the supervision
of the system applies to it.
"""

from __future__ import annotations

from ._worker_actor import NO_ANSWER, Listener, WorkerActor
from ._worker_hosted import HostedActor, hosted
from ._worker_pool import (
    FLAGS,
    PoolOptions,
    SharedBuffer,
    WorkerPool,
)
from ._worker_process import WorkerMetrics

__all__ = [
    "FLAGS",
    "NO_ANSWER",
    "HostedActor",
    "Listener",
    "PoolOptions",
    "SharedBuffer",
    "WorkerActor",
    "WorkerMetrics",
    "WorkerPool",
    "hosted",
]
