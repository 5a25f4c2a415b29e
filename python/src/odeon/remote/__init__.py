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
            greeter = await net.resolve("odeon://app@127.0.0.1:7400/user/greeter", Greeter)
            print(await greeter.ask(Greet("Alice"), timeout=1.0))

A far reference is told, asked, watched, linked and stopped like any other. What is different: a
message is encoded when it is sent (`EncodingError` is raised there), it may be lost with the
connection, and an ask then fails with `Unreachable`. Classes of messages must be known on both
sides (`odeon.codecs.register`): names that arrive are looked up, never imported, and pickles are
neither sent nor read.

Nodes that can only connect outward meet at a :class:`Relay`, each by a :class:`RelayTransport`.
:mod:`odeon.federation` has systems that trust each other and place actors. The guide "Python: other
machines" has the whole of it.
"""

from __future__ import annotations

from .certificates import (
    CertificateInfo,
    Credentials,
    make_ca,
    make_node_certificate,
    read_certificate,
)
from .endpoint import SPAWNED_MAX, Endpoint, PeerInfo, Tls
from .metrics import EndpointMetrics, PeerMetrics, Rates, Traffic
from .relay import (
    Relay,
    RelayMetrics,
    RelayPeer,
    RelayRoute,
    RelayStatus,
    RelayTransport,
)

__all__ = [
    "SPAWNED_MAX",
    "CertificateInfo",
    "Credentials",
    "Endpoint",
    "EndpointMetrics",
    "PeerInfo",
    "PeerMetrics",
    "Rates",
    "Relay",
    "RelayMetrics",
    "RelayPeer",
    "RelayRoute",
    "RelayStatus",
    "RelayTransport",
    "Tls",
    "Traffic",
    "make_ca",
    "make_node_certificate",
    "read_certificate",
]
