#!/usr/bin/env python3
"""tools/bench.py's program of plain sockets for the Python workloads: see rows.py."""

import sys

from rows import main

sys.exit(main("sockets"))
