"""What tools/bench.py reckons with: the plan, the values measured, ratios, exponents, the table.

Nothing here starts a program or prints; see tools/bench.py for that.
"""

from __future__ import annotations

import json
import math
import statistics
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

FLAT = 0.1
"""An exponent up to this is called flat: at most 1.6 times the cost at 100 times the size."""


class UsageError(Exception):
    """The command line or the plan is wrong; the text is for a person."""


@dataclass(frozen=True)
class Metric:
    name: str
    unit: str
    better: str
    wanted: float | None = None
    of_floor: float | None = None
    whole: int = 0

    def __post_init__(self) -> None:
        if self.better not in ("lower", "higher"):
            raise UsageError(f"metric {self.name}: better is 'lower' or 'higher'")

    def cost(self, value: float) -> float:
        """The value as a cost, of which less is better."""
        return value if self.better == "lower" else (1 / value if value else math.inf)

    def ratio(self, value: float, reference: float) -> float | None:
        """How many times the reference's cost the value costs; None where that has no sense."""
        if value == reference:
            return 1.0
        if value <= 0 or reference <= 0:
            return None
        return self.cost(value) / self.cost(reference)

    def meets(self, value: float, wanted: float) -> bool:
        return value <= wanted if self.better == "lower" else value >= wanted

    def wanted_at(self, size: int, floor: float | None) -> float | None:
        """What is wanted of this size, next to what the floor reached; None where unknown."""
        if self.of_floor is not None:
            return None if floor is None else self.of_floor * floor
        if self.whole and self.wanted is not None:
            return self.wanted * size / self.whole
        return self.wanted


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    grows_in: str
    grow_from: int
    metrics: tuple[Metric, ...]

    def metric(self, name: str) -> Metric | None:
        return next((m for m in self.metrics if m.name == name), None)


@dataclass(frozen=True)
class Plan:
    systems: dict[str, tuple[str, ...]]  # the programs of each
    workloads: dict[str, Workload]


def load_plan(path: Path) -> Plan:
    """Reads wanted.toml. Raises UsageError with the place for anything it does not understand."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        systems = {name: (given,) if isinstance(given, str) else tuple(given)
                   for name, given in data.pop("systems").items()}
        workloads = {
            name: Workload(name, w["title"], w["grows_in"], w["grow_from"],
                           tuple(Metric(**m) for m in w["metrics"]))
            for name, w in data.items()
        }
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as problem:
        raise UsageError(f"{path}: {problem!r}") from problem
    return Plan(systems, workloads)


@dataclass
class Results:
    """All values, by workload, size, metric and system; and what failed, by workload and system."""

    values: dict[tuple[str, int, str, str], list[float]] = field(default_factory=dict)
    failed: dict[tuple[str, str], str] = field(default_factory=dict)

    def drop(self, workload: str, system: str) -> None:
        """Forgets what a program measured before it failed."""
        for key in [k for k in self.values if k[0] == workload and k[3] == system]:
            del self.values[key]

    def median(self, workload: str, size: int, metric: str, system: str) -> float | None:
        values = self.values.get((workload, size, metric, system))
        return statistics.median(values) if values else None

    def exponent(self, workload: Workload, metric: Metric, system: str) -> float | None:
        """The power of the size with which a single thing's cost grows; None below two sizes."""
        points = []
        for (name, size, which, who), values in self.values.items():
            if (name, which, who) == (workload.name, metric.name, system):
                cost = metric.cost(statistics.median(values))
                points.append((size, cost / size if metric.whole else cost))
        return fitted_exponent(points)


def fitted_exponent(points: list[tuple[int, float]]) -> float | None:
    """The least-squares slope of log cost over log size."""
    if len({size for size, _ in points}) < 2 or any(c <= 0 or math.isinf(c) for _, c in points):
        return None
    slope, _ = statistics.linear_regression([math.log(s) for s, _ in points],
                                            [math.log(c) for _, c in points])
    return slope


