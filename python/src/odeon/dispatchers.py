"""Where actors run: the dispatchers beside the system's own loop or thread.

Given by name when a system is made, and named by ``spawn``::

    system = ActorSystem("app", dispatchers={
        "crunch": odeon.dispatchers.subinterpreters(2, max_actors=1000),
        "arrays": odeon.dispatchers.subprocess(2, memory_soft_limit_bytes=2 << 30),
    })
    worker = system.spawn(Worker, dispatcher="crunch")

Messages to actors elsewhere are encoded when they are sent (:mod:`odeon.codecs`): one that cannot
be raises :class:`odeon.errors.EncodingError` at ``tell``. An actor's class is imported anew where
it runs, so it stands at the top of a module that is not the main program.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from . import _native, interpreters
from .errors import InterpreterCompatError, OdeonError

if TYPE_CHECKING:
    from .subprocess_worker import PoolOptions
    from .system import ActorSystem

__all__ = ["Dispatcher", "Quota", "Running", "nogil", "subinterpreters", "subprocess"]


@dataclass(frozen=True, slots=True)
class Quota:
    """What a dispatcher allows; None: any number. Past it :class:`odeon.errors.QuotaExceeded`."""

    max_actors: int | None = None  #: alive at a time; raised by ``spawn``
    max_mailbox_total: int | None = None  #: messages on their way there; raised by ``tell``
    #: Resident memory: of each worker process, which is replaced; in the same process of all of it,
    #: and then ``spawn`` raises.
    memory_soft_limit_bytes: int | None = None
    #: A share of one CPU, 0 to 1: of each worker process; in the same process it has no effect.
    cpu_share: float | None = None

    def __post_init__(self) -> None:
        for name in ("max_actors", "max_mailbox_total", "memory_soft_limit_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is at least 1, or None")
        if self.cpu_share is not None and not 0 < self.cpu_share <= 1:
            raise ValueError("cpu_share is above 0 and at most 1, or None")

    def as_dict(self) -> dict[str, int | None]:
        return {
            "max_actors": self.max_actors,
            "max_mailbox_total": self.max_mailbox_total,
            "memory_soft_limit_bytes": self.memory_soft_limit_bytes,
        }


class Running(Protocol):
    """A dispatcher of a system, at work."""

    def stop(self) -> None:
        """Ends its threads or processes, and waits for them. The system's actors have ended."""

    def metrics(self) -> list[dict[str, Any]]:
        """What each of its hosts has done, as numbers."""


class Dispatcher(Protocol):
    """An option of ``ActorSystem(dispatchers=…)``."""

    def start(self, system: ActorSystem, name: str) -> Running:
        """Begins; actors may be spawned on it from here on."""


class _Thread(threading.Thread):
    """A thread that keeps what its function raised."""

    failed: BaseException | None = None

    def run(self) -> None:
        try:
            super().run()
        except BaseException as e:
            self.failed = e


_starting = threading.Lock()  # interpreters are made one after another


