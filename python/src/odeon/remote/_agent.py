"""What a node does for others that ask it: says which messages it knows, and makes actors."""

from __future__ import annotations

import json
import weakref
from dataclasses import dataclass
from typing import Any

from .. import _native, codecs
from ..actor import Actor, Props
from ..errors import NotFound, OdeonError, QuotaExceeded
from ..messages import Terminated
from .contracts import contract_of, hash_of

AGENT = "odeon.remote.agent"
SPAWNED_MAX = 10_000
"""Actors that other nodes have made here, alive at a time; one more is `QuotaExceeded`."""
CLAIMS_MAX = 4_096

Types = dict[str, type[Actor[Any]]]

registered: weakref.WeakKeyDictionary[Any, Types] = weakref.WeakKeyDictionary()
"""Of each system's present endpoint."""


@codecs.register(manifest="odeon.remote.spawn")
@dataclass
class Spawn:
    type: str
    name: str | None
    args: list[Any]


@codecs.register(manifest="odeon.remote.claims")
@dataclass
class Claims:
    """The messages that somebody wants to send, with the hashes of their contracts."""

    hashes: dict[str, str]


@codecs.register(manifest="odeon.remote.difference")
@dataclass
class Difference:
    manifest: str
    contract: str | None
    """As JSON; None: the message is not known."""


@codecs.register(manifest="odeon.remote.refusal")
@dataclass
class Refusal:
    """Why not: an error code of the runtime, and a sentence."""

    code: str
    text: str


class Agent(Actor[Spawn | Claims]):
    """One for each system that has had an endpoint. What others ask for never fails it."""

    def __init__(self) -> None:
        self._alive = 0

    def receive(self, msg: Spawn | Claims | Terminated, ctx: Any) -> Any:
        if isinstance(msg, Terminated):
            self._alive -= 1
            return None
        try:
            if isinstance(msg, Claims):
                return _differences(msg, ctx.system)
            return self._spawn(msg, ctx)
        except OdeonError as reason:
            return Refusal(reason.code, str(reason))
        except Exception as reason:
            return Refusal("spawn_failed", f"{type(reason).__name__}: {reason}")

    def _spawn(self, msg: Spawn, ctx: Any) -> Any:
        factory = registered.get(ctx.system, {}).get(msg.type)
        if factory is None:
            raise NotFound(f"no actor type is registered as {msg.type!r} for others to spawn")
        if self._alive >= SPAWNED_MAX:
            raise QuotaExceeded(
                f"{SPAWNED_MAX} actors that other nodes made are alive here already")
        made = ctx.system.spawn(Props(factory, *msg.args), name=msg.name)
        self._alive += 1
        ctx.watch(made)
        return made


def _differences(claims: Claims, system: Any) -> list[Difference]:
    """Those messages that are not known here, or have another form. Those of C++ were looked at
    when the actor was found."""
    if len(claims.hashes) > CLAIMS_MAX:
        raise QuotaExceeded(f"more than {CLAIMS_MAX} messages are asked about")
    found = []
    for manifest, theirs in claims.hashes.items():
        cls = codecs.default._names.get(manifest)
        if _native._message_is_typed(system, manifest):
            continue
        if cls is None:
            found.append(Difference(manifest, None))
            continue
        contract = contract_of(cls)
        if hash_of(contract) != theirs:
            found.append(Difference(manifest, json.dumps(contract)))
    return found
