"""The files that come out: wheels, editable wheels, source archives.

The same inputs make the same bytes: entries are sorted and carry the time of SOURCE_DATE_EPOCH, or
that of 1 January 1980.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path
from typing import IO, cast

from . import metadata, native
from .native import ROOT, BuildError

STRIPS = ("llvm-strip-19", "llvm-strip", "strip")
OLDEST_TIME = 315532800  # of a zip archive
SKIPPED_FOLDERS = {"build", "dist", "__pycache__", "node_modules"}


def _time() -> int:
    return max(OLDEST_TIME, int(os.environ.get("SOURCE_DATE_EPOCH", OLDEST_TIME)))


class _Wheel:
    """A wheel being written: each file is noted in RECORD."""

    def __init__(self, folder: Path, abi: str) -> None:
        self.abi = abi
        self.name = f"odeon-{metadata.version()}-{metadata.wheel_tag(abi)}.whl"
        self._files: dict[str, tuple[bytes, int]] = {}
        self._path = folder / self.name

    def add(self, name: str, data: bytes, mode: int = 0o644) -> None:
        self._files[name] = (data, mode)

    def write(self) -> str:
        """Writes the archive; its name. A wheel that was there is replaced."""
        info = metadata.dist_info()
        records = []
        for name, (data, _) in sorted(self._files.items()):
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
            records.append(f"{name},sha256={digest.decode()},{len(data)}\n")
        # The dist-info folder stands last, as the format recommends.
        order = sorted(self._files)
        for name, text in sorted(metadata.files(self.abi).items()):
            data = text.encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
            records.append(f"{info}/{name},sha256={digest.decode()},{len(data)}\n")
            self._files[f"{info}/{name}"] = (data, 0o644)
            order.append(f"{info}/{name}")
        records.append(f"{info}/RECORD,,\n")
        self._files[f"{info}/RECORD"] = ("".join(records).encode(), 0o644)
        order.append(f"{info}/RECORD")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(self._path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in order:
                data, mode = self._files[name]
                entry = zipfile.ZipInfo(name, time.gmtime(_time())[:6])
                entry.external_attr = (0o100000 | mode) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, data)
        return self.name


def wheel(folder: Path, package: Path) -> str:
    """Packs package-<tag>/odeon: Python files, stubs, and the built libraries without symbols."""
    result = _Wheel(folder, native.tag())
    for path in sorted(package.rglob("*")):
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        name = path.relative_to(package.parent).as_posix()
        if path.suffix == ".so":
            result.add(name, _stripped(path), 0o755)
        elif path.suffix in (".py", ".pyi") or path.name == "py.typed":
            result.add(name, path.read_bytes())
    return result.write()


def editable_wheel(folder: Path, package: Path) -> str:
    """One .pth file: the Python files in the build folder are links to the sources."""
    result = _Wheel(folder, native.tag())
    result.add("__editable__.odeon.pth", f"{package.parent}\n".encode())
    return result.write()


def _stripped(path: Path) -> bytes:
    """A shared library without what only debuggers read."""
    strip = next((name for name in STRIPS if shutil.which(name)), None)
    if strip is None:
        return path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / path.name
        done = subprocess.run([strip, "--strip-unneeded", "-o", str(out), str(path.resolve())],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BuildError(f"{strip} refused {path.name}: {done.stderr.strip()}")
        return out.read_bytes()


def _sources() -> list[str]:
    """What belongs to the source: what git tracks; without git, what lies there."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True,
                                text=True, check=False)
        if listed.returncode == 0:
            names = listed.stdout.split("\0")
            return sorted(name for name in names if name and (ROOT / name).is_file())
    found: list[str] = []
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [each for each in inner
                    if each not in SKIPPED_FOLDERS and not each.startswith(".")]
        found += [(Path(folder) / name).relative_to(ROOT).as_posix() for name in names]
    return sorted(name for name in found if name != "PKG-INFO")


def sdist(folder: Path) -> str:
    """odeon-<version>.tar.gz: everything that building, testing and reading needs."""
    top = f"odeon-{metadata.version()}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{top}.tar.gz", "wb") as file, \
            gzip.GzipFile(fileobj=file, mode="wb", mtime=_time(), filename="") as packed, \
            tarfile.open(fileobj=cast(IO[bytes], packed), mode="w",
                         format=tarfile.PAX_FORMAT) as archive:
        def add(name: str, data: bytes, mode: int) -> None:
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size, entry.mtime, entry.mode = len(data), _time(), mode
            archive.addfile(entry, io.BytesIO(data))

        add("PKG-INFO", metadata.core_metadata().encode(), 0o644)
        for name in _sources():
            path = ROOT / name
            add(name, path.read_bytes(), 0o755 if os.access(path, os.X_OK) else 0o644)
    return f"{top}.tar.gz"
