"""``ActorSystem``: where actors live, and how a program ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from . import _native
from ._observed import Observed
from ._compute import Compute
from ._compute import awaited as _awaited
from .errors import OdeonError, SystemStopped, WouldBlock

__all__ = ["ActorSystem"]

_DEFAULT_LIMIT = 10.0
_GRACE = 0.5  # for who was cancelled after the limit
T = TypeVar("T")

_open_systems: set[ActorSystem] = set()  # each until it is stopped, or the program ends
_forked = False


class _LoopHost:
    """The host of one event loop, shared by the systems that live on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.native = _native.Host("python-loop", loop)
        self.users = 0


_loop_hosts: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopHost] = (
    weakref.WeakKeyDictionary()
)


class _ThreadHost:
    """A thread of its own that runs actors; with an event loop as soon as a handler is a
    coroutine."""

    def __init__(self, name: str, thread_name: str) -> None:
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False
        self._lock = threading.Lock()
        self.native: Any = None
        self.thread = threading.Thread(target=self._run, args=(name,), name=thread_name)
        self.thread.start()
        self._ready.wait()
        if self._failed is not None:
            raise self._failed

    def _run(self, name: str) -> None:
        try:
            self.native = _native.Host(name)
        except BaseException as e:
            self._failed = e
            return
        finally:
            self._ready.set()
        while not self._stopping:
            self.native.run()
            if self.native.wants_loop and not self._stopping:
                self._run_loop()
        while self.native.drain():
            pass

    def _run_loop(self) -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            self.native.use_loop(loop)
            with self._lock:
                self._loop = loop
                if self._stopping:
                    loop.call_soon(loop.stop)
            loop.run_forever()
        finally:
            with self._lock:
                self._loop = None
            self.native.detach()
            _cancel_all(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            loop.close()

    def cancel_handlers(self) -> None:
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self.native.cancel_handlers)

    def stop(self) -> None:
        """Ends the thread after what is ready; joins it, unless it is the caller."""
        with self._lock:
            self._stopping = True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
        self.native.stop()
        if self.thread is not threading.current_thread():
            self.thread.join()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


