"""The main program of a worker process: ``python -m odeon._worker <memory> <socket> <options>``.

Started by :class:`odeon.subprocess_worker.WorkerPool` with exec, never by fork. One thread runs all
actors of the process on an event loop, one message of an actor at a time; a second thread tells
once a second that the process is alive and what it uses. The process ends when it is told to, and
when the one that started it has ended.
"""

from __future__ import annotations

import asyncio
import collections
import importlib
import inspect
import json
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

from . import _codec_builtin, _support, codecs
from . import _worker_frames as frames
from .errors import AskTimeout, SystemStopped, Unhandled
from .worker_context import RemoteRef, WorkerContext

_native: Any = importlib.import_module("odeon._native")
_log = logging.getLogger("odeon.worker")

_DRAIN_SECONDS = 0.001  # messages taken in one turn of the loop
_STOP_SECONDS = 2.0  # for all post_stop together at the end
_BEAT_SECONDS = 1.0
_SPIN_ROUNDS = 1000  # looks at the ring before sleeping: some 20 us, the cost of being woken


class Cell:
    """One actor of this process: an instance, its messages and its context."""

    def __init__(self, worker: Worker, number: int, spec: dict[str, Any]) -> None:
        self.worker = worker
        self.number = number
        self.path: str = spec["path"]
        self.cls = _codec_builtin.import_class(spec["cls"])
        self.args, self.kwargs = tuple(spec["args"]), dict(spec["kwargs"])
        described = _support.describe_class(self.cls)
        _, self.receive, self.handlers, self.hooks, self.unhandled, _, _ = described
        self.context = WorkerContext(self, spec["self"])
        self.instance: Any = None
        self.queue: collections.deque[tuple[int, Any]] = collections.deque()
        self.stash: collections.deque[tuple[int, Any]] = collections.deque()
        self.behaviors: list[Callable[..., Any]] = []
        self.timers: set[asyncio.TimerHandle] = set()
        self.current: tuple[int, Any] | None = None
        self.replied = False
        self.busy = False
        self.stopped = False

    async def start(self, failure: BaseException | None = None) -> None:
        """Makes the instance and calls its hook: pre_start, or post_restart."""
        self.instance = self.cls(*self.args, **self.kwargs)
        self.behaviors.clear()
        if failure is not None and self.hooks[3] is not None:
            await self._hook(3, failure)
        else:
            await self._hook(0)

    async def restart(self, failure: BaseException, message: Any) -> None:
        """The old instance's pre_restart (else post_stop), then a new one."""
        if self.hooks[2] is not None:
            await self._hook(2, failure, message)
        else:
            await self._hook(1)
        self._cancel_timers()
        await self.start(failure)

    async def stop(self) -> None:
        self.stopped = True
        self._cancel_timers()
        await self._hook(1)

    async def _hook(self, which: int, *args: Any) -> None:
        if self.hooks[which] is None or (self.instance is None and which != 0):
            return
        function, takes = self.hooks[which]
        made = function(*(self.instance, *args, self.context)[:takes])
        if inspect.isawaitable(made):
            await made

    def _cancel_timers(self) -> None:
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()

    def put(self, request: int, message: Any) -> None:
        self.queue.append((request, message))
        self.pump()

    def pump(self) -> None:
        """Handles messages until one has to wait, or none is left."""
        while self.queue and not self.busy and not self.stopped:
            self.busy = True
            request, message = self.current = self.queue.popleft()
            self.replied = False
            try:
                made = self._call(message)
                if inspect.isawaitable(made):
                    self.worker.run(self._finish(request, message, made))
                    return
            except Exception as error:
                self._failed(request, message, error)
            else:
                self._handled(request, made)

    def _call(self, message: Any) -> Any:
        if self.behaviors:
            return self.behaviors[-1](message, self.context)
        found = self.receive
        if self.handlers is not None:
            cls = type(message)
            if cls not in self.handlers:
                _support.find_handler(self.handlers, cls)
            found = self.handlers[cls] or self.receive
        if found is None:
            found = self.unhandled
        if found is None:
            raise Unhandled(f"{self.path} has no handler for {type(message).__qualname__}")
        function, takes = found
        return function(*(self.instance, message, self.context)[:takes])

    async def _finish(self, request: int, message: Any, made: Any) -> None:
        try:
            result = await made
        except (Exception, asyncio.CancelledError) as error:
            self._failed(request, message, error)
        else:
            self._handled(request, result)
        self.pump()

    def _handled(self, request: int, result: Any) -> None:
        stashed = self.current is None
        self.busy, self.current = False, None
        self.worker.handled += 1
        if request == 0 or stashed:
            return
        if result is not None and not self.replied:
            self.worker.answer(self.number, request, result)
        elif not self.replied:
            self.worker.post(frames.DONE, self.number, request, None)

    def _failed(self, request: int, message: Any, error: BaseException) -> None:
        replied, self.busy, self.current = self.replied, False, None
        self.worker.fail(self.number, 0 if replied else request, error)


