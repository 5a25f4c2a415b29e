"""The metadata of the package: pyproject.toml, with the version of the CMake project."""

from __future__ import annotations

import re
import sysconfig
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from .native import ROOT, BuildError


@cache
def project() -> dict[str, Any]:
    """[project] of pyproject.toml."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert isinstance(table, dict)
    return table


@cache
def version() -> str:
    found = re.search(r"^project\(odeon VERSION (\d+(?:\.\d+)*)",
                      (ROOT / "CMakeLists.txt").read_text("utf-8"), re.M)
    if not found:
        raise BuildError("CMakeLists.txt has no line `project(odeon VERSION …`")
    return found[1]


def dist_info() -> str:
    return f"odeon-{version()}.dist-info"


def wheel_tag(abi: str) -> str:
    """cp311-cp311-linux_x86_64; the free-threaded ABI is one of the same Python's."""
    platform = re.sub(r"[-.]", "_", sysconfig.get_platform())
    return f"{abi.rstrip('td')}-{abi}-{platform}"


def core_metadata() -> str:
    """The file METADATA, version 2.1."""
    table = project()
    lines = ["Metadata-Version: 2.1", f"Name: {table['name']}", f"Version: {version()}",
             f"Summary: {table['description']}", f"Requires-Python: {table['requires-python']}",
             f"License: {table['license']['text']}",
             f"Keywords: {','.join(table.get('keywords', []))}"]
    lines += [f"Classifier: {each}" for each in table.get("classifiers", [])]
    lines += [f"Requires-Dist: {each}" for each in table.get("dependencies", [])]
    for extra, needs in table.get("optional-dependencies", {}).items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {each}; extra == "{extra}"' for each in needs]
    lines.append("Description-Content-Type: text/markdown")
    readme = ROOT / str(table["readme"])
    return "\n".join(lines) + "\n\n" + readme.read_text("utf-8")


def wheel_file(abi: str) -> str:
    """The file WHEEL."""
    return (f"Wheel-Version: 1.0\nGenerator: odeon_build ({version()})\n"
            f"Root-Is-Purelib: false\nTag: {wheel_tag(abi)}\n")


def entry_points() -> str:
    """The file entry_points.txt; empty when there are none."""
    groups = dict(project().get("entry-points", {}))
    if "scripts" in project():
        groups["console_scripts"] = project()["scripts"]
    return "\n".join(f"[{group}]\n" + "".join(f"{name} = {what}\n" for name, what in table.items())
                     for group, table in groups.items())


def files(abi: str) -> dict[str, str]:
    """What lies in the dist-info folder beside RECORD."""
    all_files = {"METADATA": core_metadata(), "WHEEL": wheel_file(abi),
                 "entry_points.txt": entry_points(), "top_level.txt": "odeon\n",
                 "LICENSE": (ROOT / "LICENSE").read_text("utf-8")}
    return {name: text for name, text in all_files.items() if text}


def write(folder: Path, abi: str) -> str:
    """Writes the dist-info folder; its name."""
    target = folder / dist_info()
    target.mkdir(parents=True, exist_ok=True)
    for name, text in files(abi).items():
        (target / name).write_text(text, "utf-8")
    return target.name