class _Interpreters:
    def __init__(self, system: ActorSystem, name: str, option: Subinterpreters) -> None:
        self._pool = _native.HostPool(name, option.quota.as_dict())
        self._stops: list[int] = []
        self._threads: list[_Thread] = []
        try:
            for index in range(option.count):
                self._start_one(f"{name}-{index}", option)
                self._pool.attach(system)
            self._pool.open(system)
        except BaseException:
            self.stop()
            raise

    def _start_one(self, host: str, option: Subinterpreters) -> None:
        ready, ready_there = os.pipe()
        stop_there, stop = os.pipe()
        boot = json.dumps(
            {
                "host": host,
                "path": sys.path,
                "ready": ready_there,
                "stop": stop_there,
                "imports": list(option.imports),
                "allow": option.module_allowlist,
                "deny": list(option.module_denylist),
                "unsafe": {
                    c.module: c.notes
                    for c in interpreters.compat_list()
                    if not c.subinterpreter_safe
                },
            }
        )

        from . import _watchdog  # a program without such a pool need not have it

        def run() -> None:
            try:
                with _watchdog.beside_another_interpreter():
                    self._pool.run_interpreter(boot)
            finally:
                os.close(ready_there)
                os.close(stop_there)

        thread = _Thread(target=run, name=host)
        with _starting:
            self._stops.append(stop)
            thread.start()
            self._threads.append(thread)
            began = os.read(ready, 1)
        os.close(ready)
        if not began:
            thread.join()
            raise OdeonError(f"the interpreter {host} could not be started: {thread.failed}")

    def stop(self) -> None:
        for descriptor in self._stops:
            with contextlib.suppress(BrokenPipeError):  # it has ended already
                os.write(descriptor, b"0")
        for thread in self._threads:
            thread.join()
        for descriptor in self._stops:
            os.close(descriptor)
        self._stops.clear()
        self._threads.clear()

    def metrics(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._pool.metrics()
        return found


@dataclass(frozen=True, slots=True)
class Subinterpreters:
    """See :func:`subinterpreters`."""

    count: int
    quota: Quota = field(default_factory=Quota)
    imports: tuple[str, ...] = ()
    module_allowlist: tuple[str, ...] | None = None
    module_denylist: tuple[str, ...] = ()

    def start(self, system: ActorSystem, name: str) -> Running:
        reason = interpreters.why_no_subinterpreters()
        if reason is not None:
            raise InterpreterCompatError(f"the dispatcher {name} cannot be: {reason}")
        return _Interpreters(system, name, self)


def subinterpreters(
    count: int = 2,
    *,
    max_actors: int | None = None,
    max_mailbox_total: int | None = None,
    memory_soft_limit_bytes: int | None = None,
    cpu_share: float | None = None,
    import_policy: Literal["eager", "lazy"] = "eager",
    imports: Sequence[str] = (),
    module_allowlist: Sequence[str] | None = None,
    module_denylist: Sequence[str] = (),
) -> Subinterpreters:
    """``count`` threads, each with an interpreter and a lock of its own
    (``python-subinterpreter-pool``).

    For pure Python that is bound by the CPU, in parallel in one process. Needs CPython 3.13: in
    3.12 an interpreter that has imported asyncio corrupts memory when the program ends. An
    interpreter takes about 10 MB and 0.1 s.

    ``imports`` are imported in each interpreter before it takes actors (``import_policy="eager"``),
    or left to them (``"lazy"``). Modules that are not safe, are on ``module_denylist``, or are
    neither of the standard library nor on a given ``module_allowlist`` raise
    :class:`odeon.errors.InterpreterCompatError` when they are imported there.
    """
    if count < 1:
        raise ValueError("a pool has at least one interpreter")
    if import_policy not in ("eager", "lazy"):
        raise ValueError("import_policy is eager or lazy")
    return Subinterpreters(
        count,
        Quota(max_actors, max_mailbox_total, memory_soft_limit_bytes, cpu_share),
        tuple(imports) if import_policy == "eager" else (),
        None if module_allowlist is None else tuple(module_allowlist),
        tuple(module_denylist),
    )


class _Hosts:
    def __init__(self, system: ActorSystem, name: str, option: Nogil) -> None:
        from .system import _ThreadHost

        self._pool = _native.HostPool(name, option.quota.as_dict())
        self._threads: list[_ThreadHost] = []
        try:
            for index in range(option.count):
                thread = _ThreadHost(f"{name}-{index}", f"{name}-{index}")
                self._threads.append(thread)
                self._pool.add(thread.native)
                self._pool.attach(system)
            self._pool.open(system)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        for thread in self._threads:
            thread.stop()
        self._threads.clear()

    def metrics(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._pool.metrics()
        return found


@dataclass(frozen=True, slots=True)
class Nogil:
    """See :func:`nogil`."""

    count: int
    quota: Quota = field(default_factory=Quota)
    with_gil: bool = False

    def start(self, system: ActorSystem, name: str) -> Running:
        reason = interpreters.why_no_nogil()
        if reason is not None and not self.with_gil:
            raise InterpreterCompatError(f"the dispatcher {name} cannot be: {reason}")
        return _Hosts(system, name, self)


def nogil(
    count: int | None = None,
    *,
    max_actors: int | None = None,
    memory_soft_limit_bytes: int | None = None,
    with_gil: bool = False,
) -> Nogil:
    """``count`` threads of one interpreter (default: one a CPU), each with actors of its own.

    They run at the same time in a free-threaded build of CPython (``python-nogil``); on others it
    is refused, unless ``with_gil`` says that threads which take turns will do. Messages are not
    copied: treat what was sent as given away.
    """
    count = count or len(os.sched_getaffinity(0))
    if count < 1:
        raise ValueError("a pool has at least one thread")
    return Nogil(count, Quota(max_actors, None, memory_soft_limit_bytes), with_gil)


@dataclass(frozen=True, slots=True)
class Subprocess:
    """See :func:`subprocess`."""

    workers: int
    quota: Quota = field(default_factory=Quota)
    memory_hard_limit_bytes: int | None = None
    max_handler_seconds: float | None = None
    ring_bytes: int = 1 << 20
    allow_pickle: bool = False

    def as_pool_options(self) -> PoolOptions:
        from .subprocess_worker import PoolOptions

        return PoolOptions(
            ring_bytes=self.ring_bytes,
            memory_soft_limit=self.quota.memory_soft_limit_bytes,
            memory_hard_limit=self.memory_hard_limit_bytes,
            cpu_share=self.quota.cpu_share,
            max_handler_seconds=self.max_handler_seconds,
            allow_pickle=self.allow_pickle,
        )

    def start(self, system: ActorSystem, name: str) -> Running:
        from ._worker_dispatcher import Processes

        return Processes(system, name, self)


def subprocess(
    workers: int = 2,
    *,
    max_actors: int | None = None,
    max_mailbox_total: int | None = None,
    memory_soft_limit_bytes: int | None = None,
    memory_hard_limit_bytes: int | None = None,
    cpu_share: float | None = None,
    max_handler_seconds: float | None = None,
    ring_bytes: int = 1 << 20,
    allow_pickle: bool = False,
) -> Subprocess:
    """``workers`` processes with shared memory between (``python-subprocess``).

    For numpy, torch and whatever else is not safe in several interpreters, for code that may crash,
    and for a bound on memory. Buffers of 4 KiB and more, numpy's arrays among them, arrive as
    views of shared memory, read only; what was sent must not be changed until it was handled.

    A worker past ``memory_soft_limit_bytes`` of resident memory, or silent for
    ``max_handler_seconds``, is killed and replaced; past ``memory_hard_limit_bytes`` of address
    space its allocations fail. Its actors fail with :class:`odeon.errors.WorkerDied`, which
    supervision answers: a restart is on another worker, or the new one. ``cpu_share`` is a weight
    (nice). ``allow_pickle`` lets messages without a codec travel as pickles.

    In a worker an actor has nearly all of a context
    (:class:`odeon.worker_context.WorkerContext`). Up to 512 of its messages are there at a time.
    """
    if workers < 1:
        raise ValueError("a pool has at least one worker process")
    return Subprocess(
        workers,
        Quota(max_actors, max_mailbox_total, memory_soft_limit_bytes, cpu_share),
        memory_hard_limit_bytes,
        max_handler_seconds,
        ring_bytes,
        allow_pickle,
    )
