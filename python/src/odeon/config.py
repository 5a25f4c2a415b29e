"""Configuration: declared keys, read from a TOML file, the environment, and overrides, as in C++.

Example::

    from odeon import config

    settings = config.load("odeon.toml", overrides=["core.workers=4"])
    async with odeon.ActorSystem("app", config=settings) as system:
        print(system.config["core.ask_timeout"])     # seconds

``ActorSystem(config="odeon.toml")`` and ``ActorSystem(config={"core": {"workers": 4}})`` are short
for it. Options named in the call itself win over the configuration.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import _native
from .errors import ConfigError

__all__ = ["Configuration", "Entry", "Key", "load"]

PREFIX = "ODEON_"
_OVERRIDES = "command line"  # as the texts of C++ call them


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the program's own, declared.

    ``key`` is dotted, and one segment may be ``*`` for tables that the user names. ``type`` is
    "boolean", "integer", "floating", "duration" (text such as "250ms"; read as seconds), "size"
    (text such as "64KiB"; read as bytes), "string", "choice" or "string_list". ``default``,
    ``min`` and ``max`` are texts as an override would give them.
    """

    key: str
    type: str
    default: str
    sentence: str
    unit: str = ""
    min: str = ""
    max: str = ""
    choices: tuple[str, ...] = ()

    def _parts(self) -> tuple[Any, ...]:
        return (self.key, self.type, self.default, self.unit, self.sentence, self.min, self.max,
                self.choices)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of :meth:`Configuration.describe`; ``origin`` is "default", "odeon.toml:12",
    "environment ODEON_CORE__WORKERS" or "command line"."""

    key: str
    value: str
    default: str
    origin: str
    type: str
    sentence: str


class Configuration(Mapping[str, Any]):
    """The value of every declared key; immutable, and of any thread.

    ``config["core.workers"]`` is a bool, int, float, str or list of str; durations are seconds,
    sizes bytes. Iterating gives the keys that have a value.
    """

    def __init__(self, native: Any, given_as: str = _OVERRIDES) -> None:
        self._native = native
        self._given_as = given_as

    def __getitem__(self, key: str) -> Any:
        return _native._config_get(self._native, key)

    def __iter__(self) -> Iterator[str]:
        return (entry.key for entry in self.describe() if "*" not in entry.key)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def names(self, prefix: str) -> list[str]:
        """The tables that the user named under ``prefix``: ["db", "io"] for "dispatcher"."""
        return list(_native._config_names(self._native, prefix))

    def origin(self, key: str) -> str:
        """Where the value comes from; see :class:`Entry`. KeyError where there is no such key."""
        for entry in self.describe():
            if entry.key == key:
                return entry.origin
        raise KeyError(key)

    def describe(self) -> list[Entry]:
        """Every key with its value, default, origin and meaning, by key."""
        return [Entry(key, value, default,
                      self._given_as if origin == _OVERRIDES else origin, kind, sentence)
                for key, value, default, origin, kind, sentence
                in _native._config_describe(self._native)]

    def __repr__(self) -> str:
        return f"<Configuration of {len(self)} keys>"


def _text_of(value: Any, key: str) -> str:
    """A value as an override gives it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, str)):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    raise ConfigError(f"'{key}' has a value of {type(value).__qualname__}, which no key takes")


def _of_time(keys: tuple[Key, ...]) -> list[list[str]]:
    """The declared keys that are spans of time, in segments."""
    told = [(key, kind) for key, _, _, _, kind, _ in
            _native._config_describe(_native._config_load("", None, [], [], []))]
    told += [(key.key, key.type) for key in keys]
    return [key.split(".") for key, kind in told if kind.startswith(("a duration", "duration"))]


def _is_of_time(key: str, declared: list[list[str]]) -> bool:
    parts = key.split(".")
    return any(len(each) == len(parts)
               and all(a in ("*", b) for a, b in zip(each, parts, strict=True))
               for each in declared)


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        key = f"{before}{name}"
        if isinstance(value, Mapping):
            yield from _flat(value, key + ".")
        else:
            yield key, value


def load(file: str | os.PathLike[str] | None = None, *, toml: str | None = None,
         values: Mapping[str, Any] | None = None, overrides: Iterable[str] = (),
         environment: Mapping[str, str] | None = None, keys: Iterable[Key] = ()) -> Configuration:
    """Reads the sources in this order, later ones win: file, environment, values, overrides.

    ``toml`` is the file's text in hand, which ``file`` then only names in messages. ``values`` are
    nested tables, or dotted keys, in which numbers are good for spans too, as seconds;
    ``overrides`` are "key=value". ``environment`` is ``os.environ`` unless given:
    ``ODEON_CORE__WORKERS`` is ``core.workers``. ``keys`` are declared beside the runtime's own.

    Raises :class:`odeon.errors.ConfigError`, one line for each mistake, with file and line (or
    variable, or override), the key, and the nearest key there is; ``NotFound`` or ``IoFailed`` for
    a file that cannot be read.
    """
    source = os.environ if environment is None else environment
    variables = [(name, text) for name, text in source.items() if name.startswith(PREFIX)]
    own = tuple(keys)
    said = list(overrides)
    given = []
    spans = _of_time(own) if values else []
    for key, value in _flat(values or {}):
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        seconds = "s" if is_number and _is_of_time(key, spans) else ""
        given.append(f"{key}={_text_of(value, key)}{seconds}")
    given_as = "values" if given and not said else _OVERRIDES
    path = "" if file is None else os.fspath(file)
    try:
        return Configuration(
            _native._config_load(path or ("configuration" if toml is not None else ""), toml,
                                 variables, given + said, [key._parts() for key in own]), given_as)
    except ConfigError as e:
        raise ConfigError(str(e).replace(f"{_OVERRIDES}: ", f"{given_as}: ")) from None


def resolve(given: Any) -> Configuration:
    """What ``ActorSystem(config=…)`` takes: a Configuration, a path, tables, or None: the
    defaults."""
    if isinstance(given, Configuration):
        return given
    if given is None:
        return load(environment={})
    if isinstance(given, Mapping):
        return load(values=given)
    if isinstance(given, (str, os.PathLike)):
        return load(given)
    raise TypeError(f"config is a path, a dict or a Configuration, not {type(given).__qualname__}")
