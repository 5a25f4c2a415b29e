"""CMake, for the running interpreter: where it builds, what it needs, how its failures read."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
COMPILERS = ("clang++-19", "clang++-20", "clang++-21", "clang++-22")
MEMORY_OF_A_JOB = 1_500_000_000
OLDEST_CMAKE = (3, 25)


class BuildError(Exception):
    """Why the package cannot be built, as one sentence."""


def tag() -> str:
    """The running interpreter as wheels name its ABI: cp311; cp313t when free-threaded."""
    if sys.implementation.name != "cpython":
        raise BuildError(f"the package is for CPython only, and this is {sys.implementation.name}")
    free = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    debug = "d" if hasattr(sys, "gettotalrefcount") else ""
    return f"cp{sys.version_info[0]}{sys.version_info[1]}{free}{debug}"


def build_folder(settings: dict[str, Any] | None) -> Path:
    chosen = (settings or {}).get("build-dir") or os.environ.get("ODEON_BUILD_DIR")
    return Path(chosen).resolve() if chosen else ROOT / "build/python"


def build(settings: dict[str, Any] | None) -> Path:
    """Builds what is not up to date; the folder package-<tag>/odeon."""
    folder = build_folder(settings)
    _look_for_tools()
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        if not _is_configured(folder):
            _configure(folder)
        # The folder may be one that others chose the interpreters of.
        if tag() not in _tags(folder):
            _configure(folder, f"-DODEON_PYTHONS_ALSO={_interpreter()}")
        _run(["cmake", "--build", str(folder), "--target", f"odeon_python_{tag()}",
              "-j", str(_jobs())], "the build failed; what the compiler said stands above")
    return folder / f"package-{tag()}" / "odeon"


def _interpreter() -> str:
    """The interpreter itself, when this runs in a virtual environment made from it."""
    return getattr(sys, "_base_executable", None) or sys.executable


def _look_for_tools() -> None:
    if not shutil.which("cmake"):
        raise BuildError("CMake is not installed (Debian: apt-get install cmake ninja-build)")
    said = subprocess.run(["cmake", "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"(\d+)\.(\d+)", said.stdout)
    if version and (int(version[1]), int(version[2])) < OLDEST_CMAKE:
        raise BuildError(f"CMake {version[0]} is too old: it must be at least "
                         f"{OLDEST_CMAKE[0]}.{OLDEST_CMAKE[1]}")
    if not _compiler():
        raise BuildError("no clang++ of version 19 or newer is installed, and CXX names no other "
                         "compiler (Debian: apt-get install clang-19 lld-19)")
    if not (shutil.which("ninja") or shutil.which("make")):
        raise BuildError("neither ninja nor make is installed (Debian: apt-get install "
                         "ninja-build)")


def _compiler() -> str | None:
    chosen = os.environ.get("CXX")
    return chosen or next((name for name in COMPILERS if shutil.which(name)), None)


def _is_configured(folder: Path) -> bool:
    """Whether the folder is a build of this very tree; one that was moved is not any more."""
    cache = folder / "CMakeCache.txt"
    if not cache.exists():
        return False
    found = re.search(r"^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$", cache.read_text("utf-8", "replace"),
                      re.M)
    home = Path(found[1]) if found else ROOT
    if home != ROOT and (home / "CMakeLists.txt").exists():
        raise BuildError(f"the build folder {folder} belongs to {home}; choose another with "
                         "--config-setting build-dir=PATH or the variable ODEON_BUILD_DIR")
    return home == ROOT and (folder / "pythons.txt").exists()


def _tags(folder: Path) -> list[str]:
    return (folder / "pythons.txt").read_text("utf-8").split()


def _configure(folder: Path, *options: str) -> None:
    command = ["cmake", "-S", str(ROOT), "-B", str(folder), *options]
    if not _is_configured(folder):
        # The first interpreter of a folder is the running one; a warning is no reason to fail here.
        command += ["--fresh", "--preset", "python", "-DODEON_CI=OFF",
                    f"-DCMAKE_CXX_COMPILER={_compiler()}",
                    f"-DODEON_PYTHONS_ALSO={_interpreter()}"]
        if not shutil.which("ninja"):
            command += ["-G", "Unix Makefiles"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    (folder / "configure.log").write_text(said.stdout + said.stderr, "utf-8")
    if said.returncode != 0:
        raise BuildError("the configuration failed: " + _first_error(said.stderr or said.stdout)
                         + f" (all of it: {folder / 'configure.log'})")


def _first_error(text: str) -> str:
    """The message of the first `CMake Error`, on one line."""
    found = re.search(r"CMake Error[^\n]*:\n(.*?)(?:\n\n\n|\nCall Stack|\Z)", text, re.S)
    last = text.strip().splitlines()[-1:] or ["it said nothing"]
    return " ".join((found[1] if found else last[0]).split())


def _run(command: list[str], failure: str) -> None:
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
        raise BuildError(failure)


def _jobs() -> int:
    """A compiler a core, as far as the memory allows."""
    wanted = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL")
    if wanted:
        return max(1, int(wanted))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(len(os.sched_getaffinity(0)), memory // MEMORY_OF_A_JOB))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One build at a time in a folder: pip may run for two interpreters at once."""
    with open(folder / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