def rows_of(plan: Plan, results: Results, growth: bool) -> list[dict]:
    """One row for each workload, metric, system and size; with --growth also its exponent."""
    rows = []
    for (name, size, which, system), values in sorted(
            results.values.items(), key=lambda item: order_of(plan, item[0])):
        workload = plan.workloads[name]
        metric = workload.metric(which)
        row = {
            "workload": name, "metric": which, "unit": metric.unit, "better": metric.better,
            "system": system, "median": statistics.median(values), "min": min(values),
            "max": max(values), "runs": len(values), "size": size,
        }
        if growth:
            row["exponent"] = results.exponent(workload, metric, system)
        rows.append(row)
    return rows


def order_of(plan: Plan, key: tuple[str, int, str, str]) -> tuple:
    """The order of the plan: workload, metric, size, system."""
    name, size, metric, system = key
    metrics = [m.name for m in plan.workloads[name].metrics]
    return (list(plan.workloads).index(name), metrics.index(metric), size,
            list(plan.systems).index(system))


def table_of(plan: Plan, rows: list[dict], baseline: dict[tuple, float]) -> str:
    """The rows as text: ratios are costs, so that above 1 is worse than what it is held against."""
    growth = any("exponent" in row for row in rows)
    head = ["workload", "metric", "unit", "size", "system", "median", "min–max", "× odeon",
            "wanted", "× wanted"]
    head += ["exponent"] * growth + ["× baseline"] * bool(baseline)
    medians = {key_of(row): row["median"] for row in rows}
    lines, last = [head], None
    for row in rows:
        metric = plan.workloads[row["workload"]].metric(row["metric"])
        at = (row["workload"], row["metric"], row["size"])
        odeon, floor = medians.get((*at, "odeon")), medians.get((*at, "floor"))
        wanted = metric.wanted_at(row["size"], floor)
        line = [row["workload"], row["metric"], row["unit"], str(row["size"])]
        if at == last:
            line = [""] * len(line)
        line += [row["system"], number(row["median"]), span(row)]
        line.append(times(metric.ratio(row["median"], odeon) if odeon is not None else None))
        line += wanted_cells(metric, row, wanted, at != last)
        if growth:
            line.append(exponent_cell(row["exponent"]))
        if baseline:
            before = baseline.get(key_of(row))
            line.append(times(None if before is None else metric.ratio(row["median"], before)))
        lines.append(line)
        last = at
    return align(lines)


def wanted_cells(metric: Metric, row: dict, wanted: float | None, first: bool) -> list[str]:
    """What is wanted, and how the row stands to it; a verdict only for Odeon."""
    if wanted is None:
        return ["", ""]
    text = times(metric.ratio(row["median"], wanted))
    if row["system"] == "odeon":
        text += " met" if metric.meets(row["median"], wanted) else " missed"
    sign = "≤" if metric.better == "lower" else "≥"
    return [f"{sign} {number(wanted)}" if first else "", text]


def exponent_cell(exponent: float | None) -> str:
    if exponent is None:
        return "–"
    return f"{exponent:+.2f} {'flat' if exponent <= FLAT else 'grows'}"


def key_of(row: dict) -> tuple:
    return (row["workload"], row["metric"], row["size"], row["system"])


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def span(row: dict) -> str:
    return f"{number(row['min'])}–{number(row['max'])}"


def times(ratio: float | None) -> str:
    return "–" if ratio is None else f"{number(ratio)}×"


def align(lines: list[list[str]]) -> str:
    """Columns under each other: names to the left, figures to the right."""
    left = {0, 1, 2, 4}
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    padded = ([cell.ljust(width) if i in left else cell.rjust(width)
               for i, (cell, width) in enumerate(zip(line, widths, strict=True))]
              for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in padded)


def load_baseline(path: Path | None) -> dict[tuple, float]:
    """The medians of an earlier run's --json output."""
    if path is None:
        return {}
    try:
        return {key_of(row): float(row["median"]) for row in json.loads(path.read_text("utf-8"))}
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise UsageError(f"{path} is no output of --json: {problem!r}") from problem
