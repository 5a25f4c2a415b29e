"""Sphinx reads the Markdown tree of this folder: `make docs`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from anchors import slug  # noqa: E402

project = "Odeon"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
suppress_warnings = ["misc.highlighting_failure"]  # code samples may hold an ellipsis
myst_heading_anchors = 3
myst_heading_slug_func = slug
html_theme = "alabaster"
html_theme_options = {"description": "An actor runtime in C++23", "page_width": "1060px"}
