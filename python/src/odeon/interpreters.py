"""Interpreters in one process: what this Python can do, and which modules are safe in them.

An extension module that keeps its state in globals of C, or was not built for it, may crash the
process when a second interpreter imports it. CPython refuses most of them (3.12 and up); what it
does not know is kept here: a table of modules, and a gate that stands first in ``sys.meta_path`` of
every interpreter of a pool. There an import of an unsafe module raises
:class:`odeon.errors.InterpreterCompatError`, with the reason.

Example::

    odeon.interpreters.register_unsafe("fastthing", "keeps a global cache")
    print(odeon.interpreters.compat_flags("numpy"))
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from types import ModuleType

from .errors import InterpreterCompatError

__all__ = [
    "Compat",
    "compat_flags",
    "compat_list",
    "declare_compat",
    "install",
    "nogil_supported",
    "register_unsafe",
    "subinterpreters_supported",
    "why_no_nogil",
    "why_no_subinterpreters",
]


@dataclass(frozen=True, slots=True)
class Compat:
    """What is known of one module (and of those below it)."""

    module: str
    subinterpreter_safe: bool
    nogil_safe: bool
    notes: str = ""


_table: dict[str, Compat] = {}


def declare_compat(module: str, subinterpreter_safe: bool, nogil_safe: bool,
                   notes: str = "") -> None:
    """Says what a module bears; the word that was said last holds. From any thread."""
    if not module:
        raise ValueError("a module has a name")
    _table[module] = Compat(module, subinterpreter_safe, nogil_safe, notes)


def register_unsafe(module: str, reason: str) -> None:
    """Has imports of the module (and of those below it) refused in interpreters of pools."""
    known = _table.get(module)
    declare_compat(module, False, known.nogil_safe if known else False, reason)


def compat_flags(module: str) -> Compat | None:
    """What is known of a module, or of the nearest package above it; None: nothing is."""
    name = module
    while name:
        if name in _table:
            return _table[name]
        name = name.rpartition(".")[0]
    return None


def compat_list() -> list[Compat]:
    """Everything that was declared, by name."""
    return [_table[name] for name in sorted(_table)]


def why_no_subinterpreters() -> str | None:
    """Why this Python has no interpreters with a lock of their own; None: it has."""
    if sys.implementation.name != "cpython":
        return "only CPython has interpreters with a lock of their own"
    if sys.version_info < (3, 13):
        # 3.12 has them, but its asyncio leaves them with memory of another: the end crashes.
        return ("interpreters with a lock of their own and asyncio need CPython 3.13, this is "
                f"{sys.version_info.major}.{sys.version_info.minor}")
    return None


def subinterpreters_supported() -> bool:
    """Whether the dispatcher ``subinterpreters`` works here (CPython 3.13 and up)."""
    return why_no_subinterpreters() is None


def why_no_nogil() -> str | None:
    """Why threads of this Python do not run at the same time; None: they do."""
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "the dispatcher nogil needs a free-threaded build of CPython (3.13t or later)"
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        return "the lock is on in this free-threaded build: a module asked for it, or PYTHON_GIL=1"
    return None


def nogil_supported() -> bool:
    """Whether the dispatcher ``nogil`` works here (a free-threaded build)."""
    return why_no_nogil() is None


class _Gate:
    """A finder that finds nothing, and refuses what must not be imported."""

    def __init__(self, allow: Sequence[str] | None, deny: Sequence[str]) -> None:
        self._allow = None if allow is None else tuple(allow)
        self._deny = tuple(deny)

    @staticmethod
    def _below(name: str, modules: Iterable[str]) -> bool:
        return any(name == m or name.startswith(m + ".") for m in modules)

    def find_spec(self, name: str, path: object = None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        known = compat_flags(name)
        if known is not None and not known.subinterpreter_safe:
            raise InterpreterCompatError(
                f"{name} must not be imported in an interpreter of a pool: {known.notes}; use the "
                "dispatcher subprocess for actors that need it", name=name)
        if self._below(name, self._deny):
            raise InterpreterCompatError(f"{name} is on the dispatcher's list of modules that must "
                                         "not be imported", name=name)
        if (self._allow is not None and not self._below(name, self._allow)
                and name.partition(".")[0] not in sys.stdlib_module_names):
            raise InterpreterCompatError(f"{name} is not on the dispatcher's list of modules that "
                                         "may be imported", name=name)
        return None


def install(allow: Sequence[str] | None = None, deny: Sequence[str] = ()) -> None:
    """Puts the gate before all other finders of this interpreter, in place of one before."""
    sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, _Gate)]
    gate = _Gate(None if allow is None else (*allow, "odeon"), deny)
    sys.meta_path.insert(0, gate)


_NO_INTERPRETERS = "its C code keeps state for the whole process"
for _name in ("numpy", "scipy", "pandas", "torch", "tensorflow", "sklearn", "pyarrow", "cv2",
              "matplotlib", "lxml", "cryptography", "grpc", "pydantic_core", "orjson", "polars"):
    declare_compat(_name, False, False, _NO_INTERPRETERS)
declare_compat("numpy", False, True, _NO_INTERPRETERS)
for _name in ("readline", "_tkinter", "_curses"):
    declare_compat(_name, False, False, "there is one terminal or display for the whole process")
for _name in ("odeon", "asyncio", "json", "math", "hashlib", "zlib", "struct"):
    declare_compat(_name, True, True)
declare_compat("msgpack", True, False, "its pure Python part; the C part is refused by CPython")
declare_compat("pydantic", False, False, "it is built on pydantic_core")
del _name
