"""Certificates for nodes: an authority of one's own, and what it signs, as ``odeon cert`` makes
them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .. import _native
from ..errors import Refused

__all__ = ["CertificateInfo", "Credentials", "make_ca", "make_node_certificate", "read_certificate"]

KeyKind = Literal["p256", "ed25519"]
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate and its private key, in PEM. The key is not encrypted: keep it to yourself."""

    certificate: str
    key: str

    def __repr__(self) -> str:
        return "Credentials(certificate=…, key=…)"

    def save(self, certificate: str | Path, key: str | Path, *, overwrite: bool = False) -> None:
        """Writes both files, the key for its owner alone.

        Raises `Refused`, with nothing written, when one is there already and ``overwrite`` is not
        set; OSError.
        """
        for path in (certificate, key):
            if not overwrite and Path(path).exists():
                raise Refused(f"{path} is there already, and a key that is gone is gone: choose "
                              "another name, or say overwrite=True")
        how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        for path, text, mode in ((certificate, self.certificate, 0o644), (key, self.key, 0o600)):
            with os.fdopen(os.open(path, how, mode), "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), mode)
                file.write(text)


@dataclass(frozen=True, slots=True)
class CertificateInfo:
    """What a certificate says of itself; whether that is true, a connection checks."""

    subject: str
    issuer: str
    serial: str
    node: str
    """Of ``odeon://<node>``; empty: none."""
    hosts: tuple[str, ...]
    not_before: float
    """Seconds since 1970, as ``not_after``."""
    not_after: float
    is_ca: bool
    key: str
    """"P-256", "Ed25519", or as OpenSSL calls it."""
    fingerprint: str
    """SHA-256 of it all, hexadecimal."""


def make_ca(
    name: str = "odeon-ca", *, valid_for: float = 3650 * _DAY, key: KeyKind = "p256",
    now: float | None = None,
) -> Credentials:
    """A new authority with a key of its own, valid from five minutes before ``now`` (seconds since
    1970; the present by default) for ``valid_for`` seconds. Raises `InvalidArgument`."""
    at = time.time() if now is None else now
    return Credentials(*_native._make_ca(name, valid_for, key, at))


def make_node_certificate(
    ca: Credentials, name: str, hosts: Sequence[str], *, valid_for: float = 90 * _DAY,
    key: KeyKind = "p256", now: float | None = None,
) -> Credentials:
    """A new key with a certificate that ``ca`` has signed, for both sides of connections.

    ``hosts`` are what others connect to: names, or addresses such as "10.0.0.7". Raises
    `InvalidArgument` for a name that is none, or a node that would outlive its authority,
    `BadCertificate` when ``ca`` is none, and `ExpiredCertificate` when its time is over.
    """
    at = time.time() if now is None else now
    return Credentials(*_native._make_node_certificate(
        ca.certificate, ca.key, name, list(hosts), valid_for, key, at))


def read_certificate(pem: str) -> CertificateInfo:
    """The first certificate of a PEM text. Raises `BadCertificate`."""
    told: dict[str, Any] = _native._read_certificate(pem)
    return CertificateInfo(**{**told, "hosts": tuple(told["hosts"])})
