#!/usr/bin/env python3
"""The layers: who includes whom, what public headers may show, tests beside sources.

`tools/check.py [root]` reads tools/layers.toml, the one copy of the graph. Exit 1 on findings; a
file that breaks a rule for a reason is listed in tools/exceptions.toml.
"""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path

import source_tree
from source_tree import Report, is_test, module_of

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
RULES = {"layer", "unknown-module", "umbrella", "forbidden-include", "private-package", "internal",
         "depends", "test-beside", "fwd", "graph"}


def includes(text: str) -> list[tuple[int, str, str]]:
    """(line, "<" or the quote, name) of each include."""
    return [(text.count("\n", 0, m.start(1)) + 1, m.group(1), m.group(2))
            for m in INCLUDE.finditer(text)]


def check_graph(report: Report, modules: dict[str, list[str]]) -> None:
    """Each module names only modules that stand before it in the file: arrows point down."""
    seen: list[str] = []
    for name, allowed in modules.items():
        for other in allowed:
            if other not in seen:
                report.error("tools/layers.toml", None, "graph",
                             f"'{name}' names '{other}', which does not stand before it; "
                             "arrows point down only")
        seen.append(name)


def declared_dependencies(root: Path, module: str) -> set[str] | None:
    """DEPENDS of src/<module>/CMakeLists.txt, or None when there is no such file."""
    path = root / "src" / module / "CMakeLists.txt"
    if not path.exists():
        return None
    call = re.search(r"odeon_module\(([^)]*)\)", path.read_text("utf-8"))
    found: set[str] = set()
    taking = False
    for word in call.group(1).split() if call else []:
        if word.isupper():
            taking = word == "DEPENDS"
        elif taking:
            found.add(word)
    return found


class Layers:
    """The rules about one include."""

    def __init__(self, root: Path, report: Report) -> None:
        self.root = root
        self.report = report
        data = source_tree.layers(root)
        self.modules: dict[str, list[str]] = data["modules"]
        self.test_only: list[str] = data["groups"]["test_only"]
        self.umbrella: list[str] = data["groups"]["umbrella"]
        self.forbidden: list[list[str]] = data["public_headers"]["forbidden"]
        self.private: dict[str, list[str]] = data["private_packages"]
        self._reach: dict[str, set[str]] = {}

    def reach(self, module: str) -> set[str]:
        """Modules that DEPENDS brings along, directly or through others."""
        if module not in self._reach:
            self._reach[module] = set()
            for other in declared_dependencies(self.root, module) or ():
                self._reach[module] |= {other} | self.reach(other)
        return self._reach[module]

    def check(self, path: str, line: int, quote: str, name: str) -> None:
        # A program's own folders (apps/odeon/bank) are no modules.
        own = quote == '"' and (self.root / "apps" / name).exists()
        if name.startswith("odeon/") and not own:
            self.check_module(path, line, name)
        self.check_package(path, line, name)
        self.check_inside(path, line, quote, name)

    def check_package(self, path: str, line: int, name: str) -> None:
        top = path.split("/")[0]
        if top == "include":
            for prefix, way_out in self.forbidden:
                if name == prefix or (name.startswith(prefix) and not prefix.isalpha()):
                    self.report.error(path, line, "forbidden-include",
                                      f"<{name}> in a public header; {way_out}")
        if is_test(path) or top not in ("src", "include", "apps"):
            return
        for prefix, owners in self.private.items():
            if name.startswith(prefix) and module_of(path) not in owners and top not in owners:
                self.report.error(path, line, "private-package",
                                  f"<{name}> belongs to {', '.join(owners)}; go through it")

    def check_inside(self, path: str, line: int, quote: str, name: str) -> None:
        """Nobody includes another module's internal/ or other sources."""
        module = module_of(path)
        source = path.startswith("src/")
        first = name.split("/")[0]
        if "internal/" in name or (quote == '"' and name.startswith("../")):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
            near = (self.root / target).exists() and module_of(target) == module
            if not source or not (near or name.startswith(f"{module}/internal/")):
                self.report.error(path, line, "internal",
                                  f'"{name}" is another module\'s inside; use its public header')
        elif quote == '"' and source and first in self.modules and first != module:
            self.report.error(path, line, "internal",
                              f'"{name}" reaches into another module\'s sources; use <odeon/…>')

    def check_module(self, path: str, line: int, name: str) -> None:
        module = module_of(path)
        parts = name.split("/")
        if len(parts) == 2:
            if module is not None and not is_test(path):
                self.report.error(path, line, "umbrella", f"<{name}> inside the library; "
                                  "include the headers it needs")
            return
        other = parts[1]
        if other not in self.modules:
            self.report.error(path, line, "unknown-module",
                              f"<{name}>: no module '{other}' in tools/layers.toml")
        elif path.startswith("include/odeon/") and path.count("/") == 2:
            if other not in self.umbrella:
                self.report.error(path, line, "umbrella", f"'{other}' is not part of the "
                                  "umbrella; see tools/layers.toml")
        elif module in self.modules and module != other:
            self.check_layer(path, line, module, other)

    def check_layer(self, path: str, line: int, module: str, other: str) -> None:
        if is_test(path) and other in self.test_only:
            return
        if other not in self.modules[module]:
            allowed = ", ".join(self.modules[module]) or "nothing"
            self.report.error(path, line, "layer",
                              f"'{module}' includes '{other}', but may include only {allowed}; "
                              "move the code up, or put a contract into the lower module")
        elif (self.root / "src" / module / "CMakeLists.txt").exists() and not is_test(path) \
                and other not in self.reach(module):
            self.report.error(path, line, "depends", f"'{other}' is not in DEPENDS of "
                              f"src/{module}/CMakeLists.txt; add it")


