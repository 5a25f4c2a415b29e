"""What the tests of other machines share: loops, certificates, pairs of nodes, waiting."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import odeon
import remote_nodes as nodes
from odeon import remote
from remote_nodes import SECRET, Counter

LIMIT = 40.0
"""Seconds that anything here may take on a busy machine."""
RELAY_SECRET = "known to the relay and its nodes"


def looped(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs a test on a loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def until(condition: Callable[[], object]) -> None:
    """Waits until the condition holds."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        await asyncio.sleep(0.005)


class Authority:
    """A CA in a folder, and certificates that it signs."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        self.ca = remote.make_ca(name)
        self.file = folder / f"{name}.crt"
        self.ca.save(self.file, folder / f"{name}.key")

    def tls(self, name: str, hosts: tuple[str, ...] = ("127.0.0.1", "localhost"), *,
            by: Authority | None = None, **options: Any) -> remote.Tls:
        """Files for a node, signed by this authority or another, that trusts this one."""
        made = remote.make_node_certificate((by or self).ca, name, hosts, **options)
        paths = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        made.save(*paths)
        return remote.Tls(*paths, self.file)


@asynccontextmanager
async def a_node(name: str, **options: Any) -> AsyncIterator[tuple[Any, Any]]:
    """(system, endpoint) with a counter."""
    if "tls" not in options:
        options.setdefault("secret", SECRET)
    async with odeon.ActorSystem(name) as system:
        async with remote.Endpoint(system, **options) as net:
            system.spawn(Counter, name="counter")
            yield system, net


@contextmanager
def a_process(program: str = nodes.__file__) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A node of its own, which runs that file, and its address."""
    with subprocess.Popen([sys.executable, program, "program"], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as p:
        try:
            assert p.stdout
            yield p, p.stdout.readline().strip()
        finally:
            p.kill()
