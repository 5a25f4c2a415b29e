"""Programs of both languages: import this before an extension module that uses Odeon from C++.

Messages of C++ are told apart by the address of their type's description. Importing this module has
the dynamic linker give extension modules that are loaded later the package's copies in place of
their own. It shares all symbols of ``odeon._native`` and ``libodeon.so``, so programs that do not
need it leave it. See ``include/odeon/python/system.hpp``.
"""

from __future__ import annotations

from . import _native

__all__: list[str] = []

_native._share_symbols()
