"""Going on with a run: what is recorded is applied again, and nothing of it is asked or run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from odeon.errors import VersionConflict, from_code

from ._marking import Visit
from ._store import Record
from ._values import Values

if TYPE_CHECKING:
    from ._run import Run


@dataclass(slots=True)
class Failing:
    """Why a run fails."""

    code: str
    text: str
    cause: BaseException | None = None


@dataclass(slots=True)
class Completed:
    """A step with a compensation."""

    visit: Visit
    output: Any
    is_undone: bool = False


def replay(run: Run, values: Values, records: list[Record]) -> None:
    """Brings ``run`` to where its records end; raises the error of a run that has failed."""
    for r in records:
        act = _ACTS.get(r["kind"])
        if act is None:
            raise VersionConflict(f"the run '{run.run_id}' has a record '{r['kind']}'")
        act(run, values, r)


def _started(run: Run, values: Values, r: Record) -> None:
    g = run.plan.graph
    if r["workflow"] != g.name:
        raise VersionConflict(f"the run '{run.run_id}' is one of the workflow '{r['workflow']}'")
    same = r["version"] == g.version
    if not same and r["version"] not in g.compatible:
        raise VersionConflict(
            f"the run '{run.run_id}' was begun by version {r['version']} of '{g.name}', and "
            f"this is version {g.version}, which does not go on with it"
        )
    if difference := run.plan.difference(r["pins"], not same):
        raise VersionConflict(f"the run '{run.run_id}' was begun by other code: {difference}")
    input = values.unpack(r["input"])
    run._put(r["tokens"], input)
    if r["answers"]:
        run._has_answer, run._answer = True, input


def _done(run: Run, values: Values, r: Record) -> None:
    visit = run.marking.take(run.plan.steps[r["step"]], r["consumed"])
    run._apply_done(r, visit, values.unpack(r["output"]))


def _failed(run: Run, _: Values, r: Record) -> None:
    run._attempts[r["visit"]] = (r["attempt"], r["next"])


def _failing(run: Run, _: Values, r: Record) -> None:
    run._failing = Failing(r["code"], r["text"])
    run._failing_recorded = True
    run.marking.clear()


def _undone(run: Run, _: Values, r: Record) -> None:
    for c in run._completed:
        if c.visit.id == r["visit"]:
            c.is_undone = True
    if r["code"]:
        run._undo_failures.append(f"the compensation of '{r['step']}' failed: {r['text']}")


def _finished(run: Run, values: Values, r: Record) -> None:
    if r["code"]:
        raise from_code(r["code"], r["text"])
    run._answer = values.unpack(r["answer"])


_ACTS = {
    "started": _started,
    "done": _done,
    "failed": _failed,
    "failing": _failing,
    "undone": _undone,
    "finished": _finished,
}
