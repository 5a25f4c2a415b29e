"""What travels between a system and its worker processes: kinds of frames, and failures as data.

Each frame has a kind, an actor's number, a request's number (0: none) and a value.
"""

from __future__ import annotations

import traceback
from typing import Any

from . import _interop, _native, codecs
from .errors import EncodingError

# to a worker
TELL = 1  #: a message; with a request its outcome is told
SPAWN = 2  #: {"cls", "path", "self", "parent", "args", "kwargs", …} -> outcome
RESTART = 3  #: {"failure", "message"}: a new instance in place of the old one -> outcome
STOP = 4  #: None -> outcome, after post_stop
SHUTDOWN = 5  #: stop all actors, then end
ANSWER = 6  #: the answer to an ASK of the worker
REFUSAL = 7  #: the failure of an ASK or CALL of the worker
RESUME = 8  #: the supervision has decided: an actor that failed goes on as it is

# from a worker
READY = 20  #: {"pid", "python"}
REPLY = 21  #: the handler's answer
DONE = 22  #: handled, without an answer
FAILED = 23  #: a failure: see `failure_of`; request 0: of a message the worker sent itself
STOPPED = 24  #: the actor stopped itself
SEND = 25  #: [reference, message]
ASK = 26  #: [reference, message, seconds]
ALIVE = 27  #: {"rss", "handled", "actors", "busy"}: once a second
HANDLED = 28  #: so many (the request's number) of a supervised actor's oldest messages are over
ASIDE = 29  #: it stashed the oldest
BACK = 30  #: what it stashed is before the others again, from that place on (the request's number)
CALL = 31  #: [operation, arguments…] of its context; with a request its value is the answer
FORWARD = 32  #: [reference, message]: the request is that actor's to answer

FLAGS = codecs.ALLOW_IMPORT | codecs.BUFFERS_BESIDE  #: inside a family of processes

#: A family hands over what it likes: the bound is the machine's memory.
LIMITS = codecs.Limits(max_bytes=1 << 40, max_depth=256, max_items=1 << 40, max_string=1 << 40,
                       max_memory=1 << 44)

_MAX_TRACE = 64 << 10  # characters of a traceback


def class_path(cls: type) -> str:
    """``module.qualname``, without the module for Python's own."""
    module = cls.__module__
    return cls.__qualname__ if module == "builtins" else f"{module}.{cls.__qualname__}"


def failure_of(
    error: BaseException, codec: codecs.Codec, message: str | None = None
) -> dict[str, Any]:
    """An exception as a value that always travels; with itself, where it can.

    `message`: the class of the message that a supervised actor failed on; it waits for a decision.
    """
    trace = "".join(traceback.format_exception(error))
    failure: dict[str, Any] = {
        "path": class_path(type(error)),
        "bases": [class_path(one) for one in type(error).__mro__[1:-1]],
        "text": _clean(str(error)),
        "trace": _clean(trace[-_MAX_TRACE:]),
        "error": None,
        "message": message,
    }
    try:
        codec.encode(error)
    except (EncodingError, RecursionError):
        return failure
    failure["error"] = error
    return failure


def error_of(failure: dict[str, Any]) -> BaseException:
    """The exception of a failure: itself, or a ForeignError; its note has the worker's trace."""
    sent = failure["error"]
    error: BaseException
    if isinstance(sent, BaseException):
        error = sent
    else:
        error = codecs.ForeignError(failure["path"], (failure["text"],))
    error.add_note("in the worker process:\n" + failure["trace"])
    return error


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


class FamilyCodec(codecs.Codec):
    """The codec between a system and its workers: names of classes are class paths."""

    def __init__(self) -> None:
        _interop.native_codec()  # references are known to the default codec, and so to this one
        super().__init__(codecs.default, limits=LIMITS)

    def is_reference(self, cls: type) -> bool:
        """In a worker as well: what is declared as an ActorRef arrives as a RemoteRef there."""
        return super().is_reference(cls) or issubclass(cls, _native.ActorRef)

    def _describe(self, cls: type, flags: int) -> Any:
        plan = super()._describe(cls, flags)
        if plan is not None and plan.manifest == f"{cls.__module__}.{cls.__qualname__}":
            reason = unreachable(cls)
            if reason is not None:
                raise EncodingError(reason)
        return plan


def unreachable(cls: type) -> str | None:
    """Why another process cannot import the class; None when nothing speaks against it."""
    if cls.__module__ == "__main__":
        return (f"{cls.__qualname__} is defined in the program's main file, which a worker process "
                "does not run; move it to a module")
    if "<locals>" in cls.__qualname__:
        return (f"{cls.__qualname__} is defined inside a function, where a worker process cannot "
                "import it; move it to the module's top level")
    return None