def check_beside(report: Report, root: Path, all_files: list[str], modules: dict) -> None:
    """The source of a public header has its tests in the module: beside it, or in a test that
    includes that header. A module has its fwd.hpp and its target."""
    present = set(all_files)
    used = set()
    tested = {(module_of(path), name) for path in all_files if is_test(path)
              for _, _, name in includes((root / path).read_text("utf-8"))}
    for path in all_files:
        module = module_of(path)
        if module is None:
            continue
        if module not in modules:
            report.error(path, None, "unknown-module",
                         f"module '{module}' is not in tools/layers.toml; add it")
            continue
        used.add(module)
        stem = path.removesuffix(".cpp")
        header = f"include/odeon/{module}/{Path(stem).name}.hpp"
        if path == f"src/{module}/{Path(stem).name}.cpp" and not is_test(path) \
                and header in present and f"{stem}.test.cpp" not in present \
                and (module, header.removeprefix("include/")) not in tested:
            report.error(path, None, "test-beside", f"no {stem}.test.cpp beside it, and no test "
                         f"of '{module}' includes its header; write what it promises as tests")
    for module in sorted(used):
        public = any(p.startswith(f"include/odeon/{module}/") for p in all_files)
        if public and f"include/odeon/{module}/fwd.hpp" not in present:
            report.error(f"include/odeon/{module}", None, "fwd",
                         "no fwd.hpp; declare the module's types in one")
        if not (root / "src" / module / "CMakeLists.txt").exists():
            report.error(f"src/{module}", None, "depends",
                         "no CMakeLists.txt; tools/new_module.py writes one")


def run(root: Path) -> int:
    report = Report(root)
    rules = Layers(root, report)
    all_files = source_tree.files(root)
    checked = 0
    check_graph(report, rules.modules)
    for path in all_files:
        if path.startswith(("include/", "src/", "apps/", "examples/")) \
                and path.endswith((".hpp", ".cpp")):
            checked += 1
            for line, quote, name in includes((root / path).read_text("utf-8")):
                rules.check(path, line, quote, name)
    check_beside(report, root, all_files, rules.modules)
    return report.finish("check", RULES, f"{checked} files")


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else source_tree.ROOT))
