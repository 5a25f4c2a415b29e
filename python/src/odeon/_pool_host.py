"""What runs in an interpreter of a pool: its loop, and the gate of its imports."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

from . import _native, interpreters
from .system import _cancel_all

__all__ = ["serve"]


def serve(boot: dict[str, Any], pool: Any) -> None:
    """Runs actors until the descriptor ``stop`` is readable; the whole life of the interpreter."""
    import os

    for module, reason in boot["unsafe"].items():
        interpreters.register_unsafe(module, reason)
    interpreters.install(boot["allow"], boot["deny"])
    for module in boot["imports"]:
        importlib.import_module(module)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    native = _native.Host(boot["host"], loop)
    loop.add_reader(boot["stop"], loop.stop)
    _native._join_pool(pool, native)
    os.write(boot["ready"], b"1")
    try:
        loop.run_forever()
    finally:
        loop.remove_reader(boot["stop"])
        while native.drain():
            pass
        native.detach()
        _cancel_all(loop)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()
        _native._finish()
