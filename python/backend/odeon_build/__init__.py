"""The build backend of the package odeon (PEP 517 and PEP 660), of the standard library alone.

It calls CMake for the running interpreter and packs what comes out. The modules of C++ are built
once, in build/python or in the folder named by `--config-setting build-dir=…` or the variable
ODEON_BUILD_DIR; a wheel for a second interpreter then takes only its extension.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from . import archives, metadata, native
from .native import BuildError

Settings = dict[str, Any] | None
Result = TypeVar("Result")

__all__ = [
    "build_editable", "build_sdist", "build_wheel", "get_requires_for_build_editable",
    "get_requires_for_build_sdist", "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable", "prepare_metadata_for_build_wheel",
]


def _in_a_sentence(action: Callable[[], Result]) -> Result:
    """A build that cannot be done ends with its reason, not with a traceback of the backend."""
    try:
        return action()
    except BuildError as reason:
        print(f"odeon: {reason}", file=sys.stderr, flush=True)
        raise SystemExit(1) from None


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    return []


def get_requires_for_build_sdist(config_settings: Settings = None) -> list[str]:
    return []


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    return []


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: Settings = None
) -> str:
    return _in_a_sentence(lambda: metadata.write(Path(metadata_directory), native.tag()))


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Builds and packs; the name of the file in `wheel_directory`."""
    def build() -> str:
        package = native.build(config_settings)
        return archives.wheel(Path(wheel_directory), package)
    return _in_a_sentence(build)


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """A wheel that points to the build folder, where the Python files are links to the sources."""
    def build() -> str:
        package = native.build(config_settings)
        return archives.editable_wheel(Path(wheel_directory), package)
    return _in_a_sentence(build)


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    return _in_a_sentence(lambda: archives.sdist(Path(sdist_directory)))
