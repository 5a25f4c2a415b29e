"""Names the very line of a call that blocks an event loop, or the thread of a dispatcher.

A thread of its own has each watched system's host call back now and then. When that call does not
come within ``slow_handler``, something holds the host's thread: its stack is looked at, and what
it says is logged (``odeon.blocking``) and published (:class:`odeon.events.BlockingCall`), once
until the thread is let go. The thread runs while a system is open; it costs two wake-ups of a host
a ``slow_handler``.

A call into C that keeps the interpreter's lock is seen only when it gives it up. While the process
has other interpreters, no stack is looked at: see :func:`_frame_of`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

from . import _native
from .errors import OdeonError

# What a look needs is imported by the first one that finds something: few programs see any.
if TYPE_CHECKING:
    from .events import BlockingCall
    from .system import ActorSystem

__all__ = ["beside_another_interpreter", "forget", "watch"]

_log = logging.getLogger("odeon.blocking")
_SHORTEST_TICK = 0.01
_LONGEST_TICK = 0.25
_STACK_MAX = 64
_FIRST_WAIT = 1.0  # seconds that a dispatcher's thread has to show itself

_ASYNCIO = os.path.dirname(asyncio.__file__)
_OWN = os.path.dirname(os.path.abspath(__file__))


class _Watched:
    """A system's main host, and the call that is on its way to it."""

    def __init__(self, system: ActorSystem, limit: float) -> None:
        self.system = weakref.ref(system)
        self.host: Any = system._host
        self.limit = limit
        self.ident = 0
        self.mark = 0
        self.since = 0.0  # when the call was sent, or came
        self.outstanding = False
        self.reported = False
        self.came = threading.Event()  # the first one

    def beat(self, _: object = None) -> None:
        """On the host's own thread."""
        self.ident = threading.get_ident()
        self.mark = _native._thread_mark()
        self.since = time.monotonic()
        self.outstanding = self.reported = False
        self.came.set()

    def look(self, now: float) -> None:
        system = self.system()
        if system is None or not system.is_open:
            return
        loop = self.host.loop
        if loop is not None and not loop.is_running():
            self.since = now
        elif not self.outstanding:
            if now - self.since >= self.limit / 2:
                self.since, self.outstanding = now, True
                if not _native._post(system, self.beat, None):
                    self.outstanding = False  # too many wait: they show that it runs
        elif not self.reported and now - self.since >= self.limit:
            found = _look_at(self, system, now - self.since)
            if found is not None:
                self.reported = True
                _tell(system, found)


def _tell(system: ActorSystem, found: BlockingCall) -> None:
    _log.warning("%s", found, extra={"actor": found.path})
    system.events.publish(found)


def _look_at(watched: _Watched, system: ActorSystem, held_for: float) -> BlockingCall | None:
    """What the host's thread does now; None: nothing that blocks, or somebody else's handler."""
    innermost = _frame_of(watched.ident)
    if innermost is None:
        return None
    hand = _native._in_hand(watched.mark)
    if hand is not None and hand[0] is not None and hand[0] is not system:
        return None
    frames = _frames_of(innermost)
    begun = _first_of_callback(frames)
    if begun is None:
        return None
    handler = frames[begun]
    from .events import BlockingCall

    user = next((frame for frame in reversed(frames[begun:]) if not _is_library(frame.f_code)),
                handler)
    _, path, cls, message = hand or (None, "", "", None)
    return BlockingCall(
        call=_call_at(user), file=_short(user.f_code.co_filename), line=user.f_lineno or 0,
        function=handler.f_code.co_qualname, path=path, type=cls, message=message or "",
        held="loop" if watched.host.loop is not None else "thread", held_for=held_for,
        stack=tuple(f"{_short(frame.f_code.co_filename)}:{frame.f_lineno} "
                    f"{frame.f_code.co_qualname}" for frame in frames[begun:][-_STACK_MAX:]))


_looking = threading.Lock()
_pools = 0  # interpreters of dispatchers


@contextlib.contextmanager
def beside_another_interpreter() -> Iterator[None]:
    """While another interpreter runs, from before it is made: no stack is looked at."""
    global _pools
    with _looking:
        _pools += 1
    try:
        yield
    finally:
        with _looking:
            _pools -= 1


def _frame_of(ident: int) -> FrameType | None:
    """The innermost frame of a thread. CPython (3.13) has no way to ask for one: it makes frame
    objects for the threads of all interpreters, with this one's memory, and another interpreter
    that frees such an object breaks the heap. So there is none while there are others."""
    with _looking:
        known: Any = sys.modules.get("_interpreters") or sys.modules.get("_xxsubinterpreters")
        if _pools or (known is not None and len(known.list_all()) > 1):
            return None
        return sys._current_frames().get(ident)


