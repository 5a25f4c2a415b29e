"""An actor system's place among others."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .. import _native, codecs
from .._closing import Closing
from .._native import ActorRef
from ..actor import Actor
from ..errors import (
    IncompatiblePeer,
    NameTaken,
    NoSuchActor,
    OdeonError,
    UnknownManifest,
    from_code,
)
from ..system import ActorSystem
from . import _agent
from ._agent import SPAWNED_MAX
from .contracts import bridge, contract_of, hash_of, messages_of
from .metrics import EndpointMetrics, read_metrics
from .relay import RelayTransport

if TYPE_CHECKING:
    from ..federation import Federation

__all__ = ["SPAWNED_MAX", "Endpoint", "PeerInfo", "Tls"]

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """What another node has said of itself when it was first met."""

    system: str
    """The name of its actor system."""
    node: str
    """How it is reached: ``"10.0.0.7:7400"``; empty when it cannot be."""
    incarnation: int
    """Of its endpoint: another one after a restart."""
    identity: str
    """The name in its certificate; empty without TLS."""
    version: str
    """Of Odeon."""
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Tls:
    """By what both sides know each other: PEM, or files with it. ``odeon cert`` makes them, and so
    do :func:`make_ca` and :func:`make_node_certificate`."""

    certificate: str | Path
    """Of this node, with what leads to the authority."""
    key: str | Path
    authority: str | Path
    """Who signs the nodes' certificates."""


def _line(key: str, value: object) -> str:
    """One option as a configuration has it."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, float) and key != "phi_threshold":
        text = f"{round(value * 1_000_000)}us"
    else:
        text = str(value)
    return f"remote.{key}={text}"


def _manifests(wanted: tuple[type, ...]) -> list[str] | None:
    return [codecs.default.manifest_of(one) for one in wanted] or None


def _granted(answer: Any, node: str) -> Any:
    """What another node's agent gave; raises its refusal."""
    if isinstance(answer, _agent.Refusal):
        raise from_code(answer.code, f"{answer.text} [at {node}]")
    return answer


def _node_of(ref: ActorRef[Any]) -> str:
    """Of ``odeon://system@node/user/…``; empty for an actor of this process."""
    _, at, rest = ref.path.partition("@")
    return rest.partition("/")[0] if at and ref.path.startswith("odeon://") else ""


