"""The table of what modules bear, and the gate of imports."""

from __future__ import annotations

import importlib
import sys

import pytest

from odeon import dispatchers, interpreters
from odeon.errors import InterpreterCompatError


@pytest.fixture
def gate():
    before = list(sys.meta_path)
    yield interpreters.install
    sys.meta_path[:] = before


def test_the_nearest_package_that_is_known_speaks_for_a_module() -> None:
    numpy = interpreters.compat_flags("numpy.linalg.lapack")
    assert numpy is not None and not numpy.subinterpreter_safe and numpy.nogil_safe
    assert interpreters.compat_flags("numpyish") is None


def test_declaring_replaces_and_registering_unsafe_keeps_the_other_flag() -> None:
    interpreters.declare_compat("some.module", True, True)
    interpreters.register_unsafe("some.module", "it crashed")
    found = interpreters.compat_flags("some.module.below")
    assert found == interpreters.Compat("some.module", False, True, "it crashed")
    assert found in interpreters.compat_list()
    with pytest.raises(ValueError):
        interpreters.declare_compat("", True, True)


def test_the_gate_stands_first_refuses_by_table_and_lists_and_is_there_once(gate) -> None:
    sys.modules.pop("colorsys", None)
    interpreters.register_unsafe("colorsys", "a test says so")
    gate(deny=["wave"])
    gate(deny=["wave"])
    assert [type(f).__name__ for f in sys.meta_path].count("_Gate") == 1
    assert type(sys.meta_path[0]).__name__ == "_Gate"
    with pytest.raises(InterpreterCompatError, match="a test says so") as caught:
        importlib.import_module("colorsys")
    assert caught.value.name == "colorsys" and isinstance(caught.value, ImportError)
    sys.modules.pop("wave", None)
    with pytest.raises(InterpreterCompatError, match="list of modules that must"):
        importlib.import_module("wave")
    interpreters.declare_compat("colorsys", True, True)
    import colorsys as allowed

    assert allowed.rgb_to_hsv(0, 0, 0) == (0.0, 0, 0)


def test_a_list_of_what_is_allowed_lets_the_standard_library_through(gate) -> None:
    gate(allow=["pool_actors"])
    sys.modules.pop("graphlib", None)
    importlib.import_module("graphlib")

    with pytest.raises(InterpreterCompatError, match="may be imported"):
        importlib.import_module("some_module_of_others")


def test_options_refuse_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="at least one"):
        dispatchers.subinterpreters(0)
    with pytest.raises(ValueError, match="max_actors"):
        dispatchers.subinterpreters(1, max_actors=0)
    with pytest.raises(ValueError, match="cpu_share"):
        dispatchers.Quota(cpu_share=1.5)
    with pytest.raises(ValueError, match="import_policy"):
        dispatchers.subinterpreters(1, import_policy="sometimes")  # type: ignore[arg-type]


def test_what_this_python_can_do_is_told_with_the_reason() -> None:
    assert interpreters.subinterpreters_supported() == (sys.version_info >= (3, 13))
    reason = interpreters.why_no_nogil()
    assert (reason is None) == interpreters.nogil_supported()
