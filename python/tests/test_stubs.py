"""The stubs say what the native module is; the package's types hold under mypy --strict."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ODEON_BUILD", ROOT / "build/python"))
STUBS = ROOT / "python/src/odeon/_native.pyi"
OPTIONAL = {"Sidecar"}  # a package that is built without a library is without these
Function = (ast.FunctionDef, ast.AsyncFunctionDef)
KNOWS_DEFAULTS = (1, 8)  # the mypy from which on type variables may have defaults
AnyFunction: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.fixture(scope="module")
def native() -> ModuleType:
    return importlib.import_module("odeon._native")


@pytest.fixture(scope="module")
def stubs() -> ast.Module:
    return ast.parse(STUBS.read_text("utf-8"))


def declared(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """The names a body of stubs declares; of overloads the last."""
    found: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, ast.If):  # sys.version_info
            found |= declared(node.body)
        elif isinstance(node, (*Function, ast.ClassDef)):
            found[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
        elif isinstance(node, ast.Assign):
            found |= {each.id: node for each in node.targets if isinstance(each, ast.Name)}
    return found


def is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def is_type_only(node: ast.stmt) -> bool:
    """Type variables, aliases and protocols have no counterpart at run time."""
    if isinstance(node, ast.ClassDef):
        return any("Protocol" in ast.unparse(base) or "TypedDict" in ast.unparse(base)
                   for base in node.bases)
    if isinstance(node, ast.Assign):
        return True
    return isinstance(node, ast.AnnAssign) and "TypeAlias" in ast.unparse(node.annotation)


def decorators(node: AnyFunction) -> set[str]:
    return {ast.unparse(each) for each in node.decorator_list}


def parameters(node: AnyFunction, is_method: bool) -> list[tuple[str, bool]]:
    """(name, has a default) of each parameter but self, * and ** in their places."""
    spec = node.args
    plain = spec.posonlyargs + spec.args
    without = len(plain) - len(spec.defaults)
    found = [(each.arg, at >= without) for at, each in enumerate(plain)]
    if is_method and "staticmethod" not in decorators(node):
        found = found[1:]
    if spec.vararg:
        found.append(("*" + spec.vararg.arg, False))
    found += [(each.arg, default is not None)
              for each, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)]
    if spec.kwarg:
        found.append(("**" + spec.kwarg.arg, False))
    return found


def real_parameters(function: object) -> list[tuple[str, bool]] | None:
    """The same of a native function; None when it does not tell."""
    try:
        signature = inspect.signature(function)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return None
    stars = {int(inspect.Parameter.VAR_POSITIONAL): "*", int(inspect.Parameter.VAR_KEYWORD): "**"}
    found = [(stars.get(int(each.kind), "") + each.name, each.default is not each.empty)
             for each in signature.parameters.values()]
    return found[1:] if found and found[0][0] == "self" else found


def differences(name: str, node: ast.stmt, real: object, is_method: bool) -> list[str]:
    if not isinstance(node, Function) or "property" in decorators(node) \
            or "overload" in decorators(node):
        return []
    if not callable(real):
        return [f"{name}: a function in the stubs, but {type(real).__name__} in the module"]
    told = real_parameters(real)
    if told is None or told == parameters(node, is_method):
        return []
    # From 3.13 on a function of one argument that does not name it is told as `(object, /)`.
    if told == [("object", False)] and len(parameters(node, is_method)) == 1:
        return []
    return [f"{name}: stubs {parameters(node, is_method)}, module {told}"]


def test_stubs_and_module_have_the_same_names_and_signatures(
        native: ModuleType, stubs: ast.Module) -> None:
    told = declared(stubs.body)
    wrong: list[str] = []
    real_names = {name for name in vars(native) if not is_dunder(name)}
    wrong += [f"{name}: not in the stubs" for name in sorted(real_names - set(told))]
    for name, node in told.items():
        if is_type_only(node) or (name in OPTIONAL and name not in real_names):
            continue
        if name not in real_names:
            wrong.append(f"{name}: not in the module")
            continue
        real = getattr(native, name)
        wrong += differences(name, node, real, is_method=False)
        if isinstance(node, ast.ClassDef) != isinstance(real, type):
            wrong.append(f"{name}: a class on one side only")
        elif isinstance(node, ast.ClassDef):
            wrong += class_differences(name, node, real)
    assert not wrong, "\n".join(wrong)


def class_differences(name: str, node: ast.ClassDef, real: type) -> list[str]:
    told = {each: body for each, body in declared(node.body).items() if not is_dunder(each)}
    real_names = {each for each in vars(real) if not is_dunder(each)}
    wrong = [f"{name}.{each}: not in the stubs" for each in sorted(real_names - set(told))]
    for each, body in told.items():
        if not hasattr(real, each):
            wrong.append(f"{name}.{each}: not in the module")
        else:
            wrong += differences(f"{name}.{each}", body, getattr(real, each), is_method=True)
    return wrong


def test_the_comparison_sees_a_name_and_a_parameter_that_differ() -> None:
    class real:
        def ask(self, message: object, timeout: float = 1.0) -> None:
            """Here and there."""

        def tell(self, message: object) -> None:
            """Only here."""

    (node,) = ast.parse("class real:\n  def ask(self, msg, timeout=...): ...\n"
                        "  def gone(self): ...\n").body
    assert isinstance(node, ast.ClassDef)
    assert class_differences("real", node, real) == [
        "real.tell: not in the stubs",
        "real.ask: stubs [('msg', False), ('timeout', True)], "
        "module [('message', False), ('timeout', True)]",
        "real.gone: not in the module",
    ]


def mypy_of(python: str) -> tuple[int, ...] | None:
    """The version of an interpreter's mypy."""
    told = subprocess.run([python, "-m", "mypy", "--version"], capture_output=True, text=True,
                          check=False)
    found = re.match(r"mypy (\d+)\.(\d+)", told.stdout)
    return (int(found[1]), int(found[2])) if found else None


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The newest mypy there is: ours, or one in a virtual environment of the tests."""
    pythons = [sys.executable, *map(str, BUILD.glob("venv-cp*/bin/python"))]
    newest = max(((mypy_of(each) or (), each) for each in pythons), key=lambda found: found[0])
    if not newest[0]:
        pytest.skip(f"no mypy for {sys.executable}")
    folder = tmp_path_factory.mktemp("mypy")
    # Which ignores are needed differs from version to version; what typed_refs.py says does not.
    config = ("[mypy]\nstrict = True\npython_version = 3.11\nwarn_unused_ignores = False\n"
              "[mypy-typed_refs]\nwarn_unused_ignores = True\n"
              # Its stubs are for newer Pythons than ours.
              "[mypy-numpy,numpy.*]\nfollow_imports = skip\nfollow_imports_for_stubs = True\n"
              "ignore_missing_imports = True\n")
    if newest[0] < KNOWS_DEFAULTS:
        # The package itself is too new for it; what users write is checked all the same.
        config += "[mypy-odeon,odeon.*]\nfollow_imports = silent\n"
        config += "[mypy-odeon.task.*]\nfollow_imports = skip\n"
    (folder / "mypy.ini").write_text(config, "utf-8")
    return [newest[1], "-m", "mypy", "--config-file", str(folder / "mypy.ini"),
            "--cache-dir", str(folder / "cache"), "--no-error-summary", "--scripts-are-modules"]


def findings(checker: list[str], *paths: Path) -> str:
    """What mypy says; the package is found where its sources lie."""
    done = subprocess.run([*checker, *map(str, paths)], cwd=ROOT, capture_output=True, text=True,
                          check=False, env=dict(os.environ, MYPYPATH="python/src", PYTHONPATH=""))
    return done.stdout + done.stderr


@pytest.mark.once
@pytest.mark.limit(300)
def test_the_package_and_its_uses_are_clean_under_mypy_strict(checker: list[str]) -> None:
    package = sorted((ROOT / "python/src/odeon").rglob("*.py*"))
    package = [each for each in package if each.suffix in (".py", ".pyi")]
    package.append(ROOT / "python/tests/typed_streams.py")
    examples = sorted((ROOT / "examples/python").glob("[0-9]*.py"))
    if "silent" in Path(checker[4]).read_text("utf-8"):
        package, examples = [], []  # an old mypy: what it says of the examples is wrong
    found = findings(checker, *package, ROOT / "python/tests/typed_refs.py", *examples)
    assert not found, f"{checker[0]} -m mypy:\n{found}"


@pytest.mark.once
@pytest.mark.limit(120)
def test_a_wrong_message_type_is_found_by_mypy(checker: list[str], tmp_path: Path) -> None:
    program = tmp_path / "wrong.py"
    program.write_text("import odeon\n\n\ndef send(ref: odeon.ActorRef[int]) -> None:\n"
                       "    ref.tell('not a number')\n", "utf-8")
    found = findings(checker, program)
    assert "wrong.py:5" in found and "[arg-type]" in found, found
