"""How an endpoint and its peers are doing, as plain numbers. Times are seconds, sizes bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["EndpointMetrics", "PeerMetrics", "Rates", "Traffic"]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Sums since the start, of one direction."""

    bytes: int
    """Frames with all they carry."""
    writes: int
    """Batches written, or reads that gave something."""
    messages: int
    """Tells, asks and answers."""
    controls: int
    """Watches, stops, acknowledgements and their like, each once."""


@dataclass(frozen=True, slots=True)
class Rates:
    """A second's worth, of both directions."""

    bytes_sent: float
    bytes_received: float
    messages_sent: float
    messages_received: float


@dataclass(frozen=True, slots=True)
class PeerMetrics:
    """The association with one node."""

    node: str
    incarnation: int
    """0: it has never been there."""
    state: str
    """"idle", "connecting", "up", "down" or "quarantined"."""
    last_error: str
    """Why there is or was no connection; empty when there never was a reason."""
    sent: Traffic
    received: Traffic
    connections: int
    queued_bytes: int
    """That wait to be written, as ``queued_messages`` do."""
    queued_messages: int
    unacknowledged: int
    """Control records."""
    reconnects: int
    unsent: int
    """Messages that were taken and never written."""
    overloads: int
    """Times the queue has reached its bound."""
    round_trip: float
    """Smoothed; 0: not known yet."""
    heard_before: float
    """Since the last byte came; 0: none has."""
    phi: float
    """Of the failure detector: 1 is 10 % doubt that it is there, 2 is 1 %, …"""
    failed_attempts: int
    """To connect, in a row."""


@dataclass(frozen=True, slots=True)
class EndpointMetrics:
    """All of an endpoint, at one moment."""

    sent: Traffic
    """To all peers that there have been."""
    received: Traffic
    connections: int
    """That stand or shake hands now."""
    handshakes: int
    """Under way."""
    quarantined: int
    """Incarnations that are remembered as given up."""
    accepted: int
    """Connections that came."""
    attempts: int
    """To connect."""
    failed_attempts: int
    gone: int
    """Incarnations that were given up or left."""
    rejected: Mapping[str, int]
    """Connections ended or not let in, by reason: "authentication", "certificate", …"""
    peers: tuple[PeerMetrics, ...]
    """By node."""
    at: float
    """When, on the clock of ``time.monotonic``."""

    def peer(self, node: str) -> PeerMetrics | None:
        """The association with that node, or None."""
        return next((p for p in self.peers if p.node == node), None)

    def since(self, earlier: EndpointMetrics) -> Rates:
        """What went on, a second, between an earlier look and this one."""
        span = max(self.at - earlier.at, 1e-9)
        return Rates(
            bytes_sent=(self.sent.bytes - earlier.sent.bytes) / span,
            bytes_received=(self.received.bytes - earlier.received.bytes) / span,
            messages_sent=(self.sent.messages - earlier.sent.messages) / span,
            messages_received=(self.received.messages - earlier.received.messages) / span,
        )


def read_metrics(told: dict[str, Any], at: float) -> EndpointMetrics:
    """What the native endpoint gives, as an object."""

    def with_traffic(one: dict[str, Any]) -> dict[str, Any]:
        return {**one, "sent": Traffic(**one["sent"]), "received": Traffic(**one["received"])}

    peers = tuple(PeerMetrics(**with_traffic(one)) for one in told["peers"])
    return EndpointMetrics(**{**with_traffic(told), "peers": peers}, at=at)
