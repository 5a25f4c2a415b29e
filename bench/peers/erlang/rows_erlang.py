#!/usr/bin/env python3
"""The Erlang peer of tools/bench.py: distributed Erlang between two nodes of this machine.

Used when `escript` is installed (Debian: erlang-base); without it the list of workloads is empty.
The nodes find each other by a port of their own, so no epmd is started or left behind.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().with_name("remote.escript")
UNITS = {"throughput": ("M/s", "higher"), "p50": ("us", "lower"), "p99": ("us", "lower"),
         "open_1000": ("k/s", "higher")}
SIZES = {"remote_tell": 1000, "remote_ask": 1000}


def escript(cookie: str, name: str, flags: str, *args: str) -> subprocess.Popen[str]:
    """A node that runs the script with these arguments."""
    erl = f"-name {name} -setcookie {cookie} -start_epmd false {flags}"
    return subprocess.Popen(["escript", str(SCRIPT), *args], text=True, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, env={**os.environ, "ERL_FLAGS": erl})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def measure(workload: str, size: int, work: float) -> None:
    cookie = secrets.token_hex(16)
    port = f"-erl_epmd_port {free_port()}"
    far = escript(cookie, "far@127.0.0.1", port, "far")
    try:
        if far.stdout.readline().strip() != "ready":
            raise SystemExit("the far node did not start")
        near = escript(cookie, "near@127.0.0.1", f"{port} -dist_listen false", "near",
                       "far@127.0.0.1", workload, str(size), repr(float(work)))
        output, _ = near.communicate()
        if near.returncode != 0:
            raise SystemExit(f"the near node ended with code {near.returncode}")
    finally:
        far.communicate("\n")
    for line in output.splitlines():
        metric, value = line.split()
        unit, better = UNITS[metric]
        print(json.dumps({"workload": workload, "metric": metric, "unit": unit, "better": better,
                          "system": "erlang", "value": float(value), "size": size}))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("--workload", choices=SIZES)
    parser.add_argument("--size", type=int)
    parser.add_argument("--work", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    there = shutil.which("escript") is not None
    if args.list:
        print("\n".join(SIZES if there else ()))
    elif args.version:
        release = Path("/usr/lib/erlang/releases/RELEASES")
        text = release.read_text("utf-8", "replace") if release.is_file() else ""
        parts = text.split('"')
        print(f"Erlang/OTP {parts[3]}" if len(parts) > 3 else "Erlang" if there
              else "no Erlang here")
    elif args.workload:
        measure(args.workload, args.size or SIZES[args.workload], args.work)
    else:
        parser.print_usage(sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
