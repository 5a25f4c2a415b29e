"""Endpoints over TLS, WebSockets and Unix sockets, and what wrong certificates get."""

from __future__ import annotations

import asyncio
import os
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import odeon
import pytest
from odeon import errors, remote
from remote_kit import LIMIT, Authority, a_node, looped, until
from remote_nodes import Add, Total


async def apart(far: Any) -> None:
    """The other side has said goodbye, and this one has heard it."""
    await until(lambda: far.metrics().gone and not far.metrics().connections)


async def talk(near: Any, far: Any) -> None:
    counter = await near.lookup(far.node, "counter", timeout=LIMIT)
    for n in range(50):
        counter.tell(Add(n))
    assert await counter.ask(Total(), timeout=LIMIT) == sum(range(50))


@looped
async def test_nodes_with_certificates_talk(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    listen = "tcp://127.0.0.1:0"
    async with a_node("there", listen=listen, tls=ca.tls("there")) as (_, far):
        async with a_node("here", listen=listen, tls=ca.tls("here")) as (_, near):
            await talk(near, far)
            assert [p.identity for p in near.peers()] == ["there"]
            assert [p.identity for p in far.peers()] == ["here"]
        await apart(far)


def a_pair(*how: str) -> str:
    """What two nodes of another program have heard."""
    program = Path(__file__).with_name("remote_pair.py")
    done = subprocess.run([sys.executable, str(program), *how], capture_output=True, text=True,
                          timeout=55, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nodes_with_certificates_talk_over_a_web_socket(tmp_path: Path) -> None:
    told = a_pair("wss://127.0.0.1:0/odeon", str(tmp_path))
    assert told == "1225 [('there', 'there')] [('here', 'here')]\n"


def test_nodes_with_a_secret_talk_over_a_web_socket() -> None:
    told = a_pair("ws://127.0.0.1:0/odeon")
    assert told == "1225 [('there', '')] [('here', '')]\n"


@looped
async def test_nodes_talk_over_unix_sockets(tmp_path: Path) -> None:
    async with a_node("there", listen=f"unix://{tmp_path}/there.sock") as (_, far):
        async with a_node("here", listen=f"unix://{tmp_path}/here.sock") as (_, near):
            await talk(near, far)
        await apart(far)


@looped
async def test_certificates_may_be_given_as_text(tmp_path: Path) -> None:
    ca = Authority(tmp_path)

    def tls(name: str) -> remote.Tls:
        made = remote.make_node_certificate(ca.ca, name, ["127.0.0.1"])
        return remote.Tls(made.certificate, made.key, ca.ca.certificate)

    async with a_node("there", listen="tcp://127.0.0.1:0", tls=tls("there")) as (_, far):
        async with a_node("here", tls=tls("here")) as (_, near):
            await talk(near, far)
        await apart(far)


async def refused_with(error: type[errors.OdeonError], near_tls: Any, far_tls: Any) -> str:
    """What a node with `near_tls` gets from one with `far_tls`; nothing gets through."""
    async with a_node("there", listen="tcp://127.0.0.1:0", tls=far_tls) as (there, far):
        async with a_node("here", tls=near_tls) as (_, near):
            with pytest.raises(error) as caught:
                await near.lookup(far.node, "counter", timeout=LIMIT)
            assert type(caught.value) is error
            assert far.node in str(caught.value)
        assert not far.peers()
        assert await there.lookup("counter").ask(Total(), timeout=LIMIT) == 0
        return str(caught.value)


@looped
async def test_a_server_of_another_authority_is_a_bad_certificate(tmp_path: Path) -> None:
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    await refused_with(errors.BadCertificate, ours.tls("near"), others.tls("far"))


@looped
async def test_a_client_of_another_authority_is_refused(tmp_path: Path) -> None:
    ours, others = Authority(tmp_path, "ours"), Authority(tmp_path, "others")
    stranger = ours.tls("near", by=others)  # trusts the server, which does not trust it
    text = await refused_with(errors.BadCertificate, stranger, ours.tls("far"))
    assert "certificate" in text


@looped
async def test_a_certificate_for_another_host_is_bad(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    await refused_with(
        errors.BadCertificate, ca.tls("near"), ca.tls("far", ("elsewhere.example",)))


@looped
async def test_an_expired_certificate_is_told_apart(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    ca.ca = remote.make_ca(now=time.time() - 10 * 86_400)
    ca.file.write_text(ca.ca.certificate)
    old = ca.tls("far", now=time.time() - 5 * 86_400, valid_for=86_400.0)
    async with odeon.ActorSystem("there") as there:
        with pytest.raises(errors.ExpiredCertificate, match="far.crt"):  # not even its own node
            remote.Endpoint(there, listen="tcp://127.0.0.1:0", tls=old)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    careless.load_cert_chain(old.certificate, old.key)
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=careless) as server:
        node = "{}:{}".format(*server.sockets[0].getsockname())
        async with a_node("here", tls=ca.tls("near")) as (_, near):
            with pytest.raises(errors.ExpiredCertificate, match=node) as caught:
                await near.lookup(node, "counter", timeout=LIMIT)
            assert type(caught.value) is errors.ExpiredCertificate


@looped
async def test_a_node_without_a_certificate_is_refused_by_one_with(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    async with a_node("there", listen="tcp://127.0.0.1:0", tls=ca.tls("there")) as (_, far):
        async with a_node("here") as (_, near):
            with pytest.raises(errors.OdeonError, match=far.node):
                await near.lookup(far.node, "counter", timeout=LIMIT)
        assert not far.peers()


def test_credentials_are_written_for_their_owner_and_not_over_others(tmp_path: Path) -> None:
    ca = remote.make_ca("mine")
    files = tmp_path / "ca.crt", tmp_path / "ca.key"
    ca.save(*files)
    assert stat.S_IMODE(os.stat(files[1]).st_mode) == 0o600
    with pytest.raises(errors.Refused, match="ca.crt"):
        remote.make_ca("another").save(*files)
    assert files[0].read_text() == ca.certificate
    told = remote.read_certificate(files[0].read_text())
    assert (told.subject, told.is_ca, told.key) == ("mine", True, "P-256")
    assert "PRIVATE" not in repr(ca)


def test_what_no_certificate_can_be_is_said() -> None:
    ca = remote.make_ca(valid_for=86_400.0)
    with pytest.raises(ValueError, match="name"):
        remote.make_node_certificate(ca, "no name", ["127.0.0.1"], valid_for=60.0)
    with pytest.raises(ValueError):  # it would outlive its authority
        remote.make_node_certificate(ca, "node", ["127.0.0.1"], valid_for=10 * 86_400.0)
    with pytest.raises(ValueError, match="p256"):
        remote.make_ca(key="rsa")  # type: ignore[arg-type]
    with pytest.raises(errors.BadCertificate):
        remote.read_certificate("no certificate")
    node = remote.make_node_certificate(ca, "a-node", ["10.0.0.7"], valid_for=60.0, key="ed25519")
    told = remote.read_certificate(node.certificate)
    assert (told.node, told.hosts, told.key) == ("a-node", ("10.0.0.7",), "Ed25519")
    assert told.issuer == "odeon-ca" and told.not_after - told.not_before < 3600
