"""One worker process as the system sees it: its channel, its open requests, its usage."""

from __future__ import annotations

import collections
import importlib
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _worker_frames as frames
from .errors import EncodingError, MailboxFull, WorkerDied

if TYPE_CHECKING:
    from ._worker_actor import WorkerActor
    from ._worker_pool import PoolOptions

_native: Any = importlib.import_module("odeon._native")

_REAP_SECONDS = 5.0  # for a process whose end of the channel is closed to end


@dataclass(frozen=True, slots=True)
class WorkerMetrics:
    """What a worker uses."""

    pid: int
    actors: int
    handled: int  #: messages, since its start
    resident_bytes: int
    waiting: int  #: messages that have not found room in its ring yet
    busy: tuple[str, ...]  #: paths of actors that had a message in hand, some of them


class Worker:
    """A process and both directions to it. Posting: any thread. The rest: the pool's thread."""

    def __init__(self, place: int, options: PoolOptions, codec: frames.FamilyCodec, flags: int,
                 nice: int) -> None:
        self.place = place
        self.why: str | None = None  # it is ending, or has ended, for this reason
        self.is_over = False  # it has ended, and all who waited for it have been told
        self.actors: dict[int, WorkerActor] = {}
        self.waiting: collections.deque[tuple[Any, ...]] = collections.deque()
        self._options = options
        self._codec = codec
        self.native: Any = codec.native
        self.flags = flags
        self._lock = threading.Lock()
        self._requests: dict[int, Any] = {}  # futures, and what else hears an outcome
        self._room: list[Callable[[], None]] = []
        self._numbers = itertools.count(1)
        self._started = time.monotonic()
        self._beaten = self._started
        self._is_ready = False
        self._is_told = False
        self._usage: dict[str, Any] = {"rss": 0, "handled": 0, "actors": 0, "busy": []}
        self.channel, memory, socket = _native.new_channel(options.ring_bytes)
        self.send: Any = self.channel.send
        try:
            self._process = self._exec(memory, socket, nice)
        finally:
            os.close(memory)
            os.close(socket)
        self.pid = self._process.pid

    def _exec(self, memory: int, socket: int, nice: int) -> subprocess.Popen[bytes]:
        told = {"parent": os.getpid(), "nice": nice, "pickle": self._options.allow_pickle,
                "address_space": self._options.memory_hard_limit}
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(one or os.getcwd() for one in sys.path)
        return subprocess.Popen(
            [self._options.python or sys.executable, "-m", "odeon._worker", str(memory),
             str(socket), json.dumps(told)],
            pass_fds=(memory, socket), stdin=subprocess.DEVNULL, env=environment)

    @property
    def is_dying(self) -> bool:
        """Its process has ended, and some who wait for it may have to be told. Any thread."""
        return not self.is_over and bool(self.channel.peer_gone)

    # -- sending ---------------------------------------------------------------------------------

    def post(self, kind: int, actor: int, request: int, value: Any) -> None:
        """Sends, or keeps it until there is room. Raises EncodingError, MailboxFull, WorkerDied."""
        with self._lock:
            if not self.waiting and self._send(kind, actor, request, value):
                return
            made = self.native.encode(value, self.flags)
            self._keep((kind, actor, request, *made))

    def _send(self, kind: int, actor: int, request: int, value: Any) -> bool:
        try:
            done: bool = self.channel.send(kind, actor, request, self.native, self.flags,
                                           value)
            return done
        except (EOFError, OSError) as error:
            raise WorkerDied(self.why or str(error)) from None

    def post_encoded(self, frame: tuple[Any, ...]) -> None:
        """As `post`, for (kind, actor, request, manifest, version, payload, buffers)."""
        with self._lock:
            if self.waiting or not self._send_encoded(frame):
                self._keep(frame)

    def _send_encoded(self, frame: tuple[Any, ...]) -> bool:
        try:
            done: bool = self.channel.send_encoded(*frame)
            return done
        except (EOFError, OSError) as error:
            raise WorkerDied(self.why or str(error)) from None

    def _keep(self, frame: tuple[Any, ...]) -> None:
        if len(self.waiting) >= self._options.max_waiting:
            raise MailboxFull(f"{len(self.waiting)} messages wait for the worker {self.pid}")
        self.waiting.append(frame)

    def when_room(self, call: Callable[[], None]) -> None:
        """Calls once when nothing waits any more: now, or on the pool's thread."""
        with self._lock:
            if self.waiting:
                self._room.append(call)
                return
        call()

    def flush(self) -> None:
        """Sends what waits, as far as there is room."""
        self._flush()
        if not self.waiting and self._room:
            calls, self._room = self._room, []
            for call in calls:
                call()

    def _flush(self) -> None:
        with self._lock:
            try:
                while self.waiting and self._send_encoded(self.waiting[0]):
                    self.waiting.popleft()
            except WorkerDied:
                self.waiting.clear()

    def call(self, kind: int, actor: int, value: Any) -> Future[Any]:
        """Sends a request; its outcome. Errors as `post`."""
        return self._request(lambda number: self.post(kind, actor, number, value))

    def call_encoded(self, kind: int, actor: int, *encoded: Any) -> Future[Any]:
        """The same for (manifest, version, payload, buffers)."""
        return self._request(lambda number: self.post_encoded((kind, actor, number, *encoded)))

    def _request(self, post: Callable[[int], None]) -> Future[Any]:
        number = next(self._numbers)
        future: Future[Any] = Future()
        self._requests[number] = future
        try:
            post(number)
        except BaseException:
            self._requests.pop(number, None)
            raise
        if self.why is not None:  # it died between: whoever failed the others may have missed it
            self.settle(number, None, WorkerDied(self.why))
        return future

    def expect(self, hears: Any) -> int:
        """The number of a request whose outcome goes to ``hears.settled(value, error, …)``, on
        the pool's thread."""
        number = next(self._numbers)
        self._requests[number] = hears
        if self.why is not None:  # it died between: whoever failed the others may have missed it
            self.settle(number, None, WorkerDied(self.why))
        return number

    def forget(self, number: int) -> Any:
        """Nobody waits for it any more; who did, or None."""
        return self._requests.pop(number, None)

    def refuse(self, request: int, error: BaseException) -> None:
        """Answers a request of the worker with a failure."""
        try:
            self.post(frames.REFUSAL, 0, request, frames.failure_of(error, self._codec))
        except (EncodingError, MailboxFull, WorkerDied):
            pass  # its own limit ends the request

    # -- outcomes --------------------------------------------------------------------------------

    def settle(self, request: int, value: Any, error: BaseException | None,
               is_others: bool = False) -> None:
        """The outcome of a request; nothing when it was settled, or given up.

        `is_others`: of the actor that it was passed on to.
        """
        future = self._requests.pop(request, None)
        if future is None:
            return
        if not isinstance(future, Future):
            future.settled(value, error, is_others)
            return
        try:
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)
        except InvalidStateError:
            pass  # the asker gave up

    def fail_all(self, error: WorkerDied) -> None:
        for request in list(self._requests):
            self.settle(request, None, WorkerDied(str(error)))

    # -- the process -----------------------------------------------------------------------------

    def ready(self, told: dict[str, Any]) -> None:
        self._is_ready = True
        self._beaten = time.monotonic()

    def beat(self, usage: dict[str, Any]) -> None:
        self._usage = usage
        self._beaten = time.monotonic()

    @property
    def metrics(self) -> WorkerMetrics:
        usage = self._usage
        return WorkerMetrics(self.pid, len(self.actors), usage["handled"], usage["rss"],
                             len(self.waiting), tuple(usage["busy"]))

    def trouble(self, now: float) -> str | None:
        """Why it must be replaced; None when it is well."""
        options = self._options
        if self.why is not None:
            return None
        if not self._is_ready:
            if now - self._started > options.start_seconds:
                return f"the worker was not ready within {options.start_seconds} s"
            return None
        limit = options.max_handler_seconds
        if limit is not None and now - self._beaten > limit:
            return f"the worker gave no sign of life for {now - self._beaten:.1f} s"
        most = options.memory_soft_limit
        if most is not None and (used := self._resident()) > most:
            return f"the worker used {used} bytes of memory; its limit is {most}"
        return None

    def _resident(self) -> int:
        try:
            with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError):
            return 0  # it is ending

    def tell_to_stop(self) -> None:
        """Once; again: nothing."""
        if self._is_told:
            return
        self._is_told = True
        try:
            self.post(frames.SHUTDOWN, 0, 0, None)
        except (MailboxFull, WorkerDied):
            self.kill()

    def kill(self) -> None:
        """The process has no say in it."""
        self._process.kill()

    def reap(self, reason: str) -> None:
        """Waits for the process, which has closed its channel; `why` says how it ended."""
        self.channel.close()
        try:
            code = self._process.wait(_REAP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if self.why is None:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            self.why = f"the worker process {self.pid} ended: {reason} ({how})"
