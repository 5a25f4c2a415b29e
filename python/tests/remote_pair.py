"""Two nodes of one program that talk over a transport, as a program of its own.

    python remote_pair.py ws://127.0.0.1:0/odeon               with a secret
    python remote_pair.py wss://127.0.0.1:0/odeon FOLDER       with certificates, made in the folder

Prints what each has heard of the other, and ends at once: how nodes part is a matter of the tests
over TCP.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from remote_kit import LIMIT, Authority, a_node
from remote_nodes import Add, Total


async def main(listen: str, folder: str | None) -> None:
    ca = Authority(Path(folder)) if folder else None

    def options(name: str) -> dict[str, Any]:
        return {"listen": listen} | ({"tls": ca.tls(name)} if ca else {})

    async with a_node("there", **options("there")) as (_, far):
        async with a_node("here", **options("here")) as (_, near):
            counter = await near.lookup(far.node, "counter", timeout=LIMIT)
            for n in range(50):
                counter.tell(Add(n))
            total = await counter.ask(Total(), timeout=LIMIT)
            met = [[(p.system, p.identity) for p in one.peers()] for one in (near, far)]
            print(total, *met, flush=True)
            os._exit(0)


asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