def _frames_of(innermost: FrameType) -> list[FrameType]:
    """Outermost first."""
    frames = []
    at: FrameType | None = innermost
    while at is not None:
        frames.append(at)
        at = at.f_back
    return frames[::-1]


def _first_of_callback(frames: list[FrameType]) -> int | None:
    """Where the handler, or the loop's callback, begins: behind the last frame of the loop, or of
    the dispatcher's thread. None: the thread is in the loop itself, or waits for work."""
    last = -1
    for at, frame in enumerate(frames):
        code = frame.f_code
        folder = os.path.dirname(code.co_filename)
        in_loop = code.co_name == "_run" and folder == _ASYNCIO
        in_host = code.co_name in ("_run", "_run_loop") and folder == _OWN
        if in_loop or in_host:
            last = at
    begun = last + 1
    if last < 0 or begun >= len(frames):
        return None
    if os.path.dirname(frames[begun].f_code.co_filename) == _ASYNCIO and all(
            _is_library(frame.f_code) for frame in frames[begun:]):
        return None
    return begun


@functools.cache
def _libraries() -> tuple[str, ...]:
    """The folders of code that is not the program's own."""
    import sysconfig

    own = {_OWN, os.path.realpath(_OWN)}
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return tuple(path + os.sep for path in own | paths)


def _is_library(code: CodeType) -> bool:
    return code.co_filename.startswith(_libraries()) or code.co_filename.startswith("<frozen")


def _short(file: str) -> str:
    """Relative to the working folder, where it lies below it."""
    try:
        relative = os.path.relpath(file)
    except (ValueError, OSError):
        return file
    return file if relative.startswith("..") else relative


def _call_at(frame: FrameType) -> str:
    """The text of what is called where the frame stands, without arguments: "time.sleep"."""
    import ast
    import linecache

    code = frame.f_code
    line = linecache.getline(code.co_filename, frame.f_lineno or 0).strip()
    positions = list(code.co_positions())
    at = frame.f_lasti // 2
    if not 0 <= at < len(positions):
        return line or "a call"
    first, last, begin, end = positions[at]
    if first is None or last is None or begin is None or end is None:
        return line or "a call"
    # columns count bytes of UTF-8
    lines = [linecache.getline(code.co_filename, n).encode() for n in range(first, last + 1)]
    if not all(lines):
        return line or "a call"
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][begin:]
    try:
        parsed = ast.parse(b"(" + b"".join(lines) + b")", mode="eval").body
    except (SyntaxError, ValueError):
        return line or "a call"
    return ast.unparse(parsed.func if isinstance(parsed, ast.Call) else parsed)


# -- the thread ------------------------------------------------------------------------------------

_lock = threading.Lock()
_watched: dict[int, _Watched] = {}
_thread: threading.Thread | None = None
_changed = threading.Event()


def watch(system: ActorSystem, limit: float) -> None:
    """From here on; a limit of 0 is no watch. On the system's own thread, where it has a loop."""
    global _thread
    if limit <= 0:
        return
    one = _Watched(system, limit)
    if system._host.is_current:
        one.beat()
    else:  # before any actor runs there: its thread is known from here on
        one.since, one.outstanding = time.monotonic(), True
        if _native._post(system, one.beat, None):
            one.came.wait(_FIRST_WAIT)
    with _lock:
        _watched[id(system)] = one
        _changed.set()
        if _thread is None:
            _thread = threading.Thread(target=_run, name="odeon-watchdog", daemon=True)
            _thread.start()


def forget(system: ActorSystem) -> None:
    """It is looked at no more; a look that is under way finds it closed."""
    global _thread
    ending = None
    with _lock:
        _watched.pop(id(system), None)
        _changed.set()
        if not _watched:
            ending, _thread = _thread, None
    if ending is not None and ending is not threading.current_thread():
        ending.join()


def _run() -> None:
    while True:
        with _lock:
            if not _watched or _thread is not threading.current_thread():
                return
            watched = list(_watched.values())
            _changed.clear()
        for one in watched:
            try:
                one.look(time.monotonic())
            except OdeonError:
                continue  # it ended meanwhile
        shortest = min(one.limit for one in watched)
        _changed.wait(min(max(shortest / 8, _SHORTEST_TICK), _LONGEST_TICK))
