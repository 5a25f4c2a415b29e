"""Odeon: an actor runtime in C++ with the same runtime for Python."""

from __future__ import annotations