class ActorSystem(Observed, _native.System):
    """A set of actors and the threads they run on.

    Inside a running event loop, ``async with ActorSystem("app") as system:`` runs actors of Python
    on that loop (dispatcher ``python-loop``). Without a loop, ``with ActorSystem.start("app") as
    system:`` runs them on a thread of its own (``python-pinned``). Leaving the block stops all
    actors, children before parents, and waits for them.

    Options, all durations in seconds: ``ask_timeout`` (5; 0: none), ``slow_handler`` (1),
    ``shutdown_limit`` (10), ``workers`` (threads of C++ actors, routers and timers; 0: one per
    core), ``config`` (a path of a TOML file, a dict, or an :class:`odeon.config.Configuration`),
    ``journal`` (of durable actors, :class:`odeon.persistence.Journal`; it is closed after the last
    actor).

    Every method may be called from any thread of the interpreter.
    """

    def __init__(self, name: str = "odeon", **options: Any) -> None:
        _check_process()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise WouldBlock(
                "no event loop runs here: use ActorSystem.start(…), or make the system inside one"
            ) from None
        shared = _loop_hosts.get(loop)
        if shared is None:
            shared = _loop_hosts[loop] = _LoopHost(loop)
        shared.users += 1
        self._loop: asyncio.AbstractEventLoop | None = loop
        self._loop_host: _LoopHost | None = shared
        self._begin(name, shared.native, options)

    @classmethod
    def start(cls, name: str = "odeon", **options: Any) -> Self:
        """A system for programs without an event loop: its actors run on a thread of their own."""
        _check_process()
        self = cls.__new__(cls)
        self._loop = None
        self._loop_host = None
        thread = _ThreadHost("python-pinned", f"{name}-python")
        try:
            self._begin(name, thread.native, options)
        except BaseException:
            thread.stop()
            raise
        self._threads.append(thread)
        return self

    def _begin(self, name: str, host: Any, options: dict[str, Any]) -> None:
        self._threads: list[_ThreadHost] = []
        self._host = host
        options = self._configure(options)
        self._limit = self._option(options, "shutdown_limit") or _DEFAULT_LIMIT
        self._open(name, host, options)
        _open_systems.add(self)
        self._observe(options)
        self._running: dict[str, Any] = {}
        self._computing: Compute | None = None
        self._compute_threads: int | None = options.get("compute_threads")
        self._compute_processes: int | None = options.get("compute_processes")
        try:
            if options.get("journal") is not None:
                from .persistence.receivers import install

                install(self, options["journal"])
            for label, option in (options.get("dispatchers") or {}).items():
                self._running[label] = option.start(self, label)
        except BaseException:
            self.terminate()
            self._finish()
            raise

    def dispatcher_metrics(self) -> dict[str, list[dict[str, Any]]]:
        """For each of ``dispatchers``, what its hosts have done, as numbers."""
        return {label: running.metrics() for label, running in self._running.items()}

    async def compute(
        self,
        fn: Callable[..., T],
        /,
        *args: Any,
        execution: Literal["thread", "process"] = "thread",
        timeout: float | None = None,
        **kwargs: Any,
    ) -> T:
        """Calls a function beside the actors, and gives what it returns or raises.

        ``"thread"``: on a thread of the system (``compute_threads`` of them), for what waits or
        lets the interpreter go; with the caller's context variables. ``"process"``: in a worker
        process (``compute_processes`` of them), for what is bound by the CPU: the function is found
        by its name there, and arguments and outcome are encoded. After ``timeout`` seconds
        TimeoutError; the call itself goes on. Raises TypeError for a function that cannot be
        imported elsewhere, EncodingError, and WorkerDied when the process ended meanwhile.

        Example::

            digest = await system.compute(hashlib.sha256, data)
        """
        outcome = self._begin_compute(fn, args, kwargs, execution)
        result: T = await _awaited(outcome, timeout)
        return result

    def compute_blocking(
        self,
        fn: Callable[..., T],
        /,
        *args: Any,
        execution: Literal["thread", "process"] = "thread",
        timeout: float | None = None,
        **kwargs: Any,
    ) -> T:
        """As :meth:`compute`, for programs without a loop."""
        result: T = self._begin_compute(fn, args, kwargs, execution).result(timeout)
        return result

    def _begin_compute(self, fn: Any, args: Any, kwargs: Any, execution: str) -> Any:
        if not self.is_open:
            raise SystemStopped("the actor system has ended")
        if self._computing is None:
            self._computing = Compute(self.name, self._compute_threads, self._compute_processes)
        return self._computing.submit(fn, args, kwargs, execution)

    # -- the end ----------------------------------------------------------------------------------

    async def stop(self, timeout: float | None = None) -> bool:
        """Stops all actors and waits for them; at most ``timeout`` seconds (default:
        shutdown_limit).

        True: all ended in time. False: some did not, and were left behind. To be awaited on the
        system's own loop.
        """
        if not self.is_open:
            return True
        limit = self._limit if timeout is None else timeout
        self.terminate()
        complete = True
        try:
            async with asyncio.timeout(limit):
                await self.when_terminated()
        except TimeoutError:
            complete = False
            await self._end_by_force()
        for _ in range(3):
            await asyncio.sleep(0)
        await self._drained()
        self._finish()
        return complete

    async def _end_by_force(self) -> None:
        # Who has not ended in time is asked as asyncio asks: by CancelledError. Who does not go
        # then is left alone by its actor, which is killed; a hook may hang as well, hence again and
        # again.
        ended = self.when_terminated()
        self._host.cancel_handlers()
        while not ended.done():
            await asyncio.wait([ended], timeout=_GRACE)  # type: ignore[type-var]
            self._kill_all()

    async def _drained(self) -> None:
        if self._loop_host is None:
            return
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def drain() -> None:
            while self._host.drain():
                pass
            if not done.done():
                done.set_result(None)

        loop.call_soon(drain)
        await done

    def stop_blocking(self, timeout: float | None = None) -> bool:
        """As :meth:`stop`, for programs without a loop. Not from an actor of this system."""
        if not self.is_open:
            return True
        if self._host.is_current and self._loop is not None and self._loop.is_running():
            raise WouldBlock("stop_blocking on the loop that runs the actors: use `await stop()`")
        limit = self._limit if timeout is None else timeout
        self.terminate()
        ended = self.when_terminated()
        deadline = time.monotonic() + limit
        if self._loop_host is None:
            complete = _wait_until(ended, deadline)
            if not complete:
                for thread in self._threads:
                    thread.cancel_handlers()
        else:
            # Their loop has ended, or belongs to another thread: what is left runs here.
            if self._loop is None or self._loop.is_closed():
                deadline = min(
                    deadline, time.monotonic() + _GRACE
                )  # what waits there waits for ever
            while not ended.done() and time.monotonic() < deadline:
                if not self._host.drain():
                    time.sleep(0.001)
            complete = bool(ended.done())
        while not _wait_until(ended, time.monotonic() + _GRACE, self._host_to_drain()):
            self._kill_all()
        self._finish()
        return complete

    def _host_to_drain(self) -> Any:
        return None if self._loop_host is None else self._host

    def _finish(self) -> None:
        _open_systems.discard(self)
        if self._computing is not None:
            self._computing.close()
        self._unobserve()
        for running in self._running.values():
            running.stop()
        for thread in self._threads:
            thread.stop()
        self._threads.clear()
        self._close()
        shared, self._loop_host = self._loop_host, None
        if shared is not None:
            shared.users -= 1
            if shared.users == 0:
                shared.native.detach()
                if self._loop is not None:
                    _loop_hosts.pop(self._loop, None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.stop()

    def __enter__(self) -> Self:
        if self._loop is not None:
            raise WouldBlock("a system on a running loop is left with `async with`")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        fatal = self._host._take_fatal()  # of a handler: a KeyboardInterrupt or SystemExit
        self.stop_blocking()
        fatal = fatal or self._host._take_fatal()
        if fatal is not None and kind is None:
            raise fatal


def _wait_until(ended: Any, deadline: float, drained: Any = None) -> bool:
    while not ended.done():
        if time.monotonic() >= deadline:
            return False
        if drained is None or not drained.drain():
            time.sleep(0.0005)
    return True


def _check_process() -> None:
    if _forked:
        raise OdeonError(
            "this process was forked from one that ran actors; start a new one instead "
            "(multiprocessing: use the spawn method)"
        )


def _after_fork() -> None:
    global _forked
    if _open_systems:
        _forked = True
        _native.System._note_fork()


def _stop_all() -> None:
    stopped = () if _forked else list(_open_systems)
    for system in stopped:
        with contextlib.suppress(SystemStopped):
            system.stop_blocking()
    if stopped:
        _keep_status()


def _keep_status() -> None:
    """A program that KeyboardInterrupt has left ends by SIGINT: 130 in a shell.

    CPython keeps a mark of it, which every text that is executed later takes away, so that of an
    import of dataclasses while a system ends 1 would remain. The same executed again sets it.
    """
    if getattr(sys, "last_type", None) is KeyboardInterrupt and not hasattr(sys, "ps1"):
        with contextlib.suppress(KeyboardInterrupt):
            exec("raise KeyboardInterrupt")


os.register_at_fork(after_in_child=_after_fork)
# Before the threads that are no daemons are joined, which is before atexit.
threading._register_atexit(_stop_all)  # type: ignore[attr-defined]
