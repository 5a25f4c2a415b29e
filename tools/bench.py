#!/usr/bin/env python3
"""Measures Odeon beside its peers and prints a table, or rows for a machine.

Each system has a program that measures one workload once, in a process of its own. This tool
runs the programs in turn (A B A B …), so that a noisy machine disturbs all of them alike, and
compares medians. What is measured and what is wanted stands in bench/wanted.toml; what each
workload does, in docs/guide/benchmarks.md.

Exit code: 0; 1 when a program failed (the others are measured all the same); 2 for wrong use.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

from figures import (  # noqa: E402
    Plan, Results, UsageError, Workload, load_baseline, load_plan, rows_of, table_of)

PLAN = ROOT / "bench" / "wanted.toml"
BUILDS = ("build/bench", "build/release")
GROWTH = (1, 10, 100)
QUICK_WORK = 0.001


class ProgramFailed(Exception):
    """A benchmark program crashed, ran too long or printed something else than its rows."""


@dataclass(frozen=True)
class Program:
    """One system's benchmark program, and the workloads that it has."""

    system: str
    path: Path
    workloads: frozenset[str]
    version: str

    def measure(self, workload: Workload, size: int | None, work: float,
                timeout: float) -> tuple[int, dict[str, float]]:
        """Runs the program once. Gives the size it used and a value for each metric."""
        command = [str(self.path), "--workload", workload.name, "--json", "--work", str(work)]
        if size is not None:
            command += ["--size", str(size)]
        return read_rows(run(command, timeout), self.system, workload)


def run(command: list[str], timeout: float) -> str:
    """Runs a command to its end and gives its standard output."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout,
                              check=False)
    except subprocess.TimeoutExpired:
        raise ProgramFailed(f"did not end within {timeout:g} s") from None
    except OSError as problem:
        raise ProgramFailed(f"could not be started: {problem.strerror}") from problem
    if done.returncode < 0:
        raise ProgramFailed(f"was killed by signal {-done.returncode}{last_line(done.stderr)}")
    if done.returncode > 0:
        raise ProgramFailed(f"ended with code {done.returncode}{last_line(done.stderr)}")
    return done.stdout


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return f": {lines[-1]}" if lines else ""


def read_rows(output: str, system: str, workload: Workload) -> tuple[int, dict[str, float]]:
    """Checks the rows a program printed against the plan: each metric once, and no other.

    The value null says that the system has no such thing; it is left out.
    """
    values: dict[str, float] = {}
    seen: set[str] = set()
    size = 0
    for line in output.splitlines():
        try:
            row = json.loads(line)
            name, value, size = row["metric"], read_value(row["value"]), int(row["size"])
            stated = (row["workload"], row["system"], row["unit"], row["better"])
        except (ValueError, KeyError, TypeError) as problem:
            raise ProgramFailed(f"printed {line!r}, which is no row") from problem
        metric = workload.metric(name)
        if metric is None or name in seen:
            raise ProgramFailed(f"printed the metric {name!r}, which the plan does not expect")
        if stated != (workload.name, system, metric.unit, metric.better):
            raise ProgramFailed(f"printed {line!r}, which disagrees with the plan")
        seen.add(name)
        if value is None:
            continue
        if not math.isfinite(value) or value < 0:
            raise ProgramFailed(f"measured {name} = {value}")
        values[name] = value
    missing = [m.name for m in workload.metrics if m.name not in seen]
    if missing:
        raise ProgramFailed(f"printed no {', '.join(missing)}")
    return size, values


def read_value(value) -> float | None:
    return None if value is None else float(value)


def find_program(system: str, program: str, builds: Iterable[Path]) -> Program | None:
    """The system's program in the first build folder that has it; None when nobody built it."""
    places = [ROOT / program] if "/" in program else [b / "bench" / program for b in builds]
    path = next((p for p in places if p.is_file()), None)
    if path is None:
        return None
    names = run([str(path), "--list"], timeout=30).split()
    version = run([str(path), "--version"], timeout=30).strip()
    return Program(system, path, frozenset(names), version)


def sizes_of(workload: Workload, args: argparse.Namespace) -> list[int | None]:
    """The sizes to measure; None leaves the size to the program."""
    if args.growth:
        return [(args.size or workload.grow_from) * factor for factor in GROWTH]
    if args.quick:
        return [args.size or workload.grow_from]
    return [args.size]


def measure_workload(workload: Workload, programs: list[Program], args: argparse.Namespace,
                     results: Results, say) -> None:
    """Runs the programs in turn, as often as asked; one that fails is not run again."""
    able = [p for p in programs if workload.name in p.workloads]
    for turn in range(args.runs):
        for size in sizes_of(workload, args):
            for program in able:
                key = (workload.name, program.system)
                if key in results.failed:
                    continue
                at = f", size {size}" if size is not None else ""
                say(f"{workload.name}: run {turn + 1} of {args.runs}{at}, {program.system}")
                try:
                    used, values = program.measure(workload, size, args.work, args.timeout)
                except ProgramFailed as problem:
                    results.failed[key] = f"{program.system} {workload.name}: {problem}"
                    results.drop(*key)
                    warn(f"bench: {results.failed[key]}")
                    continue
                for name, value in values.items():
                    place = (workload.name, used, name, program.system)
                    results.values.setdefault(place, []).append(value)