class Endpoint(_native.Endpoint, Closing):
    """An actor system's place among others.

    ``Endpoint(system, listen="tcp://0.0.0.0:7400", advertise="10.0.0.5:7400", secret=...)``

    :param listen: where others connect: ``tcp://host:port`` (port 0: a free one),
        ``unix:///path``, ``ws://``, ``wss://``; with a relay ``name:port``. Empty: only outward.
    :param advertise: how others reach this node; needed when it listens on all addresses.
    :param secret: at least 16 bytes that all nodes share. Each side proves it, and every frame is
        protected against change and replay; nothing is encrypted.
    :param tls: certificates instead of a secret; everything is encrypted.
    :param insecure: without either, lets a network beyond this machine be used as it is.
    :param transport: the way through a relay.
    :param compress: larger payloads are compressed when the peer can expand them.
    :param tags: told to every peer.
    :param limits: the keys of ``remote.*`` in the configuration reference, without the prefix; a
        float is a time in seconds: ``{"silent_after": 2.0, "queue_bytes": "64MiB"}``.

    Raises ValueError for options that cannot be meant, `NameTaken` when the system has an endpoint
    already, and what the operating system says of the address.

    Closed by ``close``, by the end of ``with`` or ``async with``, and at the end of its system. All
    methods may be called from any thread of the interpreter.
    """

    _types: dict[str, type[Actor[Any]]]
    _system: ActorSystem
    _federation: Federation | None

    def __new__(
        cls,
        system: ActorSystem,
        *,
        listen: str = "",
        advertise: str = "",
        secret: str | None = None,
        tls: Tls | None = None,
        insecure: bool = False,
        transport: RelayTransport | None = None,
        compress: bool = False,
        tags: Mapping[str, str] | None = None,
        limits: Mapping[str, str | int | float] | None = None,
    ) -> Endpoint:
        if secret is not None and tls is not None:
            raise ValueError("an endpoint has a secret or certificates, not both")
        keys: dict[str, object] = {
            "advertise": advertise,
            "insecure": insecure,
            "compress": compress,
        }
        if tags:
            keys["tags"] = ",".join(f"{name}={value}" for name, value in tags.items())
        keys |= limits or {}
        lines = [_line(k, v) for k, v in keys.items() if v != ""]
        security = secret if tls is None else tuple(map(str, (tls.certificate, tls.key,
                                                              tls.authority)))
        made = super().__new__(cls, system, listen, lines, security, transport, SPAWNED_MAX)
        made._types = {}
        made._system = system
        made._federation = None
        _agent.registered[system] = made._types
        try:
            system.spawn(_agent.Agent, name=_agent.AGENT)
        except NameTaken:
            pass  # that of an earlier endpoint
        return made

    @overload
    async def resolve(
        self, address: str, contract: type[Actor[M]], *, timeout: float | None = None
    ) -> ActorRef[M]: ...
    @overload
    async def resolve(
        self, address: str, contract: type | tuple[type, ...] | None = None, *,
        timeout: float | None = None,
    ) -> ActorRef[Any]: ...
    async def resolve(
        self, address: str, contract: type | tuple[type, ...] | None = None, *,
        timeout: float | None = None,
    ) -> ActorRef[Any]:
        """The reference at ``odeon://system@host:port/user/path``.

        ``contract`` is a class of actors, for all messages it declares (``Actor[Deposit |
        Balance]``), or the classes of messages that are going to be sent. They are compared with
        what the other node knows. Without it, a message that is not known there is told when it is
        sent: it is a dead letter there, and fails its ask.

        ``timeout`` in seconds, by default the system's for asks. Raises `NoSuchActor`, `Stale` (the
        address is of an earlier actor), `UnknownManifest`, `WrongType` and `ContractChanged` for
        the contract; `UnknownHost`, `ConnectionRefused`, `ConnectTimeout`, `Unreachable`,
        `AuthenticationFailed`, `BadCertificate`, `ExpiredCertificate`, `IncompatiblePeer` or
        `AskTimeout`, with the node's address in the text.
        """
        wanted = messages_of(contract) if contract is not None else ()
        found = await super()._resolve(address, timeout, _manifests(wanted))
        return await self._checked(found, wanted, timeout)

    @overload
    async def lookup(
        self, node: str, name: str, contract: type[Actor[M]], *, timeout: float | None = None
    ) -> ActorRef[M]: ...
    @overload
    async def lookup(
        self, node: str, name: str, contract: type | tuple[type, ...] | None = None, *,
        timeout: float | None = None,
    ) -> ActorRef[Any]: ...
    async def lookup(
        self, node: str, name: str, contract: type | tuple[type, ...] | None = None, *,
        timeout: float | None = None,
    ) -> ActorRef[Any]:
        """The same by node and name: ``await net.lookup("10.0.0.7:7400", "greeter")``."""
        wanted = messages_of(contract) if contract is not None else ()
        found = await super()._lookup(node, name, timeout, _manifests(wanted))
        return await self._checked(found, wanted, timeout)

    async def _checked(
        self, found: ActorRef[Any], wanted: tuple[type, ...], timeout: float | None
    ) -> ActorRef[Any]:
        """Messages of Python have their contracts compared by Python, on nodes that have it."""
        node = _node_of(found)
        if not wanted or not node:
            return found
        try:
            agent = await super()._lookup(node, _agent.AGENT, timeout)
        except NoSuchActor:
            return found  # a node of C++ has looked at what it has
        ours = {c["manifest"]: c for c in map(contract_of, wanted)}
        claims = _agent.Claims({name: hash_of(one) for name, one in ours.items()})
        answer = _granted(await agent.ask(claims, timeout=timeout), node)
        try:
            for different in answer:
                one = ours[different.manifest]
                if different.contract is None:
                    raise UnknownManifest(
                        f"{found.path}: no message is known by the name {different.manifest!r} at "
                        f"{node}: register its class (codecs.register) there")
                bridge(one, json.loads(different.contract), found.path)
        except OdeonError:
            raise
        except Exception as strange:  # whatever the other side made up
            raise IncompatiblePeer(
                f"{node} does not describe its messages as this version of Odeon does: use the "
                f"same one on both sides ({type(strange).__name__})") from None
        return found

    def peers(self) -> list[PeerInfo]:
        """The nodes that were met, the present and the last known."""
        return [PeerInfo(*p) for p in super()._peers()]

    def metrics(self) -> EndpointMetrics:
        """Associations, queues, traffic and refusals, of this endpoint and by peer.

        Of events, :mod:`odeon.events` has `PeerUp`, `PeerDown`, `PeerGone`, `PeerRejected` and
        `PeerOverloaded`, for ``system.events.subscribe``.
        """
        return read_metrics(super()._metrics(), time.monotonic())

    def drop(self, node: str, *, quarantine: bool = False) -> None:
        """Ends the association with a node: until somebody needs it, or, with ``quarantine``, with
        that incarnation for ever, whose actors count as unreachable."""
        super()._drop(node, quarantine)

    # -- making actors elsewhere -------------------------------------------------------------------

    def register(self, name: str, factory: type[Actor[Any]]) -> None:
        """Lets other nodes make actors of the class ``factory`` here, under that name.

        Only what is registered can be made. Whoever passes the handshake may do so, `SPAWNED_MAX`
        actors at a time. Raises `NameTaken`, a ValueError, when the name is taken.
        """
        if not isinstance(factory, type):
            raise TypeError(f"{factory!r} is no class of actors")
        if name in self._types:
            raise NameTaken(f"the type {name!r} is registered already")
        super()._register(name, factory)
        self._types[name] = factory

    async def spawn_at(
        self,
        node: str,
        type: str,
        *args: Any,
        name: str | None = None,
        timeout: float | None = None,
    ) -> ActorRef[Any]:
        """Makes an actor of a type that a program on ``node``, in Python or C++, has registered.

        ``args`` are encoded as messages are; for C++ they are numbers, texts, lists and dicts.
        Raises `NotFound` when there is no such type there, `Refused` when that node does not permit
        it, `NameTaken`, `QuotaExceeded`, and `SpawnFailed` for what its constructor raised.
        """
        try:
            agent = await super()._lookup(node, _agent.AGENT, timeout)
        except NoSuchActor:
            return await super()._spawn_at(node, type, name or "", list(args), timeout)
        asked = agent.ask(_agent.Spawn(type, name, list(args)), timeout=timeout)
        made = _granted(await asked, node)
        if isinstance(made, ActorRef):
            return made
        raise IncompatiblePeer(f"{node} gave something else than an actor for {type!r}: use the "
                               "same version of Odeon on both sides")

    # -- the end -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Leaves the federation, says goodbye to all peers, and blocks until that is done: a second
        at most for the goodbye."""
        federation, self._federation = self._federation, None
        if federation is not None:
            federation.close()
        super().close()
