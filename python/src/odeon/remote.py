"""Actors on other machines: one ``ActorRef``, near or far.

Example::

    from dataclasses import dataclass
    import odeon
    from odeon import codecs, remote

    @codecs.register
    @dataclass
    class Greet:
        name: str

    async def serve(system: odeon.ActorSystem) -> None:
        net = remote.Endpoint(system, listen="tcp://127.0.0.1:7400")
        system.spawn(Greeter, name="greeter")

    async def call(system: odeon.ActorSystem) -> None:
        async with remote.Endpoint(system) as net:
            greeter = await net.resolve("odeon://app@127.0.0.1:7400/user/greeter")
            print(await greeter.ask(Greet("Alice"), timeout=1.0))

A far reference is told, asked, watched, linked and stopped like any other. What is different: a
message is encoded when it is sent (`EncodingError` is raised there), it may be lost with the
connection, and an ask then fails with `Unreachable`. Classes of messages must be known on both
sides (`odeon.codecs.register`): names that arrive are looked up, never imported, and pickles are
neither sent nor read. The guide "Python: other machines" has the whole of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from . import _native, codecs
from ._native import ActorRef
from .actor import Actor, Props
from .errors import OdeonError, Refused
from .messages import Terminated
from .system import ActorSystem

__all__ = ["Endpoint", "PeerInfo", "Tls"]

SPAWNED_MAX = 10_000
"""Actors that other nodes have made here, alive at a time; one more is `Refused`."""

_SPAWNER = "odeon.remote.spawner"


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
    """The files, in PEM, by which both sides know each other; ``odeon cert`` makes them."""

    certificate: str | Path
    """Of this node, with what leads to the authority."""
    key: str | Path
    authority: str | Path
    """Who signs the nodes' certificates."""


@codecs.register(manifest="odeon.remote.spawn")
@dataclass
class _Spawn:
    type: str
    name: str | None
    args: list[Any]


class _Spawner(Actor[_Spawn]):
    """Makes actors of registered types for other nodes."""

    def __init__(self, types: dict[str, type[Actor[Any]]]) -> None:
        self._types = types
        self._alive = 0

    def receive(self, msg: _Spawn | Terminated, ctx: Any) -> Any:
        if isinstance(msg, Terminated):
            self._alive -= 1
            return None
        factory = self._types.get(msg.type)
        if factory is None:
            raise Refused(f"this node has registered no type {msg.type!r} for others to spawn")
        if self._alive >= SPAWNED_MAX:
            raise Refused(f"{SPAWNED_MAX} actors that other nodes made are alive here already")
        made = ctx.system.spawn(Props(factory, *msg.args), name=msg.name)
        self._alive += 1
        ctx.watch(made)
        return made


def _line(key: str, value: object) -> str:
    """One option as a configuration has it."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, float) and key != "phi_threshold":
        text = f"{round(value * 1_000_000)}us"
    else:
        text = str(value)
    return f"remote.{key}={text}"


class Endpoint(_native.Endpoint):
    """An actor system's place among others.

    ``Endpoint(system, listen="tcp://0.0.0.0:7400", advertise="10.0.0.5:7400", secret=...)``

    :param listen: where others connect: ``tcp://host:port`` (port 0: a free one),
        ``unix:///path``, ``ws://``, ``wss://``. Empty: only outward.
    :param advertise: how others reach this node; needed when it listens on all addresses.
    :param secret: at least 16 bytes that all nodes share. Each side proves it, and every frame is
        protected against change and replay; nothing is encrypted.
    :param tls: certificates instead of a secret; everything is encrypted.
    :param insecure: without either, lets a network beyond this machine be used as it is.
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

    def __new__(
        cls,
        system: ActorSystem,
        *,
        listen: str = "",
        advertise: str = "",
        secret: str | None = None,
        tls: Tls | None = None,
        insecure: bool = False,
        compress: bool = False,
        tags: Mapping[str, str] | None = None,
        limits: Mapping[str, str | int | float] | None = None,
    ) -> Endpoint:
        if secret is not None and tls is not None:
            raise ValueError("an endpoint has a secret or certificates, not both")
        keys: dict[str, object] = {
            "listen": listen,
            "advertise": advertise,
            "insecure": insecure,
            "compress": compress,
        }
        if tls is not None:
            keys |= {
                "security": "tls",
                "certificate": tls.certificate,
                "key": tls.key,
                "authority": tls.authority,
            }
        if tags:
            keys["tags"] = ",".join(f"{name}={value}" for name, value in tags.items())
        keys |= limits or {}
        lines = [_line(k, v) for k, v in keys.items() if v != ""]
        made = super().__new__(cls, system, lines, secret)
        made._types = {}
        made._system = system
        return made

    async def resolve(self, address: str, *, timeout: float | None = None) -> ActorRef[Any]:
        """The reference at ``odeon://system@host:port/user/path``.

        ``timeout`` in seconds, by default the system's for asks. Raises `NoSuchActor`,
        `Unreachable`, `AuthenticationFailed`, `IncompatiblePeer` or `AskTimeout`, with the node's
        address in the text. What the actor accepts is not looked at here: a message that it does
        not know is `unhandled` there, and fails its ask.
        """
        return await super()._resolve(address, timeout)

    async def lookup(
        self, node: str, name: str, *, timeout: float | None = None
    ) -> ActorRef[Any]:
        """The same by node and name: ``await net.lookup("10.0.0.7:7400", "greeter")``."""
        return await super()._lookup(node, name, timeout)

    def peers(self) -> list[PeerInfo]:
        """The nodes that were met, the present and the last known."""
        return [PeerInfo(*p) for p in super()._peers()]

    # -- making actors elsewhere -------------------------------------------------------------------

    def register(self, name: str, factory: type[Actor[Any]]) -> None:
        """Lets other nodes make actors of the class ``factory`` here, under that name.

        Only what is registered can be made. Whoever passes the handshake may do so, `SPAWNED_MAX`
        actors at a time. Raises ValueError when the name is taken.
        """
        if name in self._types:
            raise ValueError(f"the type {name!r} is registered already")
        self._types[name] = factory
        if len(self._types) == 1:
            self._system.spawn(_Spawner, self._types, name=_SPAWNER)

    async def spawn_at(
        self,
        node: str,
        type: str,
        *args: Any,
        name: str | None = None,
        timeout: float | None = None,
    ) -> ActorRef[Any]:
        """Makes an actor of a type that a Python program on ``node`` has registered.

        ``args`` are encoded as messages are. Raises `Refused` when there is no such type there, and
        `ActorFailed` for what its constructor raised.
        """
        try:
            spawner = await self.lookup(node, _SPAWNER, timeout=timeout)
        except OdeonError as reason:
            if reason.code != "no_such_actor":
                raise
            raise Refused(f"{node} has registered no types for others to spawn") from None
        made = await spawner.ask(_Spawn(type, name, list(args)), timeout=timeout)
        return made  # type: ignore[no-any-return]

    # -- the end -----------------------------------------------------------------------------------

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Endpoint:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)
