"""What crosses between interpreters: the codec for it, failures as text, names of classes."""

from __future__ import annotations

import importlib
import logging
import sys
import traceback
from typing import Any, NoReturn

from . import _native, codecs
from .errors import ActorFailed, QuotaExceeded

__all__ = ["factory_path", "find_factory", "native_codec"]

_log = logging.getLogger("odeon.actor")


def native_codec() -> Any:
    """The native part of this interpreter's codec."""
    return codecs.default.native


def factory_path(cls: Any) -> str:
    """``module:qualname`` of a class of actors or a function, for where it is imported anew.

    Raises TypeError when an import elsewhere would not give it.
    """
    module, name = cls.__module__, cls.__qualname__
    what = f"{module}.{name}"
    if module == "__main__":
        raise TypeError(
            f"{what} cannot be made in another interpreter: the main program is not imported "
            "there; put it into a module")
    if "<" in name:
        raise TypeError(
            f"{what} cannot be made in another interpreter: it is defined inside a function; put "
            "it at the top of a module")
    try:
        found = find_factory(f"{module}:{name}")
    except (ImportError, AttributeError) as reason:
        raise TypeError(f"{what} cannot be imported elsewhere: {reason}") from None
    if found is not cls:
        raise TypeError(f"an import of {what} gives another object than this one")
    return f"{module}:{name}"


def find_factory(path: str) -> Any:
    """What ``module:qualname`` names. Raises ImportError, AttributeError."""
    module, _, name = path.partition(":")
    found: Any = sys.modules.get(module) or importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def quota_exceeded(path: str, most: int) -> NoReturn:
    raise QuotaExceeded(f"{path} takes no more: {most} messages wait on its dispatcher already")


def not_readable(text: str) -> None:
    _log.error("%s", text)


def exception_texts(exc: BaseException) -> tuple[str, str]:
    """Class path and formatted traceback, of an exception that stays where it was raised."""
    cls = type(exc)
    return f"{cls.__module__}.{cls.__qualname__}", "".join(traceback.format_exception(exc))


def raise_remote(text: str, class_path: str, trace: str) -> NoReturn:
    """The failure of a handler elsewhere: its text, and its traceback as a note."""
    failed = ActorFailed(text)
    failed.class_path = class_path
    if trace:
        failed.add_note("raised elsewhere:\n" + trace.rstrip())
    raise failed


# Before classes are registered: how their fields travel is looked at then.
codecs.default.set_reference_type(_native.ActorRef, _native._ref_to_text, _native._ref_from_text)