class Worker:
    """The process: its channel, its actors, and the loop that runs them."""

    def __init__(self, channel: Any, codec: codecs.Codec, flags: int) -> None:
        self.channel = channel
        self.codec = codec
        self.flags = flags
        self.cells: dict[int, Cell] = {}
        self.handled = 0
        self.ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._asks: dict[int, asyncio.Future[Any]] = {}
        self._next_ask = 0

    # -- to the system ---------------------------------------------------------------------------

    def post(self, kind: int, actor: int, request: int, value: Any) -> None:
        """Sends; waits while the ring is full, which the other side empties whatever happens.

        When there is no other side any more, this process is about to end.
        """
        send = self.channel.send
        try:
            while not send(kind, actor, request, self.codec.native, self.flags, value):
                time.sleep(0.001)
        except EOFError:
            self.ended.set()

    def answer(self, actor: int, request: int, value: Any) -> None:
        """An answer, or the failure to encode it."""
        try:
            self.post(frames.REPLY, actor, request, value)
        except Exception as error:
            self.fail(actor, request, error)

    def fail(self, actor: int, request: int, error: BaseException) -> None:
        self.post(frames.FAILED, actor, request, frames.failure_of(error, self.codec))

    def send_out(self, target: RemoteRef, message: Any) -> None:
        self.post(frames.SEND, 0, 0, [target, message])

    async def ask_out(self, target: RemoteRef, message: Any, timeout: float) -> Any:
        self._next_ask += 1
        number, answer = self._next_ask, self._loop.create_future()
        self._asks[number] = answer
        try:
            self.post(frames.ASK, 0, number, [target, message, timeout])
            async with asyncio.timeout(timeout + 1.0):  # the system's own limit comes first
                return await answer
        except TimeoutError as late:
            raise AskTimeout(f"no reply from {target.path} within {timeout} s") from late
        finally:
            self._asks.pop(number, None)

    def stopped(self, cell: Cell) -> None:
        """The actor stops itself, after the message in hand."""
        async def stop() -> None:
            self.cells.pop(cell.number, None)
            try:
                await cell.stop()
            except Exception as error:
                _log.error("%s failed in post_stop", cell.path, exc_info=error)
            self.post(frames.STOPPED, cell.number, 0, None)

        cell.stopped = True
        self.run(stop())

    # -- from the system -------------------------------------------------------------------------

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def readable(self) -> None:
        self.channel.woken()
        self.drain()

    def drain(self) -> None:
        """Takes messages for a moment; comes back for the rest, or waits for the next."""
        until = time.monotonic() + _DRAIN_SECONDS
        try:
            while time.monotonic() < until and not self.ended.is_set():
                arrived = self.channel.receive(self.codec.native, self.flags)
                if arrived is not None:
                    self._take(*arrived)
                elif not self.channel.spin(_SPIN_ROUNDS) and self.channel.about_to_wait():
                    return
        except (EOFError, OSError):
            self.ended.set()
        if not self.ended.is_set():
            self._loop.call_soon(self.drain)

    def _take(self, kind: int, actor: int, request: int, value: Any,
              error: BaseException | None) -> None:
        cell = self.cells.get(actor)
        if kind in (frames.ANSWER, frames.REFUSAL):
            self._answered(kind, request, value, error)
        elif kind == frames.SHUTDOWN:
            self.run(self._shut_down())
        elif error is not None:
            self.fail(actor, request, error)
        elif kind == frames.SPAWN:
            self.run(self._outcome(actor, request, self._spawn(actor, value)))
        elif cell is None:
            self.fail(actor, request, SystemStopped("the actor is not in this process any more"))
        elif kind == frames.TELL:
            cell.put(request, value)
        elif kind == frames.RESTART:
            failure = frames.error_of(value["failure"])
            self.run(self._outcome(actor, request, cell.restart(failure, value["message"])))
        elif kind == frames.STOP:
            del self.cells[actor]
            self.run(self._outcome(actor, request, cell.stop()))

    async def _spawn(self, number: int, spec: dict[str, Any]) -> None:
        cell = Cell(self, number, spec)
        self.cells[number] = cell
        try:
            failure = spec["restarted"]
            await cell.start(None if failure is None else frames.error_of(failure))
        except BaseException:
            del self.cells[number]
            raise

    async def _outcome(self, actor: int, request: int, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self.fail(actor, request, error)
        else:
            self.post(frames.DONE, actor, request, None)

    def _answered(self, kind: int, request: int, value: Any, error: BaseException | None) -> None:
        waiting = self._asks.get(request)
        if waiting is None or waiting.done():
            return
        if kind == frames.ANSWER and error is None:
            waiting.set_result(value)
        else:
            waiting.set_exception(error or frames.error_of(value))

    async def _shut_down(self) -> None:
        async def stop(cell: Cell) -> None:
            try:
                await cell.stop()
            except Exception as error:
                _log.error("%s failed in post_stop", cell.path, exc_info=error)

        cells, self.cells = list(self.cells.values()), {}
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await asyncio.gather(*map(stop, cells))
        except TimeoutError:
            _log.warning("post_stop of some actors took more than %s s", _STOP_SECONDS)
        self.ended.set()


def _beat(worker: Worker, parent: int, over: threading.Event) -> None:
    while not over.wait(_BEAT_SECONDS):
        if os.getppid() != parent or worker.channel.peer_gone:
            os._exit(0)  # nobody is there to hear of anything
        busy = [one.path for one in list(worker.cells.values()) if one.busy]
        usage = {"rss": _resident(), "handled": worker.handled, "actors": len(worker.cells),
                 "busy": busy[:16]}
        try:
            worker.channel.send(frames.ALIVE, 0, 0, worker.codec.native, 0, usage)
        except (EOFError, OSError):
            os._exit(0)


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def _address(ref: Any) -> str:
    return str(ref.address)


async def _main(memory: int, socket: int, options: dict[str, Any]) -> None:
    channel = _native.attach_channel(memory, socket)
    codec = frames.FamilyCodec()
    codec.set_reference_type(RemoteRef, _address, RemoteRef)
    flags = frames.FLAGS | (codecs.ALLOW_PICKLE if options.get("pickle") else 0)
    worker = Worker(channel, codec, flags)
    RemoteRef.worker = worker
    loop = asyncio.get_running_loop()
    loop.add_reader(channel.fileno(), worker.readable)
    over = threading.Event()
    beat = threading.Thread(target=_beat, args=(worker, options["parent"], over), daemon=True)
    beat.start()
    worker.post(frames.READY, 0, 0, {"pid": os.getpid(), "python": sys.version.split()[0]})
    worker.drain()
    await worker.ended.wait()
    over.set()
    loop.remove_reader(channel.fileno())
    channel.close()


def main(arguments: list[str]) -> int:
    """Runs until told to end; exit code 2 for arguments that no pool gave."""
    if len(arguments) != 3:
        print("odeon._worker is started by odeon.subprocess_worker", file=sys.stderr)
        return 2
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the system decides when its workers end
    options = json.loads(arguments[2])
    limit = options.get("address_space")
    if limit:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    if options.get("nice"):
        os.nice(options["nice"])  # beside what it inherits
    asyncio.run(_main(int(arguments[0]), int(arguments[1]), options))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
