#!/usr/bin/env python3
"""House rules of the text: line length, blanks, seams, output, left-overs.

`tools/tidy.py [root]`; exit 1 on findings. Each message names what to write instead. A file that
breaks a rule for a reason is listed in tools/exceptions.toml.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import source_tree
from source_tree import Report, is_test

COLUMNS = 100
TEXT = (".hpp", ".cpp", ".py", ".cmake", ".txt", ".toml", ".md", ".sh", ".json", ".in", ".yml")
CODE = (".hpp", ".cpp")
WIDE = (".md", ".json", ".txt", ".toml", ".in", ".cmake")  # tables, lists for programs

LEFT_OVER = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
COMMENTED_CODE = re.compile(
    r"^\s*//(?![/!])\s*(?:(?:return|if|for|while|auto|const|delete|throw|co_\w+)\b.*[;{]"
    r"|[\w:.>\-]+\(.*\)\s*;|[\w:<>*& ]+ \w+\s*=\s*[^=].*;|#include\b.*|\})\s*$")
RAW_STRING = re.compile(r'R"([^(\s]*)\(.*?\)\1"', re.S)

# Seams: what only src/runtime does. (pattern, rule, where it applies, what instead)
SEAMS = [
    (re.compile(r"std::this_thread::(sleep_for|sleep_until|yield)"
                r"|\b(usleep|nanosleep)\s*\(|(?<!\w)::sleep\s*\("),
     "seam-sleep", {"library", "test"},
     "wait on a condition (runtime::wait), arm a timer, or use the test kit's clock (advance)"),
    (re.compile(r"\b(steady_clock|system_clock|high_resolution_clock|utc_clock)\b"
                r"|\b(clock_gettime|gettimeofday|rdtsc)\s*\(|std::time\s*\("),
     "seam-clock", {"library", "test"},
     "read time from odeon::runtime (now, wall_now); in tests from the test kit's clock"),
    (re.compile(r"std::(thread|jthread|async)\b(?!::)|\bpthread_create\s*\("),
     "seam-thread", {"library"},
     "get an executor or a serial_executor from odeon::runtime"),
    (re.compile(r"std::(random_device|mt19937\w*|rand)\b"
                r"|\b(getrandom|getentropy)\s*\("),
     "seam-entropy", {"library"}, "draw from runtime::random"),
    (re.compile(r"(?<![\w.>])::(socket|bind|connect|accept4?)\s*\("),
     "seam-socket", {"library"}, "sockets belong to src/net"),
    (re.compile(r"std::(fopen|ifstream|ofstream|fstream)\b"
                r"|(?<![\w.>])(::open|::openat|fopen)\s*\("),
     "seam-file", {"library"}, "files belong to the stores' back ends in src/persistence"),
]
OUTPUT = re.compile(r"std::(cout|cerr|clog|printf|puts)\b"
                    r"|(?<![\w:.>])(printf|puts)\s*\(|\bfprintf\s*\(")

# Where to stop and think (CONTRIBUTING.md): reported as a warning only.
SIZES = [("include/", ".hpp", 300), ("src/", ".test.cpp", 400), ("tests/", ".cpp", 400),
         ("examples/", ".cpp", 100), ("src/", ".cpp", 450), ("src/", ".hpp", 300)]

RULES = {"line-length", "tab", "trailing-blank", "final-newline", "pragma-once", "left-over",
         "commented-code", "no-output", "test-name"} | {s[1] for s in SEAMS}


def kind(path: str) -> str:
    """Where a C++ file stands: library, runtime (the seam itself), test or program."""
    if is_test(path) or path.startswith("tests/"):
        return "test"
    if path.startswith("src/runtime/") or path.startswith("src/net/"):
        return "runtime"
    if path.startswith(("src/", "include/")):
        return "library"
    return "program"


def without_strings_and_comments(text: str) -> str:
    """The code alone; line breaks stay where they were."""
    pattern = re.compile(r'R"([^(\s]*)\(.*?\)\1"|//[^\n]*|/\*.*?\*/'
                         r'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)
    return pattern.sub(lambda m: "\n" * m.group().count("\n") or " ", text)


def check_lines(report: Report, path: str, text: str) -> None:
    wide = path.endswith(WIDE) or path == "Makefile"
    makefile = path.endswith("Makefile")
    for number, line in enumerate(text.split("\n"), 1):
        if not wide and len(line) > COLUMNS:
            report.error(path, number, "line-length",
                         f"{len(line)} columns; break it before {COLUMNS}")
        if "\t" in line and not makefile:
            report.error(path, number, "tab", "a tab; indent with spaces")
        if line != line.rstrip() and not makefile:
            report.error(path, number, "trailing-blank",
                         "blanks at the end of the line; remove them")
        if LEFT_OVER.search(line):
            report.error(path, number, "left-over",
                         "a note to oneself; do it now, or say what is missing on purpose")
    if text and not text.endswith("\n"):
        report.error(path, None, "final-newline", "no line break at the end; add one")


def check_code(report: Report, path: str, text: str) -> None:
    where = kind(path)
    plain = RAW_STRING.sub(lambda m: "\n" * m.group().count("\n"), text)
    for number, line in enumerate(plain.split("\n"), 1):
        if COMMENTED_CODE.match(line):
            report.error(path, number, "commented-code",
                         "commented-out code; delete it, git remembers")
    for number, line in enumerate(without_strings_and_comments(text).split("\n"), 1):
        for pattern, rule, places, instead in SEAMS:
            found = pattern.search(line) if where in places else None
            if found:
                report.error(path, number, rule, f"'{found.group()}' outside the seam; {instead}")
        if where == "library" and OUTPUT.search(line):
            report.error(path, number, "no-output",
                         "a library prints nothing; log, return an error, publish an event")
    if path.endswith(".hpp") and "#pragma once" not in text:
        report.error(path, 1, "pragma-once", "no include guard; begin with #pragma once")
    for match in re.finditer(r'\bTEST_CASE\(\s*"([^"]*)"', text):
        if len(match.group(1).split()) < 3:
            number = text.count("\n", 0, match.start()) + 1
            report.error(path, number, "test-name",
                         f'"{match.group(1)}" names no behaviour; say what happens, '
                         'as "an expired message is …"')


def check_size(report: Report, path: str, text: str) -> None:
    for start, ending, limit in SIZES:
        if path.startswith(start) and path.endswith(ending):
            lines = text.count("\n")
            if lines > limit:
                report.warn(path, f"{lines} lines, more than {limit}: could it be two files?")
            return


def run(root: Path) -> int:
    report = Report(root)
    checked = 0
    for path in source_tree.files(root):
        if not path.endswith((*TEXT, "Makefile")) or path.startswith("dashboard/"):
            continue
        checked += 1
        text = (root / path).read_text("utf-8")
        if path != "LICENSE":
            check_lines(report, path, text)
        if path.endswith(CODE):
            check_code(report, path, text)
            check_size(report, path, text)
    return report.finish("tidy", RULES, f"{checked} files")


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else source_tree.ROOT))
