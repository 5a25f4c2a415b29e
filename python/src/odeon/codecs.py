"""How messages become bytes, and bytes messages.

A message goes to an actor of its own interpreter as it is. To any other place – another
interpreter, a worker process, another node, a journal – it goes as bytes: its *manifest* (what its
class is known by), a version, and a payload of MessagePack that C++ reads into a struct that is
registered under the same manifest. `docs/guide/python-codecs.md` has the rules.

    >>> from dataclasses import dataclass
    >>> from odeon import codecs
    >>> @dataclass
    ... class Deposit:
    ...     __manifest__ = "bank.deposit"
    ...     account: str
    ...     cents: int = 0
    >>> sent = codecs.encode(Deposit("a-1", 100))
    >>> sent.manifest
    'bank.deposit'
    >>> codecs.decode(sent)
    Deposit(account='a-1', cents=100)

Dataclasses, enums, named tuples, attrs classes, msgspec structs and pydantic models need nothing.
A name that arrives is looked up among the classes that were registered here or encoded before; it
is never imported unless the caller allows that.
"""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from . import _codec_builtin as builtin
from . import _codec_plans as plans
from ._codec_plans import Label
from .errors import DecodingError, EncodingError, NameTaken, OdeonError

__all__ = [
    "ALLOW_IMPORT", "ALLOW_PICKLE", "BUFFERS_BESIDE", "Codec", "Encoded", "ForeignError", "Label",
    "Limits", "decode", "default", "encode", "register", "register_codec", "set_reference_type",
]

_native: Any = importlib.import_module("odeon._native")

ALLOW_PICKLE = 1  #: values without a codec travel as pickles; the reader must allow it as well
ALLOW_IMPORT = 2  #: a manifest that is not known is imported as a class path
BUFFERS_BESIDE = 4  #: buffers of 4 KiB and more go into `Encoded.buffers`, not into the payload

T = TypeVar("T")


class ForeignError(OdeonError):
    """An exception that arrived and whose class this program does not know."""

    def __init__(self, class_path: str, args: Sequence[Any] = ()) -> None:
        super().__init__(f"{class_path}: {', '.join(map(str, args))}" if args else class_path)
        self.class_path = class_path  #: `module.qualname` where it was raised
        self.original_args = tuple(args)


