"""The programs of the page about other machines run."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def test_the_programs_of_the_guide_run(
        guide_blocks: Callable[[str], int], capsys: pytest.CaptureFixture[str]) -> None:
    assert guide_blocks("python-remote.md") == 4
    assert capsys.readouterr().out == "app-1\nalice True\n10.0.0.7:7400\n"
