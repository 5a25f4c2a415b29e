"""The relay: where nodes meet that can only connect outward."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .. import _native
from .._closing import Closing

__all__ = ["Relay", "RelayMetrics", "RelayPeer", "RelayRoute", "RelayStatus", "RelayTransport"]


def _text(pem_or_file: str | Path | None) -> str:
    return "" if pem_or_file is None else str(pem_or_file)


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """How a node stands with its relay."""

    state: str
    """"connecting", "registering", "ready", "waiting" (until the next attempt), or "replaced":
    another node has taken the name, and there are no more attempts."""
    last_error: str
    """Why the last connection ended; empty: nothing has gone wrong."""
    registrations: int
    connections: int
    """Through the relay, now."""
    queued_bytes: int
    """That the relay has not taken."""


@dataclass(frozen=True, slots=True)
class RelayRoute:
    """How it stands with one other node."""

    name: str
    connections: int
    healthy: bool
    """Heard of lately, and nothing is being retried."""
    silent_for: float
    round_trip: float
    """Of the last probe, in seconds; 0: none was needed yet."""
    sent: int
    """Envelopes, the repeated ones included."""
    taken: int
    """Acknowledged by the relay."""
    retried: int
    refused: int
    last_refusal: str
    """Such as "unknown target"; empty: there was none."""


class RelayTransport(_native.RelayTransport, Closing):
    """A node's way to others through a relay, for ``Endpoint(transport=…)``.

    Example::

        way = remote.RelayTransport("wss://relay.example.net:443/odeon", "alice", secret=KNOWN)
        net = remote.Endpoint(system, listen="alice:7400", secret=NODES, transport=way)
        far = await net.lookup("bob:7400", "greeter")

    It registers ``name`` (1 to 128 letters, digits, ``.``, ``_`` and ``-``), and goes on trying:
    after a break it connects again. Addresses behind it are ``name:port``. Protect what travels as
    over any network, by the endpoint's own ``secret`` or ``tls``: the relay could read it.

    :param relay: ``tcp://host:port``, ``tls://…``, ``ws://host:port/path`` or ``wss://…``.
    :param secret: the relay's, at least 16 bytes; None: it must not ask for one.
    :param trusted: PEM, or a file with it: who signs the relay's certificate; None: the system's
        authorities.
    :param certificate: of this node, with ``key``, when the relay asks for one.
    :param limits: fields of ``relay_client_limits`` in C++: counts as int, times as float seconds.

    Raises ValueError for what cannot be meant, and what the files of certificates give. An endpoint
    holds its transport until its own end; ``close`` waits for the threads. Any thread may call.
    """

    def __new__(
        cls,
        relay: str,
        name: str,
        *,
        secret: str | None = None,
        trusted: str | Path | None = None,
        certificate: str | Path | None = None,
        key: str | Path | None = None,
        limits: Mapping[str, int | float] | None = None,
    ) -> RelayTransport:
        return super().__new__(cls, relay, name, secret or "", _text(trusted), _text(certificate),
                               _text(key), dict(limits or {}))

    async def ready(self, timeout: float = 30.0) -> None:
        """Returns when this node is registered.

        Raises why it is not when ``timeout`` seconds have passed, or there is no hope:
        `Unreachable`, `AuthenticationFailed`, `IncompatiblePeer`, `NameTaken`.
        """
        await super()._ready(timeout)

    def status(self) -> RelayStatus:
        """How it stands with the relay now."""
        return RelayStatus(**super()._status())

    def routes(self) -> list[RelayRoute]:
        """How it stands with each other node that is known."""
        return [RelayRoute(**one) for one in super()._routes()]


@dataclass(frozen=True, slots=True)
class RelayMetrics:
    """What a relay holds, and has done since its start."""

    connections: int
    registered: int
    """Connections with a name."""
    queued_bytes: int
    accepted_total: int
    registrations_total: int
    envelopes_total: int
    """Forwarded."""
    bytes_total: int
    throttled_total: int
    """How often a connection was read more slowly."""
    envelopes_per_second: float
    """Over the last second or so."""
    bytes_per_second: float
    refused_total: Mapping[str, int]
    """By reason: "unknown target", "wrong secret", …"""


@dataclass(frozen=True, slots=True)
class RelayPeer:
    """One registered node."""

    name: str
    host: str
    since: float
    """Seconds since its registration."""
    queued_bytes: int
    envelopes_in: int
    """From it."""
    envelopes_out: int


class Relay(_native.Relay, Closing):
    """A relay, which needs no actor system: what ``odeon relay`` is, in a program of Python.

    Example::

        with remote.Relay("ws://127.0.0.1:7500", secret=KNOWN) as relay:
            print(relay.address)

    :param listen: ``ws://host:port/path``, ``wss://…``, ``tcp://host:port`` or ``tls://…``; port 0
        is a free one. The path is ``/odeon`` without one.
    :param secret: what nodes must prove to know, at least 16 bytes.
    :param certificate: with ``key``, PEM or files, for ``wss`` and ``tls``.
    :param trusted: nodes need a certificate that these have signed; None: they need none.
    :param allow_unauthenticated_local: no secret; on loopback addresses only.
    :param limits: fields of ``relay_limits`` in C++: counts as int, times as float seconds.

    Raises ValueError for options that cannot be meant, and what the operating system says of the
    address. It reads addresses only: what travels through it is the nodes' to protect.
    """

    def __new__(
        cls,
        listen: str = "ws://127.0.0.1:0",
        *,
        secret: str | None = None,
        certificate: str | Path | None = None,
        key: str | Path | None = None,
        trusted: str | Path | None = None,
        allow_unauthenticated_local: bool = False,
        limits: Mapping[str, int | float] | None = None,
    ) -> Relay:
        if (certificate is None) != (key is None):
            raise ValueError("a certificate and its key belong together")
        return super().__new__(cls, listen, secret or "", _text(certificate), _text(key),
                               _text(trusted), allow_unauthenticated_local, dict(limits or {}))

    def metrics(self) -> RelayMetrics:
        """What it holds now, and has done."""
        return RelayMetrics(**super()._metrics())

    def peers(self) -> list[RelayPeer]:
        """The registered nodes by name, ten thousand at most."""
        return [RelayPeer(**one) for one in super()._peers()]

    async def drain(self, timeout: float = 10.0) -> bool:
        """Tells the nodes goodbye, and takes no more. True: all that was queued is written; False:
        ``timeout`` seconds have passed before."""
        return await asyncio.to_thread(super()._drain, timeout)

    def drain_blocking(self, timeout: float = 10.0) -> bool:
        """As :meth:`drain`, for programs without a loop."""
        return super()._drain(timeout)
