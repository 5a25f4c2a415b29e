"""The log: what the runtime writes goes to Python's ``logging``, and actors have loggers of their
own."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from . import _native

if TYPE_CHECKING:
    from .system import ActorSystem

_LEVELS = (5, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
_lock = threading.Lock()
_systems: list[weakref.ref[ActorSystem]] = []


def _native_level(level: int) -> int:
    """The lowest level of C++ that such a logger takes; 5: none."""
    for at, each in enumerate(_LEVELS):
        if each >= level:
            return at
    return len(_LEVELS)


def write(level: int, name: str, text: str, lost: int) -> None:
    """One line of the runtime; ``name`` is an actor's path, or a part of the runtime."""
    if name.startswith("/"):
        if text.startswith("failed in "):  # told by `handler_failed`, with its traceback
            level = 1
        logger, extra = logging.getLogger("odeon.actor"), {"actor": name}
    else:
        logger, extra = logging.getLogger(f"odeon.{name}"), {"actor": ""}
    logger.log(_LEVELS[min(level, 4)], "%s: %s", name, text, extra=extra)
    if lost:
        logging.getLogger("odeon").warning("%d lines of the log were lost: too many at once", lost)


def attach(system: ActorSystem) -> None:
    """From here on lines go to ``logging``, by way of this system's loop or thread."""
    if _native._log_forward(system, write):
        with _lock:
            _systems.append(weakref.ref(system))
        refresh_level()


def detach(system: ActorSystem) -> None:
    """Lines go by way of another open system; where there is none, they are held for `flush`."""
    with _lock:
        _systems[:] = [ref for ref in _systems if ref() is not system and ref() is not None]
        left = [each for ref in _systems if (each := ref()) is not None and each.is_open]
    if left:
        _native._log_forward(left[-1], write)
    else:
        _native._log_forward(None, None)


def flush() -> None:
    """Writes what was held while the last system closed."""
    for level, name, text in _native._log_take():
        write(level, name, text, 0)


def refresh_level() -> None:
    """Has the runtime format what the logger "odeon" takes, and no more."""
    _native._set_log_level(_native_level(logging.getLogger("odeon").getEffectiveLevel()))


class ActorLog(logging.LoggerAdapter[logging.Logger]):
    """The logger of an actor's class; its records name the actor, as ``%(actor)s`` and in front."""

    def __init__(self, cls: str, path: str) -> None:
        super().__init__(logging.getLogger(cls), {"actor": path})
        self._path = path

    def process(self, msg: Any,
                kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        extra = {"actor": self._path, **(kwargs.get("extra") or {})}
        kwargs["extra"] = extra
        return f"{self._path}: {msg}", kwargs