def list_text(plan: Plan, programs: list[Program]) -> Iterator[str]:
    """One line a workload: its name, what it is, and who has a program for it."""
    width = max(map(len, plan.workloads))
    for workload in plan.workloads.values():
        who = " ".join(p.system for p in programs if workload.name in p.workloads)
        yield f"{workload.name.ljust(width)}  {workload.title} [{who or 'not built'}]"


def list_rows(plan: Plan, programs: list[Program]) -> list[dict]:
    return [{"workload": w.name, "title": w.title, "grows_in": w.grows_in,
             "systems": [p.system for p in programs if w.name in p.workloads]}
            for w in plan.workloads.values()]


def warn(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def positive(kind):
    """An argparse type: a number above zero."""
    def convert(text: str):
        value = kind(text)
        if value <= 0:
            raise ValueError(text)
        return value
    convert.__name__ = f"positive {kind.__name__}"
    return convert


def names(text: str) -> list[str]:
    return [name for name in text.replace(",", " ").split() if name]


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench.py", description="Measures Odeon beside its peers, in turn, and compares.")
    parser.add_argument("--list", action="store_true", help="show the workloads and who has them")
    parser.add_argument("--only", type=names, metavar="A,B", help="only these workloads")
    parser.add_argument("--peers", type=names, metavar="A,B", help="only these systems")
    parser.add_argument("--runs", type=positive(int), default=5, help="turns of each (default 5)")
    parser.add_argument("--json", action="store_true", help="print rows instead of a table")
    parser.add_argument("--size", type=positive(int),
                        help="pairs, actors, open asks …: what the workload grows in")
    parser.add_argument("--growth", action="store_true",
                        help="measure at 1, 10 and 100 times the size and give the exponent")
    parser.add_argument("--work", type=positive(float), default=1.0,
                        help="factor on the number of messages, asks or actors (default 1)")
    parser.add_argument("--quick", action="store_true",
                        help="one run, small: shows that all programs work, measures nothing")
    parser.add_argument("--timeout", type=positive(float), default=300.0,
                        help="seconds that one run of a program may take (default 300)")
    parser.add_argument("--baseline", type=Path, metavar="FILE",
                        help="earlier --json output of this machine to compare with")
    parser.add_argument("--build", type=Path, action="append", metavar="DIR",
                        help=f"build folder, instead of {' or '.join(BUILDS)}")
    parser.add_argument("--plan", type=Path, default=PLAN, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.quick:
        args.runs, args.work = 1, min(args.work, QUICK_WORK)
    return args


def choose(what: str, asked: list[str] | None, known: dict) -> list[str]:
    """The asked names in the plan's order; all of them when none were asked."""
    unknown = [name for name in asked or [] if name not in known]
    if unknown:
        raise UsageError(f"no {what} named {', '.join(unknown)}; known: {', '.join(known)}")
    return [name for name in known if asked is None or name in asked]


def find_programs(plan: Plan, systems: list[str], builds: list[Path],
                  results: Results) -> list[Program]:
    """The programs that are there; one line for each that is not, or that cannot say its list."""
    found = []
    for system, name in [(system, name) for system in systems for name in plan.systems[system]]:
        try:
            program = find_program(system, name, builds)
        except ProgramFailed as problem:
            results.failed[("", system)] = f"{system}: {name} {problem}"
            warn(f"bench: {results.failed[('', system)]}")
            continue
        if program is None:
            warn(f"bench: {system} is skipped: {name} is not built")
        elif not program.workloads:
            warn(f"bench: {system} is skipped: {name} has no workloads here ({program.version})")
        else:
            found.append(program)
    return found


def progress(quiet: bool):
    """A function that shows on stderr how far the measuring is; one line on a terminal."""
    if quiet or not sys.stderr.isatty():
        return lambda text: None
    return lambda text: print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def report(plan: Plan, programs: list[Program], results: Results,
           args: argparse.Namespace, baseline: dict[tuple, float]) -> None:
    rows = rows_of(plan, results, args.growth)
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    if rows:
        print(table_of(plan, rows, baseline))
        print("\n× is cost against cost: above 1 is worse than Odeon, or than what is wanted.")
        print("Systems: " + "; ".join(f"{p.system} is {p.version}" for p in programs) + ".")
    for text in results.failed.values():
        print(f"failed: {text}")


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    results = Results()
    try:
        plan = load_plan(args.plan)
        workloads = choose("workload", args.only, plan.workloads)
        systems = choose("system", args.peers, plan.systems)
        baseline = load_baseline(args.baseline)
    except UsageError as problem:
        warn(f"bench: {problem}")
        return 2
    builds = args.build or [ROOT / build for build in BUILDS]
    programs = find_programs(plan, systems, builds, results)
    if args.list:
        print(json.dumps(list_rows(plan, programs), indent=1) if args.json
              else "\n".join(list_text(plan, programs)))
        return 1 if results.failed else 0
    say = progress(args.json)
    for name in workloads:
        if any(name in p.workloads for p in programs):
            measure_workload(plan.workloads[name], programs, args, results, say)
        elif args.only:
            warn(f"bench: {name} is skipped: not built")
    say("")
    report(plan, programs, results, args, baseline)
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
