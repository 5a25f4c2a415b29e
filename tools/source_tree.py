"""What the checks share: the files of the tree, layers, exceptions, how findings are told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEST_ENDINGS = (".test.cpp", ".test.hpp", ".stress.cpp", ".fuzz.cpp", ".bench.cpp")
SHOWN = 100  # findings printed at once
SKIPPED_FOLDERS = {"build", "node_modules", "__pycache__"}


def files(root: Path = ROOT) -> list[str]:
    """Paths from the root, sorted: what git tracks or would track; without git, what lies there."""
    if (root / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root, capture_output=True, text=True, check=False)
        if listed.returncode == 0:
            names = {name for name in listed.stdout.split("\0") if name}
            return sorted(name for name in names if (root / name).is_file())
    found = []
    for folder, inner, names in os.walk(root):
        inner[:] = [d for d in inner if d not in SKIPPED_FOLDERS and not d.startswith(".")]
        found += [(Path(folder) / name).relative_to(root).as_posix() for name in names]
    return sorted(found)


def is_test(path: str) -> bool:
    return path.endswith(TEST_ENDINGS)


def module_of(path: str) -> str | None:
    """The module a file of include/odeon/ or src/ belongs to."""
    parts = path.split("/")
    if parts[:2] == ["include", "odeon"] and len(parts) > 3:
        return parts[2]
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    return None


def layers(root: Path = ROOT) -> dict:
    return tomllib.loads((root / "tools/layers.toml").read_text("utf-8"))


def rule_of(finding: str) -> str:
    return finding.rpartition("[")[2]


@dataclass
class Report:
    """Collects findings; one line each, "file:line: what; what instead"."""

    root: Path = ROOT
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _allowed: dict[tuple[str, str], bool] | None = None

    def _exceptions(self) -> dict[tuple[str, str], bool]:
        if self._allowed is None:
            self._allowed = {}
            path = self.root / "tools/exceptions.toml"
            text = path.read_text("utf-8") if path.exists() else ""
            for entry in tomllib.loads(text).get("exception", []):
                if len(entry.get("reason", "").split()) < 3:
                    self.errors.append(f"tools/exceptions.toml: {entry['file']} ({entry['rule']}) "
                                       "has no reason; say why in a sentence")
                self._allowed[(entry["file"], entry["rule"])] = False
        return self._allowed

    def error(self, path: str, line: int | None, rule: str, text: str) -> None:
        allowed = self._exceptions()
        if (path, rule) in allowed:
            allowed[(path, rule)] = True
            return
        self.errors.append(f"{path}{f':{line}' if line else ''}: {text} [{rule}]")

    def warn(self, path: str, text: str) -> None:
        self.warnings.append(f"{path}: {text}")

    def finish(self, name: str, rules: set[str], what: str) -> int:
        """Prints all, gives the exit code. An exception that nothing needed is an error."""
        for (path, rule), used in self._exceptions().items():
            if rule in rules and not used:
                self.errors.append(f"tools/exceptions.toml: {path} ({rule}) "
                                   "is not needed any more; remove it")
        for text in self.warnings:
            print(f"warning: {text}")
        # The rarer a finding's rule, the sooner it is shown.
        often = Counter(rule_of(text) for text in self.errors)
        for text in sorted(self.errors, key=lambda t: (often[rule_of(t)], t))[:SHOWN]:
            print(f"error: {text}")
        if len(self.errors) > SHOWN:
            print(f"and {len(self.errors) - SHOWN} more")
        print(f"{name}: {len(self.errors)} errors, {len(self.warnings)} warnings in {what}")
        return 1 if self.errors else 0


def fail(text: str) -> None:
    """Ends a tool over a mistake in its use."""
    print(text, file=sys.stderr)
    sys.exit(2)
