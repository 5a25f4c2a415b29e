#!/usr/bin/env python3
"""The CPythons on this machine that the Python package is built for.

`tools/pythons.py [[--also] path …]` prints one line an interpreter, its facts between semicolons:
tag (cp311; cp313t when free-threaded), path, version, suffix of extension modules, folder of the
headers. Without paths it looks for every CPython of at least 3.11: in /usr/bin, /usr/local/bin,
PATH, pyenv, /opt/python; with `--also` the paths come after those. One interpreter a tag, the
first found. Reasons for leaving one out go to stderr.
"""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
NAME = re.compile(r"python3(\.\d+t?)?")
FACTS = """
import sys, sysconfig
free = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
debug = "d" if hasattr(sys, "gettotalrefcount") else ""
print(sys.implementation.name, "cp%d%d%s%s" % (*sys.version_info[:2], free, debug),
      "%d.%d.%d" % sys.version_info[:3], sysconfig.get_config_var("EXT_SUFFIX"),
      sysconfig.get_path("include"), sep=";")
"""


def facts(path: str) -> tuple[str, str, str, str, str] | None:
    """(tag, path, version, suffix, headers) of an interpreter the package can be built for."""
    try:
        # Neither the caller's environment nor the current folder may change what it answers.
        answer = subprocess.run([path, "-I", "-c", FACTS], capture_output=True, text=True,
                                timeout=30, check=False, cwd="/")
    except (OSError, subprocess.TimeoutExpired) as reason:
        print(f"{path}: does not run ({reason})", file=sys.stderr)
        return None
    parts = answer.stdout.strip().split(";")
    if answer.returncode != 0 or len(parts) != 5:
        return None
    name, tag, version, suffix, headers = parts
    if name != "cpython" or tuple(map(int, version.split(".")[:2])) < OLDEST:
        return None
    if not (Path(headers) / "Python.h").exists():
        print(f"{path}: CPython {version} has no headers in {headers} (Debian: apt-get install "
              "python3-dev)", file=sys.stderr)
        return None
    return tag, path, version, suffix, headers


def candidates() -> list[str]:
    """Paths that look like interpreters; the ones the system brought stand first."""
    folders = ["/usr/bin", "/usr/local/bin"]
    folders += os.environ.get("PATH", "").split(os.pathsep)
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for pattern in (f"{pyenv}/versions/3.*/bin", "/opt/python/*/bin"):
        folders += sorted(glob.glob(pattern))
    found: dict[str, str] = {}
    for folder in folders:
        # A shim of pyenv answers for one of the versions that are looked at anyway.
        if not folder or "/shims" in folder:
            continue
        for path in sorted(glob.glob(f"{folder}/python3*")):
            if NAME.fullmatch(os.path.basename(path)) and os.access(path, os.X_OK):
                # A virtual environment's interpreter stands for the one it was made from.
                found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def pythons(paths: list[str]) -> list[tuple[str, str, str, str, str]]:
    """The facts of the given interpreters, or of all that are found."""
    known: dict[str, tuple[str, str, str, str, str]] = {}
    also = paths[:1] == ["--also"]
    paths = paths[1:] if also else paths
    for path in [*candidates(), *paths] if also or not paths else paths:
        known_facts = facts(path)
        if known_facts is None:
            if path in paths:
                print(f"{path}: no CPython of at least {OLDEST[0]}.{OLDEST[1]} with its headers",
                      file=sys.stderr)
                sys.exit(1)
            continue
        known.setdefault(known_facts[0], known_facts)
    return sorted(known.values(), key=lambda each: (len(each[0]), each[0]))


def main() -> int:
    for each in pythons(sys.argv[1:]):
        print(";".join(each))
    return 0


if __name__ == "__main__":
    sys.exit(main())
