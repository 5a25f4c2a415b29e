"""Tests of tools/bench.py: its arithmetic, its table, and what it does when things go wrong.

The benchmark programs of these tests are small scripts that print rows and keep a log.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

BENCH = Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH.parent / "tools"))

import bench  # noqa: E402
import figures  # noqa: E402

PLAN = """
[systems]
odeon = "bench_odeon"
caf = "bench_caf"
floor = "bench_floor"

[pingpong]
title = "two actors take turns"
grows_in = "pairs"
grow_from = 1
metrics = [{ name = "message", unit = "ns", better = "lower", wanted = 35 }]

[tell]
title = "one actor floods another"
grows_in = "pairs"
grow_from = 2
metrics = [{ name = "throughput", unit = "M/s", better = "higher", of_floor = 0.5 }]

[sidecar]
title = "later"
grows_in = "clients"
grow_from = 1
metrics = [{ name = "invocations", unit = "k/s", better = "higher", wanted = 20 }]
"""

PROGRAM = """\
#!{python}
import json, os, signal, sys
from pathlib import Path
SYSTEM, HERE = {system!r}, Path({here!r})
def option(name, default):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default
def row(metric, unit, better, value, **other):
    fields = dict(workload=workload, metric=metric, unit=unit, better=better, system=SYSTEM,
                  value=value, size=size)
    print(json.dumps(fields | other))
if "--list" in sys.argv:
    print("pingpong"); print("tell"); sys.exit()
if "--version" in sys.argv:
    print(SYSTEM + " 1.0"); sys.exit()
workload, size = option("--workload", ""), int(option("--size", "1"))
with open(HERE / "log", "a") as log:
    print(SYSTEM, workload, size, file=log)
