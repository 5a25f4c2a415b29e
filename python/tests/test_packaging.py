"""What pip makes of a checkout: wheels, editable installs, source archives; and how failures read.

All of it offline, with the running interpreter, and with the build folder the tests run from.
"""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BACKEND = ROOT / "python/backend"
BUILD = Path(os.environ.get("ODEON_BUILD", ROOT / "build/python"))

HELLO = """
import asyncio, sys
import odeon

class Greeter(odeon.Actor[str]):
    def receive(self, msg: str, ctx: odeon.Context) -> str:
        return f"Hello, {msg}!"

async def main() -> None:
    async with odeon.ActorSystem("packaged") as system:
        greeter = system.spawn(Greeter)
        print(await greeter.ask("wheel", timeout=10.0))

asyncio.run(main())
print(odeon.__file__)
"""

USER_TEST = """
import odeon

class Echo(odeon.Actor[str]):
    def receive(self, msg: str) -> str:
        return msg

def test_an_actor_answers(actor_system):
    echo = actor_system.spawn(Echo)
    assert echo.ask_blocking("hello", timeout=10.0) == "hello"
"""

pytestmark = [pytest.mark.once, pytest.mark.limit(600)]


def environment(**more: str) -> dict[str, str]:
    """Ours without the package folder, and without an index that pip could ask."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "PIP_", "ODEON_"))}
    return {**kept, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "ODEON_BUILD_DIR": str(BUILD), **more}


def run(*command: str | Path, cwd: str | Path = "/") -> str:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True,
                          check=False, cwd=cwd, env=environment())
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def hook(call: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A hook of the backend in a process of its own, as a front end calls it."""
    program = f"import sys; sys.path.insert(0, {str(BACKEND)!r}); import odeon_build; {call}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=False, cwd=ROOT, env=environment(**more))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """The interpreter of a fresh virtual environment."""
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    return tmp_path / "venv/bin/python"


def test_a_wheel_installs_and_runs_without_the_checkout(
        wheel: Path, venv: Path, tmp_path: Path) -> None:
    run(venv, "-m", "pip", "install", wheel)
    program = tmp_path / "hello.py"
    program.write_text(HELLO, "utf-8")
    said = run(venv, program).split("\n")
    assert said[0] == "Hello, wheel!"
    assert str(tmp_path / "venv") in said[1]
    run(venv, "-m", "pip", "uninstall", "-y", "odeon")
    assert not list((tmp_path / "venv").rglob("libodeon.so"))


def test_an_installed_wheel_brings_its_fixtures_to_pytest(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--system-site-packages", tmp_path / "venv")
    python = tmp_path / "venv/bin/python"
    if "pytest" not in run(python, "-c", "import pkgutil; print(*(each.name for each in "
                                         "pkgutil.iter_modules()))").split():
        pytest.skip(f"{sys.executable} has no pytest of its own")
    run(python, "-m", "pip", "install", "--ignore-installed", wheel)
    (tmp_path / "test_user.py").write_text(USER_TEST, "utf-8")
    said = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path / "test_user.py")
    assert "1 passed" in said


def test_a_wheel_says_what_it_is_for_and_holds_no_debug_information(wheel: Path) -> None:
    version = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    assert wheel.name.endswith(f"-{version}-{version}-{platform}.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = next(name.split("/")[0] for name in names if ".dist-info/" in name)
        assert {"odeon/__init__.py", "odeon/libodeon.so", "odeon/py.typed", "odeon/_native.pyi",
                f"odeon/_native{sysconfig.get_config_var('EXT_SUFFIX')}", f"{info}/LICENSE",
                f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD"} <= names
        assert not [name for name in names if "__pycache__" in name or "tests" in name]
        assert b".debug_line" not in archive.read("odeon/libodeon.so")
        records = list(csv.reader(io.StringIO(archive.read(f"{info}/RECORD").decode())))
        assert {name for name, _, _ in records} == names
        assert b"Name: odeon\n" in archive.read(f"{info}/METADATA")


def test_the_same_sources_make_the_same_wheel(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    done = hook(f"[odeon_build.build_wheel(each) for each in {list(map(str, folders))}]")
    assert done.returncode == 0, done.stderr
    one, two = (next(each.glob("*.whl")) for each in folders)
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()


def test_an_editable_install_sees_an_edit_at_once(venv: Path, tmp_path: Path) -> None:
    run(venv, "-m", "pip", "install", "-e", ROOT)
    told = run(venv, "-c", "import odeon, os; print(os.path.realpath(odeon.__file__))")
    assert told.strip() == str(ROOT / "python/src/odeon/__init__.py")


def test_a_source_archive_holds_what_a_build_needs(tmp_path: Path) -> None:
    done = hook(f"print(odeon_build.build_sdist({str(tmp_path)!r}))")
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / done.stdout.split()[-1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        assert {"PKG-INFO", "pyproject.toml", "CMakeLists.txt", "CMakePresets.json", "LICENSE",
                "cmake/PythonPackage.cmake", "python/backend/odeon_build/__init__.py",
                "python/src/odeon/__init__.py", "src/base/CMakeLists.txt"} <= names
        assert not [name for name in names if name.startswith("build/")]
        archive.extractall(tmp_path)
    (tree,) = (each for each in tmp_path.iterdir() if each.is_dir())
    run("cmake", "--preset", "python", "-S", tree, "-B", tmp_path / "build", cwd=tree)


def test_a_build_folder_of_another_tree_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/CMakeLists.txt").write_text("# another project", "utf-8")
    cache = tmp_path / "CMakeCache.txt"
    cache.write_text(f"CMAKE_HOME_DIRECTORY:INTERNAL={tmp_path}/tree\n", "utf-8")
    done = hook("odeon_build.build_wheel('/nonexistent')", ODEON_BUILD_DIR=str(tmp_path))
    assert done.returncode != 0
    assert done.stderr.startswith(f"odeon: the build folder {tmp_path} belongs to {tmp_path}/tree")
    assert list(tmp_path.glob("*.ninja")) == []


@pytest.mark.parametrize(("tools", "sentence"), [
    ((), "odeon: CMake is not installed"),
    (("cmake",), "odeon: no clang++ of version 19 or newer is installed"),
])
def test_a_missing_tool_is_one_sentence(
        tools: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    for tool in tools:
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    done = hook("odeon_build.build_wheel('/nonexistent')", PATH=str(tmp_path), CXX="")
    assert done.returncode != 0
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


def test_a_compiler_that_does_not_do_is_named(tmp_path: Path) -> None:
    done = hook("odeon_build.build_wheel('/nonexistent')", CXX="/bin/false",
                ODEON_BUILD_DIR=str(tmp_path / "build"))
    assert done.returncode != 0
    assert "odeon: the configuration failed: " in done.stderr and "/bin/false" in done.stderr
    assert "Traceback" not in done.stderr
