#!/usr/bin/env python3
"""Makes the skeleton of a module: `tools/new_module.py <name> <first header> [dependency …]`.

The module must stand in [modules] of tools/layers.toml, which decides what it may depend on. What
is made builds, passes the checks, and has one test that fails until it is written.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import source_tree
from source_tree import fail


def skeleton(name: str, header: str, dependencies: list[str]) -> dict[str, str]:
    depends = f" DEPENDS {' '.join(dependencies)}" if dependencies else ""
    return {
        f"src/{name}/CMakeLists.txt": f"odeon_module({name}{depends})\n",
        f"include/odeon/{name}/fwd.hpp":
            f"#pragma once\n\n/// @file Forward declarations of `{name}`.\n\n"
            "namespace odeon {}  // namespace odeon\n",
        f"include/odeon/{name}/{header}.hpp":
            f"#pragma once\n\n#include <odeon/{name}/fwd.hpp>\n\n"
            "/// @file What it is for, in a sentence or two; then the contract.\n\n"
            "namespace odeon {}  // namespace odeon\n",
        f"src/{name}/{header}.cpp":
            f"#include <odeon/{name}/{header}.hpp>\n\nnamespace odeon {{}}  // namespace odeon\n",
        f"src/{name}/{header}.test.cpp":
            f"#include <odeon/{name}/{header}.hpp>\n\n#include <doctest/doctest.h>\n\n"
            f'TEST_CASE("{header} does what its header promises") {{\n'
            '  FAIL("write the first test, then what it tests");\n}\n',
    }


def main(arguments: list[str], root: Path = source_tree.ROOT) -> int:
    if len(arguments) < 2:
        fail("usage: tools/new_module.py <name> <first header> [dependency …]")
    name, header, *dependencies = arguments
    modules = source_tree.layers(root)["modules"]
    for word in (name, header):
        if not re.fullmatch(r"[a-z][a-z_0-9]*", word):
            fail(f"'{word}' is no name: lower case, digits and _")
    if name not in modules:
        fail(f"'{name}' is not in tools/layers.toml; add `{name} = [\"base\", …]` to [modules], "
             "below everything it includes")
    for dependency in dependencies:
        if dependency not in modules[name]:
            fail(f"'{name}' may not depend on '{dependency}'; tools/layers.toml allows only "
                 f"{', '.join(modules[name]) or 'nothing'}")
    if (root / "src" / name).exists():
        fail(f"src/{name} is there already")
    for path, text in skeleton(name, header, dependencies).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
