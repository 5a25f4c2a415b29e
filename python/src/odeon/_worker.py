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
import itertools
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

from . import _worker_frames as frames
from . import codecs
from ._worker_cell import Cell
from .errors import AskTimeout, SystemStopped
from .worker_context import RemoteRef

_native: Any = importlib.import_module("odeon._native")
_log = logging.getLogger("odeon.worker")

_DRAIN_SECONDS = 0.001  # messages taken in one turn of the loop ...
_FRAMES_A_LOOK = 16  # ... and between two looks at the clock
_STOP_SECONDS = 2.0  # for all post_stop together at the end
_BEAT_SECONDS = 1.0
_CALL_SECONDS = 10.0  # for the system to answer what a context wants to know
_SPIN_ROUNDS = 1000  # looks at the ring before sleeping: some 20 us, the cost of being woken


class Worker:
    """The process: its channel, its actors, and the loop that runs them."""

    def __init__(self, channel: Any, codec: codecs.Codec, flags: int) -> None:
        self.channel = channel
        self.codec = codec
        self.flags = flags
        self.cells: dict[int, Cell] = {}
        self.handled = 0
        self.ended = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._asks: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._backlog: collections.deque[tuple[Any, ...]] = collections.deque()
        self._done: list[Cell] = []  # have messages to tell of that are over
        self._is_draining = False

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
        """An answer, or the failure to encode it, which is its asker's alone."""
        try:
            self.post(frames.REPLY, actor, request, value)
        except Exception as error:
            self.fail(actor, request, error)

    def fail(self, actor: int, request: int, error: BaseException,
             message: str | None = None) -> None:
        """`message`: what a supervised actor failed on, which holds until it hears more."""
        failure = frames.failure_of(error, self.codec, message)
        self.post(frames.FAILED, actor, request, failure)

    def note_done(self, cell: Cell) -> None:
        """Tells what is over of it when this drain ends, or soon."""
        self._done.append(cell)
        if not self._is_draining and len(self._done) == 1:
            self.loop.call_soon(self.tell_done)

    def tell_done(self) -> None:
        done, self._done = self._done, []
        for cell in done:
            cell.tell_done()

    def send_out(self, target: RemoteRef, message: Any) -> None:
        self.post(frames.SEND, 0, 0, [target, message])

    async def ask_out(self, target: RemoteRef, message: Any, timeout: float) -> Any:
        number, answer = next(self._numbers), self.loop.create_future()
        self._asks[number] = answer
        try:
            self.post(frames.ASK, 0, number, [target, message, timeout])
            async with asyncio.timeout(timeout + 1.0):  # the system's own limit comes first
                return await answer
        except TimeoutError as late:
            raise AskTimeout(f"no reply from {target.path} within {timeout} s") from late
        finally:
            self._asks.pop(number, None)

    def ask_for(self, actor: int, what: list[Any], refused: Callable[[str], None]) -> None:
        """Has the system do it for the actor; calls with the reason when that cannot be."""
        number, answer = next(self._numbers), self.loop.create_future()
        self._asks[number] = answer

        def over(outcome: asyncio.Future[Any]) -> None:
            self._asks.pop(number, None)
            if not outcome.cancelled() and (error := outcome.exception()) is not None:
                refused(str(error))

        answer.add_done_callback(over)
        self.post(frames.CALL, actor, number, what)

    def call(self, actor: int, what: list[Any]) -> Any:
        """What the system makes of it; blocks. What arrives meanwhile comes later, in its order."""
        number = next(self._numbers)
        self.post(frames.CALL, actor, number, what)
        until = time.monotonic() + _CALL_SECONDS
        while not self.ended.is_set():
            try:
                arrived = self.channel.receive(self.codec.native, self.flags)
                if arrived is None:
                    left = until - time.monotonic()
                    if left <= 0:
                        raise AskTimeout(f"the system did not answer within {_CALL_SECONDS} s")
                    self.channel.wait(left, _SPIN_ROUNDS)
                    continue
            except EOFError:
                self.ended.set()
                break
            kind, _, request, value, error = arrived
            if request != number or kind not in (frames.ANSWER, frames.REFUSAL):
                if not self._backlog and not self._is_draining:
                    self.loop.call_soon(self.drain)
                self._backlog.append(arrived)
            elif kind == frames.ANSWER and error is None:
                return value
            else:
                raise error or frames.error_of(value)
        raise SystemStopped("the system has ended")

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
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def readable(self) -> None:
        self.channel.woken()
        self.drain()

    def drain(self) -> None:
        """Takes messages for a moment; comes back for the rest, or waits for the next."""
        until = time.monotonic() + _DRAIN_SECONDS
        backlog, take, receive = self._backlog, self._take, self.channel.receive
        native, flags = self.codec.native, self.flags
        self._is_draining = True
        try:
            while time.monotonic() < until and not self.ended.is_set():
                for _ in range(_FRAMES_A_LOOK):
                    arrived = backlog.popleft() if backlog else receive(native, flags)
                    if arrived is None:
                        break
                    take(*arrived)
                else:
                    continue
                if self._done:
                    self.tell_done()
                if not self.channel.spin(_SPIN_ROUNDS) and self.channel.about_to_wait():
                    return
        except (EOFError, OSError):
            self.ended.set()
        finally:
            self._is_draining = False
            if self._done:
                self.tell_done()
        if not self.ended.is_set():
            self.loop.call_soon(self.drain)

    def _take(self, kind: int, actor: int, request: int, value: Any,
              error: BaseException | None) -> None:
        cell = self.cells.get(actor)
        if kind == frames.TELL and error is None and cell is not None:
            cell.put(request, value, True)
        elif kind in (frames.ANSWER, frames.REFUSAL):
            self._answered(kind, request, value, error)
        elif kind == frames.SHUTDOWN:
            self.run(self._shut_down())
        elif error is not None:
            self.fail(actor, request, error)
            if cell is not None and kind == frames.TELL:
                cell.skip()
        elif kind == frames.SPAWN:
            self.run(self._outcome(actor, request, self._spawn(actor, value)))
        elif cell is None:
            self.fail(actor, request, SystemStopped("the actor is not in this process any more"))
        elif kind == frames.RESUME:
            cell.resume()
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
