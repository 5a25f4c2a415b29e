"""Whether two nodes mean the same by a message.

A contract is what a class of messages says of its form: its version, and for each field how it
travels and whether it may be missing. Its hash is compared first; where hashes differ, the side
that wants to send decides whether readers over there can bridge the difference.
"""

from __future__ import annotations

import hashlib
import json
import types
import typing
from typing import Any

from .. import _codec_plans as plans
from .. import codecs
from ..actor import Actor
from ..errors import ContractChanged

__all__ = ["bridge", "contract_of", "hash_of", "messages_of"]

DEPTH_MAX = 16

Contract = dict[str, Any]


def messages_of(what: type | tuple[type, ...]) -> tuple[type, ...]:
    """The classes of messages that a class of actors declares, or those given themselves.

    Of ``class Bank(Actor[Deposit | Balance])`` both, and those of ``@odeon.on(…)``. What has no
    manifest of its own (numbers, texts, lists) is left out.
    """
    if isinstance(what, tuple):
        found = list(what)
    elif _is_actor(what):
        found = _declared(what)
    else:
        found = [what]
    known = [one for one in dict.fromkeys(found) if plans.is_describable(one)
             or one in codecs.default._manifests]
    if isinstance(what, tuple) and len(known) < len(set(found)):
        strange = next(one for one in found if one not in known)
        raise TypeError(f"{strange!r} is no class of messages")
    return tuple(known)


def _is_actor(cls: type) -> bool:
    return issubclass(cls, Actor) or hasattr(cls, "receive")


def _declared(cls: type) -> list[type]:
    found: list[type] = []
    for base in cls.__mro__:
        for generic in base.__dict__.get("__orig_bases__", ()):
            origin = typing.get_origin(generic)
            if isinstance(origin, type) and issubclass(origin, Actor):
                for one in typing.get_args(generic):
                    found += _alternatives(one)
    for name in dir(cls):
        found += getattr(getattr(cls, name, None), "__odeon_on__", ())
    return found


def _alternatives(annotation: Any) -> list[type]:
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return [found for one in typing.get_args(annotation) for found in _alternatives(one)]
    return [annotation] if isinstance(annotation, type) else []


def contract_of(cls: type) -> Contract:
    """The form of a class of messages, and of what is in it, as JSON has it."""
    codec = codecs.default
    types_in: dict[str, Any] = {}
    _describe(cls, codec, types_in, 0)
    return {"manifest": codec.manifest_of(cls), "types": types_in}


def _describe(cls: type, codec: codecs.Codec, into: dict[str, Any], depth: int) -> None:
    name = codec.manifest_of(cls)
    if name in into or depth > DEPTH_MAX:
        return
    version = cls.__dict__.get("__version__", 1)
    one: dict[str, Any] = {"version": version if isinstance(version, int) else 1}
    into[name] = one
    if version > 1 and hasattr(cls, "upcast"):
        one["upcasts"] = True
    told = plans.describe(cls, codec)
    if told is None or told["kind"] == "converted":
        one["form"] = "converted"
    elif told["kind"] == "enum":
        one["form"] = "enum"
        one["values"] = sorted(map(str, told["by_value"] or told["by_name"]))
    else:
        one["form"] = "record"
        lenient = told["maker"] in ("keywords", "mapping")  # the class itself knows its defaults
        one["fields"] = {
            field: {"is": _text(kind, codec, into, depth),
                    "optional": bool(lenient or has_default or factory is not None)}
            for field, kind, has_default, _, factory in told["fields"]}


def _text(kind: Any, codec: codecs.Codec, into: dict[str, Any], depth: int) -> str:
    """How a place is written: "int", "list of shop.line"."""
    if isinstance(kind, str):
        return kind
    name, *inner = kind
    if name == "object":
        _describe(inner[0], codec, into, depth + 1)
        return codec.manifest_of(inner[0])
    if name == "converted":
        return _text(inner[2], codec, into, depth)
    if name == "union":
        return " or ".join(labels[0] for labels, _, _ in inner)
    return f"{name} of {', '.join(_text(one, codec, into, depth) for one in inner)}"


def hash_of(contract: Contract) -> str:
    """64 bits, hexadecimal: equal for contracts that are."""
    text = json.dumps(contract, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def bridge(ours: Contract, theirs: Contract, who: str) -> None:
    """Raises `ContractChanged` when what this side writes is not what the other one reads; ``who``
    is the actor, with its address."""
    for name in ours["types"]:
        if name not in theirs["types"]:
            continue  # where it is used, the field's own form says so
        why = _difference(ours["types"][name], theirs["types"][name])
        if why:
            here, there = hash_of(ours), hash_of(theirs)
            changed = ContractChanged(
                f"{who}: {ours['manifest']}{'' if name == ours['manifest'] else ', ' + name}{why}; "
                f"the contract is {here} here and {there} there: upgrade the readers of the "
                "message first")
            changed.manifest = ours["manifest"]
            changed.ours, changed.theirs = here, there
            raise changed


def _difference(writer: dict[str, Any], reader: dict[str, Any]) -> str | None:
    if writer["version"] > reader["version"]:
        return (f": this side writes version {writer['version']}, and the other one reads up to "
                f"{reader['version']}")
    if writer["version"] < reader["version"]:
        return None if reader.get("upcasts") else (
            f": this side writes version {writer['version']}, and the other one reads "
            f"{reader['version']} alone")
    if "converted" in (writer["form"], reader["form"]):
        return None
    if writer["form"] != reader["form"]:
        return f": it is a {writer['form']} here and a {reader['form']} there"
    if writer["form"] == "enum":
        missing = sorted(set(writer["values"]) - set(reader["values"]))
        return f": the value {missing[0]} is not known there" if missing else None
    for field, read in reader["fields"].items():
        written = writer["fields"].get(field)
        if written is None:
            if not read["optional"]:
                return f", field {field}: it must be there, and this side does not know it"
        elif not _fits(written["is"], read["is"]):
            return f", field {field}: it is {written['is']} here and {read['is']} there"
    return None


def _fits(written: str, read: str) -> bool:
    return (written == read or "any" in (written, read) or (written, read) == ("int", "float")
            or read == f"optional of {written}")