@dataclass(slots=True)
class Encoded:
    """A message as bytes. `buffers` go with it, in their order, and are not copied."""

    manifest: str
    version: int
    payload: bytes
    buffers: Sequence[Any] | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What decoding accepts at most; the same bounds, and defaults, as in C++."""

    max_bytes: int = 64 << 20  #: of a payload
    max_depth: int = 64  #: of values in each other, 1 to 512; encoding keeps to it as well
    max_items: int = 16 << 20  #: elements and members of everything together
    max_string: int = 16 << 20  #: bytes of one text, or of one run of bytes
    max_memory: int = 512 << 20  #: bytes of the objects made, roughly


class Codec:
    """Tables of classes, their manifests and how they are written.

    A program has :data:`default`; a system may have its own, which falls back to `parent`. All
    methods may be called from any thread of the interpreter that made the codec; registering is
    serialised, encoding and decoding are not.
    """

    def __init__(self, parent: Codec | None = None, *, limits: Limits | None = None) -> None:
        self._lock = threading.RLock()
        self._parent = parent
        self._manifests: dict[type, str] = {}
        self._names: dict[str, type] = {}
        self._exceptions: dict[str, type[BaseException]] = {}
        self._reference: type | None = None
        self._json: bool = parent is not None and parent._json
        self.native: Any = _native.new_codec()
        self.native.configure(
            encoding_error=EncodingError, decoding_error=DecodingError, describe=self._describe,
            resolve=self._resolve, exception_out=self._exception_out,
            exception_in=self._exception_in, pickle_out=builtin.pickle_out,
            pickle_in=builtin.pickle_in)
        self.set_limits(limits or Limits())
        if parent is not None:
            hooks = parent._reference_hooks
            self._reference_hooks: tuple[Any, ...] | None = None
            if hooks is not None:
                self.set_reference_type(*hooks)
        else:
            self._reference_hooks = None
            for cls, encode, decode in builtin.CLASSES:
                self.register(cls, encode=encode, decode=decode)

    # -- what users call ---------------------------------------------------------------------

    def encode(self, value: Any, flags: int = 0) -> Encoded:
        """`value` as bytes. Raises :class:`EncodingError`, which names the place inside it."""
        return Encoded(*self.native.encode(value, flags))

    def decode(self, encoded: Encoded, flags: int = 0) -> Any:
        """The value. Raises :class:`DecodingError`, which names offset and field."""
        return self.native.decode(encoded.manifest, encoded.version, encoded.payload,
                                  encoded.buffers, flags)

    def register(
        self, cls: type[T] | None = None, *, manifest: str | None = None,
        version: int | None = None, aliases: Iterable[str] = (),
        upcast: Callable[..., Any] | None = None, encode: Callable[[T], Any] | None = None,
        decode: Callable[[Any], T] | None = None, through: Any = Any, strict: bool = False,
        force: bool = False,
    ) -> Any:
        """Makes a class known under its manifest; also a decorator, with or without arguments.

        `manifest` and `version` default to the class's `__manifest__` and `__version__`, else to
        `module.qualname` and 1. Values are read under `aliases` as well. `upcast` takes a value of
        an older version: of the class that its parameter is annotated with, else the dict of its
        fields, and returns the present one (a dict stands for its fields). `encode` and `decode`
        convert from and to something that can travel, of type `through`. `strict` checks that an
        import of `module.qualname` gives this class, which other processes need.

        Raises :class:`NameTaken` when another class has the manifest, unless `force`; TypeError
        when nothing tells how the class travels; ValueError when `strict` fails.
        """
        if cls is None:
            return lambda given: self.register(
                given, manifest=manifest, version=version, aliases=aliases, upcast=upcast,
                encode=encode, decode=decode, through=through, strict=strict, force=force)
        if strict:
            self._check_import(f"{cls.__module__}.{cls.__qualname__}", cls)
        with self._lock:
            name = manifest or self.manifest_of(cls)
            if issubclass(cls, BaseException) and encode is None and not plans.is_describable(cls):
                self._exceptions[name] = cls
                return cls
            if (encode is None) != (decode is None):
                raise TypeError("encode and decode come together")
            described: dict[str, Any] | None
            if encode is not None:
                described = {"kind": "converted", "encode": encode, "decode": decode,
                             "through": plans.kind_of(through, self)}
            else:
                described = plans.describe(cls, self)
            if described is None:
                raise TypeError(f"{cls.__qualname__} does not say how it travels: make it a "
                                "dataclass, or give encode and decode")
            self._add(cls, name, version, aliases, upcast, described, force)
        return cls

    def register_codec(
        self, name: str, encoder: Callable[[Any], bytes], decoder: Callable[[str, bytes], Any],
        manifests: Iterable[str], *, force: bool = False, strict: bool = True,
    ) -> None:
        """Lets one codec (`name`, for messages) write all classes of these class paths.

        `encoder(value)` gives bytes, `decoder(manifest, bytes)` the value. With `strict` each path
        must be importable, else ValueError; without, one that is not is left out with a warning.
        """
        for manifest in manifests:
            try:
                cls = builtin.import_class(manifest)
            except (ImportError, AttributeError, TypeError) as reason:
                if strict:
                    raise ValueError(f"codec {name}: {manifest} is no class: {reason}") from None
                warnings.warn(f"codec {name}: {manifest} is left out: {reason}", stacklevel=2)
                continue

            def decode(data: bytes, manifest: str = manifest) -> Any:
                return decoder(manifest, data)

            self.register(cls, manifest=manifest, encode=encoder, decode=decode, through=bytes,
                          force=force)

    def use_json_codec(self, default: bool = True) -> None:
        """Lets objects of every other class travel as JSON text of their attributes.

        For classes with a `__dict__` that say nothing of how they travel. `False` takes it back,
        for classes that were not met before. Their attributes must be what JSON has; tuples arrive
        as lists.
        """
        self._json = default

    def set_reference_type(self, cls: type, to_text: Callable[[Any], str],
                           from_text: Callable[[str], Any]) -> None:
        """Says how references to actors travel. For the runtime."""
        self._reference = cls
        self._reference_hooks = (cls, to_text, from_text)
        self.native.configure(ref_type=cls, ref_out=to_text, ref_in=from_text)

    def set_limits(self, limits: Limits) -> None:
        """Replaces the bounds of decoding."""
        self.limits = limits
        self.native.configure(**{one.name: getattr(limits, one.name) for one in fields(limits)})

    # -- what descriptions ask ---------------------------------------------------------------

    def manifest_of(self, cls: type) -> str:
        """The name that values of the class are written under."""
        known = self._manifests.get(cls)
        if known is None and self._parent is not None:
            known = self._parent._manifests.get(cls)
        if known is not None:
            return known
        declared = cls.__dict__.get("__manifest__")
        return declared if isinstance(declared, str) else f"{cls.__module__}.{cls.__qualname__}"

    def knows(self, cls: type) -> bool:
        """True when there is a way for the class, registered or of its own."""
        known = cls in self._manifests or plans.is_describable(cls) or builtin.is_numpy(cls)
        known = known or (self._json and builtin.has_attributes(cls))
        return known or (self._parent is not None and self._parent.knows(cls))

    def is_reference(self, cls: type) -> bool:
        """True for the class of actor references."""
        return self._reference is not None and issubclass(cls, self._reference)

    # -- hooks of the native codec -----------------------------------------------------------

    def _describe(self, cls: type, flags: int) -> Any:
        with self._lock:
            known = self.native.find(cls)
            if known is not None:
                return known
            if self._parent is not None and cls in self._parent._manifests:
                inherited = self._parent.native.find(cls)
                self.native.add(inherited, (inherited.manifest,))
                self._remember(cls, inherited.manifest, force=True)
                return inherited
            described = builtin.describe_numpy(cls) or plans.describe(cls, self)
            if described is None and self._json and builtin.has_attributes(cls):
                described = builtin.describe_as_json(cls)
            if described is None:
                return None
            self._add(cls, self.manifest_of(cls), None, (), None, described, False)
            return self.native.find(cls)

    def _resolve(self, manifest: str, flags: int) -> Any:
        with self._lock:
            cls = self._names.get(manifest)
            if cls is None and self._parent is not None:
                cls = self._parent._names.get(manifest)
            if cls is None and manifest.startswith("numpy."):
                cls = builtin.numpy_class(manifest)
            if cls is None and flags & ALLOW_IMPORT:
                found = builtin.import_class(manifest)
                cls = found if self.knows(found) else None
            if cls is None:
                return None
            plan = self._describe(cls, flags)
            if plan is not None and self.native.find(manifest) is None:
                self.native.add(plan, (manifest,))
            return plan

    def _exception_out(self, error: BaseException) -> list[Any]:
        cls = type(error)
        name = next((n for n, c in self._exceptions.items() if c is cls), None)
        return [name or f"{cls.__module__}.{cls.__qualname__}", list(error.args),
                list(getattr(error, "__notes__", ()))]

    def _exception_in(self, parts: Any, flags: int) -> BaseException:
        path, args, notes = parts
        cls = self._exceptions.get(path) or builtin.exception_class(path)
        if cls is None and self._parent is not None:
            cls = self._parent._exceptions.get(path)
        if cls is None and flags & ALLOW_IMPORT:
            try:
                found = builtin.import_class(path)
            except (ImportError, AttributeError, TypeError):
                found = object
            cls = found if issubclass(found, BaseException) else None
        made: BaseException
        if cls is None:
            made = ForeignError(str(path), tuple(args))
        else:
            made = cls.__new__(cls, *args)
            made.args = tuple(args)
        for note in notes:
            made.add_note(str(note))
        return made

    # -- tables ------------------------------------------------------------------------------

    def _remember(self, cls: type, manifest: str, force: bool) -> None:
        other = self._names.get(manifest)
        if other is not None and other is not cls and not force:
            again = (other.__module__, other.__qualname__) == (cls.__module__, cls.__qualname__)
            if not again:  # a class that was defined anew takes the place of the former one
                raise NameTaken(f"the manifest {manifest!r} is that of "
                                f"{other.__module__}.{other.__qualname__} already")
        self._names[manifest] = cls
        self._manifests[cls] = manifest

    def _add(self, cls: type, manifest: str, version: int | None, aliases: Iterable[str],
             upcast: Callable[..., Any] | None, described: dict[str, Any], force: bool) -> None:
        self._remember(cls, manifest, force)
        if version is None:
            version = cls.__dict__.get("__version__", 1)
            version = version if isinstance(version, int) else 1
        if upcast is None and version > 1:
            upcast = getattr(cls, "upcast", None)
        step = None if upcast is None else self._step(cls, upcast, version)
        plan = self.native.plan({**described, "type": cls, "manifest": manifest,
                                 "version": version, "upcast": step})
        self.native.add(plan, (manifest, *aliases))

    def _step(self, cls: type, upcast: Callable[..., Any],
              version: int) -> Callable[[int], tuple[Any, Callable[[Any], Any]] | None]:
        """version -> how to read it (a plan, or None for a dict) and what to make of that."""
        def finish(old: Any) -> Any:
            made = upcast(old)
            return cls(**made) if isinstance(made, dict) else made

        before = builtin.parameter_class(upcast)
        if before is None or not plans.is_describable(before):
            return lambda found: (None, finish) if found < version else None
        described = plans.describe(before, self)
        old_version = before.__dict__.get("__version__", 1)
        earlier = getattr(before, "upcast", None) if old_version > 1 else None
        further = None if earlier is None else self._step(before, earlier, old_version)
        plan = self.native.plan({**(described or {}), "type": before,
                                 "manifest": self.manifest_of(before), "version": old_version,
                                 "upcast": None})

        def way(found: int) -> tuple[Any, Callable[[Any], Any]] | None:
            if found == old_version:
                return plan, finish
            longer = None if further is None else further(found)
            if longer is None:
                return None
            start, first = longer
            return start, lambda old: finish(first(old))

        return way

    @staticmethod
    def _check_import(path: str, cls: type) -> None:
        try:
            found: object = builtin.import_class(path)
        except (ImportError, AttributeError, TypeError) as reason:
            raise ValueError(f"{path} cannot be imported elsewhere: {reason}") from None
        if found is not cls or path.startswith("__main__."):
            raise ValueError(f"an import of {path} elsewhere does not give this class")


#: The codec of the interpreter, which systems use unless they are given another.
default = Codec()
encode = default.encode
decode = default.decode
register = default.register
register_codec = default.register_codec
set_reference_type = default.set_reference_type
