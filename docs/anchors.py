"""Anchors of headings. A module of its own, because Sphinx pickles the function by its name."""

import re


def slug(title: str) -> str:
    """GitHub's anchors, but "s12" for "S12 …": the number stays when the words change."""
    number = re.match(r"S(\d+)\b", title)
    if number:
        return "s" + number[1]
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