turn = (HERE / "log").read_text().splitlines().count(f"{{SYSTEM}} {{workload}} {{size}}")
if workload == "tell":
    row("throughput", "M/s", "higher", 10); sys.exit()
{body}
"""


class Folder(unittest.TestCase):
    """A build folder of its own for each test, with made-up programs."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.here = Path(folder.name)
        (self.here / "bench").mkdir()
        (self.here / "plan.toml").write_text(PLAN, encoding="utf-8")

    def program(self, system: str, body: str) -> None:
        """Makes bench_<system>, whose pingpong does `body`."""
        path = self.here / "bench" / f"bench_{system}"
        path.write_text(PROGRAM.format(python=sys.executable, system=system,
                                       here=str(self.here), body=textwrap.dedent(body)))
        path.chmod(0o755)

    def run_bench(self, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        fixed = ["--plan", str(self.here / "plan.toml"), "--build", str(self.here)]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = bench.main([*fixed, *arguments])
        return code, out.getvalue(), err.getvalue()

    def rows(self, *arguments: str) -> list[dict]:
        code, out, _ = self.run_bench("--json", *arguments)
        self.assertEqual(code, 0)
        return json.loads(out)

    def log(self) -> list[str]:
        return (self.here / "log").read_text().splitlines()


GOOD = 'row("message", "ns", "lower", 20)'


class Arithmetic(unittest.TestCase):
    def test_a_ratio_above_one_is_always_the_worse_one(self) -> None:
        lower = figures.Metric("m", "ns", "lower")
        higher = figures.Metric("m", "M/s", "higher")
        self.assertEqual(lower.ratio(100, 20), 5)
        self.assertEqual(higher.ratio(4, 20), 5)
        self.assertEqual(higher.ratio(40, 20), 0.5)

    def test_a_ratio_to_zero_is_none_unless_both_are_zero(self) -> None:
        metric = figures.Metric("cpu", "%", "lower")
        self.assertEqual(metric.ratio(0, 0), 1)
        self.assertIsNone(metric.ratio(0.3, 0))
        self.assertIsNone(metric.ratio(0, 0.3))

    def test_a_wanted_figure_is_met_on_its_better_side_and_at_the_figure(self) -> None:
        lower = figures.Metric("m", "ns", "lower")
        higher = figures.Metric("m", "M/s", "higher")
        self.assertEqual([lower.meets(v, 35) for v in (34, 35, 36)], [True, True, False])
        self.assertEqual([higher.meets(v, 30) for v in (29, 30, 31)], [False, True, True])

    def test_a_share_of_the_floor_is_wanted_only_where_the_floor_was_measured(self) -> None:
        metric = figures.Metric("m", "k/s", "higher", of_floor=0.7)
        self.assertAlmostEqual(metric.wanted_at(1, floor=4.0), 2.8)
        self.assertIsNone(metric.wanted_at(1, floor=None))

    def test_a_figure_of_the_whole_is_wanted_in_proportion_to_the_size(self) -> None:
        metric = figures.Metric("total", "ms", "lower", wanted=200, whole=1_000_000)
        self.assertEqual(metric.wanted_at(1_000_000, None), 200)
        self.assertEqual(metric.wanted_at(10_000, None), 2)

    def test_the_exponent_is_the_power_with_which_the_cost_grows(self) -> None:
        sizes = (1, 10, 100)
        for power in (0.0, 0.5, 1.0, 2.0):
            points = [(size, 7.0 * size**power) for size in sizes]
            self.assertAlmostEqual(figures.fitted_exponent(points), power)

    def test_one_size_or_a_cost_of_zero_has_no_exponent(self) -> None:
        self.assertIsNone(figures.fitted_exponent([(1, 5.0)]))
        self.assertIsNone(figures.fitted_exponent([(1, 5.0), (1, 6.0)]))
        self.assertIsNone(figures.fitted_exponent([(1, 0.0), (10, 6.0)]))

    def test_a_figure_of_the_whole_is_flat_when_it_grows_with_the_size(self) -> None:
        metric = figures.Metric("total", "ms", "lower", whole=1)
        workload = figures.Workload("skynet", "", "leaves", 1, (metric,))
        results = figures.Results()
        for size in (10, 100, 1000):
            results.values[("skynet", size, "total", "odeon")] = [3.0 * size]
        self.assertAlmostEqual(results.exponent(workload, metric, "odeon"), 0)

    def test_a_throughput_that_falls_with_the_size_has_a_growing_cost(self) -> None:
        metric = figures.Metric("throughput", "M/s", "higher")
        workload = figures.Workload("big", "", "actors", 1, (metric,))
        results = figures.Results()
        for size in (1, 10, 100):
            results.values[("big", size, "throughput", "odeon")] = [40 / size]
        exponent = results.exponent(workload, metric, "odeon")
        self.assertAlmostEqual(exponent, 1)
        self.assertEqual(figures.exponent_cell(exponent), "+1.00 grows")
        self.assertEqual(figures.exponent_cell(0.04), "+0.04 flat")

    def test_figures_have_three_digits_and_never_an_exponent(self) -> None:
        values = (0, 0.0123456, 1, 34.56, 1234.5, 2_000_000)
        self.assertEqual([figures.number(v) for v in values],
                         ["0", "0.0123", "1.00", "34.6", "1,234", "2,000,000"])


class Measuring(Folder):
    def test_medians_with_least_and_greatest_come_from_all_runs(self) -> None:
        self.program("odeon", 'row("message", "ns", "lower", {1: 30, 2: 10, 3: 20}[turn])')
        (row,) = self.rows("--only", "pingpong", "--runs", "3", "--peers", "odeon")
        self.assertEqual(row, {
            "workload": "pingpong", "metric": "message", "unit": "ns", "better": "lower",
            "system": "odeon", "median": 20.0, "min": 10.0, "max": 30.0, "runs": 3, "size": 1})

    def test_the_systems_take_turns_within_each_run(self) -> None:
        self.program("odeon", GOOD)
        self.program("caf", GOOD)
        self.rows("--only", "pingpong,tell", "--runs", "2", "--peers", "caf,odeon")
        self.assertEqual([line.split()[:2] for line in self.log()], [
            ["odeon", "pingpong"], ["caf", "pingpong"], ["odeon", "pingpong"],
            ["caf", "pingpong"], ["odeon", "tell"], ["caf", "tell"], ["odeon", "tell"],
            ["caf", "tell"]])

    def test_a_size_reaches_the_program_and_the_row(self) -> None:
        self.program("odeon", GOOD)
        (row,) = self.rows("--only", "pingpong", "--size", "48", "--runs", "1")
        self.assertEqual(row["size"], 48)

    def test_growth_measures_three_sizes_and_gives_the_exponent(self) -> None:
        self.program("odeon", 'row("message", "ns", "lower", 5 * size)')
        rows = self.rows("--only", "pingpong", "--growth", "--runs", "1")
        self.assertEqual([row["size"] for row in rows], [1, 10, 100])
        for row in rows:
            self.assertAlmostEqual(row["exponent"], 1)
        _, out, _ = self.run_bench("--only", "tell", "--growth", "--runs", "1")
        self.assertIn("+0.00 flat", out)
        self.assertEqual([line.split()[2] for line in self.log() if "tell" in line],
                         ["2", "20", "200"])


class Table(Folder):
    def test_it_shows_ratios_to_odeon_and_to_what_is_wanted(self) -> None:
        self.program("odeon", 'row("message", "ns", "lower", 70)')
        self.program("caf", 'row("message", "ns", "lower", 175)')
        self.program("floor", GOOD)
        code, out, _ = self.run_bench("--runs", "1")
        lines = [line.split() for line in out.splitlines()]
        self.assertEqual(code, 0)
        self.assertEqual(lines[1], ["pingpong", "message", "ns", "1", "odeon", "70.0",
                                    "70.0–70.0", "1.00×", "≤", "35.0", "2.00×", "missed"])
        self.assertEqual(lines[2], ["caf", "175", "175–175", "2.50×", "5.00×"])
        self.assertEqual(lines[4], ["tell", "throughput", "M/s", "1", "odeon", "10.0",
                                    "10.0–10.0", "1.00×", "≥", "5.00", "0.500×", "met"])
        self.assertIn("odeon is odeon 1.0; caf is caf 1.0", out)

    def test_a_baseline_adds_the_ratio_to_it(self) -> None:
        self.program("odeon", GOOD)
        rows = self.rows("--only", "pingpong", "--runs", "1")
        rows[0]["median"] = 10.0
        (self.here / "before.json").write_text(json.dumps(rows))
        _, out, _ = self.run_bench("--only", "pingpong", "--runs", "1",
                                   "--baseline", str(self.here / "before.json"))
        self.assertTrue(out.splitlines()[0].endswith("× baseline"))
        self.assertTrue(out.splitlines()[1].endswith("2.00×"))

    def test_a_baseline_that_is_no_output_of_ours_is_refused(self) -> None:
        (self.here / "before.json").write_text('[{"workload": "pingpong"}]')
        code, _, err = self.run_bench("--baseline", str(self.here / "before.json"))
        self.assertEqual(code, 2)
        self.assertIn("before.json is no output of --json", err)


class Trouble(Folder):
    def failure(self, body: str, *arguments: str) -> str:
        """Runs a bad CAF beside a good Odeon; the run goes on, and ends with code 1."""
        self.program("odeon", GOOD)
        self.program("caf", body)
        code, out, err = self.run_bench("--json", "--runs", "2", *arguments)
        self.assertEqual(code, 1)
        measured = [(r["workload"], r["system"], r["runs"]) for r in json.loads(out)]
        self.assertEqual(measured, [("pingpong", "odeon", 2), ("tell", "odeon", 2),
                                    ("tell", "caf", 2)])
        self.assertEqual(sum(line.startswith("caf pingpong") for line in self.log()),
                         2 if "turn == 2" in body else 1)
        (line,) = [line for line in err.splitlines() if "floor" not in line]
        return line

    def test_a_failing_program_is_reported_and_does_not_end_the_run(self) -> None:
        line = self.failure('print("the sum is wrong", file=sys.stderr); sys.exit(3)')
        self.assertEqual(line, "bench: caf pingpong: ended with code 3: the sum is wrong")

    def test_what_a_program_measured_before_it_failed_is_dropped(self) -> None:
        self.failure(f"sys.exit(1) if turn == 2 else {GOOD}")

    def test_a_crashing_program_is_reported_with_its_signal(self) -> None:
        line = self.failure("os.kill(os.getpid(), signal.SIGKILL)")
        self.assertEqual(line, "bench: caf pingpong: was killed by signal 9")

    def test_a_program_that_hangs_is_ended(self) -> None:
        line = self.failure("signal.pause()", "--timeout", "2")
        self.assertEqual(line, "bench: caf pingpong: did not end within 2 s")

    def test_a_program_that_prints_no_row_is_refused(self) -> None:
        self.assertIn("which is no row", self.failure('print("42 ns")'))

    def test_a_program_with_another_unit_is_refused(self) -> None:
        line = self.failure('row("message", "us", "lower", 20)')
        self.assertIn("disagrees with the plan", line)

    def test_a_program_with_an_unknown_or_double_metric_is_refused(self) -> None:
        self.assertIn("'latency'", self.failure('row("latency", "ns", "lower", 20)'))

    def test_a_program_that_prints_a_metric_twice_is_refused(self) -> None:
        self.assertIn("does not expect", self.failure(GOOD + "\n" + GOOD))

    def test_a_program_that_leaves_a_metric_out_is_refused(self) -> None:
        self.assertIn("printed no message", self.failure(""))

    def test_a_figure_that_is_no_number_is_refused(self) -> None:
        self.assertIn("measured message = nan",
                      self.failure('row("message", "ns", "lower", float("nan"))'))

    def test_a_system_says_with_null_that_it_has_no_such_metric(self) -> None:
        self.program("odeon", GOOD)
        self.program("caf", 'row("message", "ns", "lower", None)')
        rows = self.rows("--runs", "1", "--only", "pingpong", "--peers", "odeon,caf")
        self.assertEqual([row["system"] for row in rows], ["odeon"])

    def test_a_system_may_have_several_programs_with_workloads_of_their_own(self) -> None:
        plan = self.here / "plan.toml"
        plan.write_text(PLAN.replace('"bench_odeon"', '["bench_odeon", "bench_python"]'))
        self.program("odeon", GOOD)
        path = self.here / "bench" / "bench_python"
        path.write_text((self.here / "bench" / "bench_odeon").read_text()
                        .replace('print("pingpong"); print("tell")', 'print("sidecar")')
                        .replace(GOOD, 'row("invocations", "k/s", "higher", 7)'))
        path.chmod(0o755)
        rows = self.rows("--runs", "1", "--peers", "odeon", "--only", "pingpong,sidecar")
        self.assertEqual([(row["workload"], row["system"]) for row in rows],
                         [("pingpong", "odeon"), ("sidecar", "odeon")])

    def test_the_table_names_what_failed(self) -> None:
        self.program("caf", "sys.exit(1)")
        code, out, _ = self.run_bench("--runs", "1")
        self.assertEqual(code, 1)
        self.assertIn("failed: caf pingpong: ended with code 1", out)

    def test_a_program_that_cannot_list_its_workloads_is_reported(self) -> None:
        self.program("odeon", GOOD)
        (self.here / "bench" / "bench_caf").write_text("not a program")
        code, out, err = self.run_bench("--json", "--runs", "1", "--only", "pingpong")
        self.assertEqual(code, 1)
        self.assertEqual([row["system"] for row in json.loads(out)], ["odeon"])
        self.assertIn("bench: caf: bench_caf could not be started", err)

    def test_a_missing_peer_is_skipped_with_one_line(self) -> None:
        self.program("odeon", GOOD)
        code, out, err = self.run_bench("--json", "--peers", "odeon,caf", "--runs", "1")
        self.assertEqual(code, 0)
        self.assertEqual({row["system"] for row in json.loads(out)}, {"odeon"})
        self.assertEqual(err, "bench: caf is skipped: bench_caf is not built\n")

    def test_a_workload_that_nobody_has_is_skipped_with_one_line(self) -> None:
        self.program("odeon", GOOD)
        code, out, err = self.run_bench("--json", "--peers", "odeon", "--only", "sidecar")
        self.assertEqual((code, json.loads(out)), (0, []))
        self.assertEqual(err, "bench: sidecar is skipped: not built\n")

    def test_an_unknown_workload_or_peer_is_wrong_use(self) -> None:
        code, _, err = self.run_bench("--only", "pingpong,pong")
        self.assertEqual(code, 2)
        self.assertIn("no workload named pong; known: pingpong, tell, sidecar", err)
        code, _, err = self.run_bench("--peers", "odeon,akka")
        self.assertEqual(code, 2)
        self.assertIn("no system named akka", err)

    def test_a_plan_with_a_wrong_direction_is_refused(self) -> None:
        (self.here / "plan.toml").write_text(PLAN.replace('"lower"', '"less"'))
        code, _, err = self.run_bench()
        self.assertEqual(code, 2)
        self.assertIn("better is 'lower' or 'higher'", err)


class Listing(Folder):
    def test_the_list_says_who_has_each_workload_and_what_is_not_built(self) -> None:
        self.program("caf", GOOD)
        code, out, _ = self.run_bench("--list")
        self.assertEqual((code, out.splitlines()), (0, [
            "pingpong  two actors take turns [caf]",
            "tell      one actor floods another [caf]",
            "sidecar   later [not built]"]))

    def test_the_list_is_data_with_json(self) -> None:
        self.program("caf", GOOD)
        listed = self.rows("--list")
        self.assertEqual([(w["workload"], w["systems"]) for w in listed],
                         [("pingpong", ["caf"]), ("tell", ["caf"]), ("sidecar", [])])


class ThePlan(unittest.TestCase):
    def test_every_program_in_the_tree_measures_a_workload_of_the_plan(self) -> None:
        plan = figures.load_plan(bench.PLAN)
        registered = {
            (path, name)
            for path in BENCH.glob("**/*.cpp")
            for name in re.findall(r'const registration \w+\{\s*"(\w+)"', path.read_text("utf-8"))
        }
        self.assertGreater(len(registered), 10)
        self.assertEqual([(p, n) for p, n in registered if n not in plan.workloads], [])

    def test_every_metric_says_what_is_wanted(self) -> None:
        plan = figures.load_plan(bench.PLAN)
        for workload in plan.workloads.values():
            for metric in workload.metrics:
                self.assertIsNotNone(metric.wanted_at(1, floor=1.0), metric)


if __name__ == "__main__":
    unittest.main()
