"""Results over many histories, with intervals: false alarms, delays, promotions, errors."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np

from tip_assets.rehearsal.play import RULE, Played, Rehearsal, play

_RESAMPLES = 2_000
_PERCENT = 100


@dataclass(frozen=True)
class Estimate:
    """A mean over histories with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    def describe(self, form: str, unit: str = "") -> str:
        mean, low, high = (format(value, form) for value in (self.mean, self.low, self.high))
        return f"{mean}{unit} ({low} to {high})"


@dataclass(frozen=True)
class Results:
    """The results of a rehearsal; None if there is nothing to measure.

    `false_alarms` are per year, before the first event. `months_until_seen` counts from the first
    event, over the share of histories that detected it (`seen`). `promotions` are per year after
    the first model. `errors` are each policy's RMSE in dollars on the months it served, and
    `differences` the rule's error minus each other policy's in the same history.
    """

    histories: int
    false_alarms: Estimate | None
    seen: float | None
    months_until_seen: Estimate | None
    promotions: Estimate
    right: float | None
    stopped: Estimate
    errors: dict[str, Estimate]
    differences: dict[str, Estimate]


def play_all(rehearsal: Rehearsal, histories: int, seed: int, processes: int) -> Iterator[Played]:
    """Simulate histories in parallel; yields them in the order of their seeds."""
    seeds = [seed * 1_000_003 + number for number in range(histories)]
    # A forked process would deadlock: it lacks the threads of xgboost.
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        yield from pool.map(partial(play, rehearsal), seeds)


def results_of(rehearsal: Rehearsal, played: Sequence[Played]) -> Results:
    """Compute the results of a rehearsal's histories."""
    first = rehearsal.scenario.first_change
    quiet = (first or rehearsal.months + 1) - 1
    delays = [d for history in played if (d := _delay(history, first)) is not None]
    promotions = sum(len(history.promotions) for history in played)
    years = (rehearsal.months - 1) / 12
    return Results(
        histories=len(played),
        false_alarms=_estimate([sum(m <= quiet for m in p.alarms) / (quiet / 12) for p in played])
        if quiet
        else None,
        seen=len(delays) / len(played) if first else None,
        months_until_seen=_estimate(delays) if delays else None,
        promotions=_estimate([len(p.promotions) / years for p in played]),
        right=sum(p.right for p in played) / promotions if promotions else None,
        stopped=_estimate([len(p.stopped) for p in played]),
        errors={
            policy: _estimate([_error(p, policy) for p in played]) for policy in rehearsal.policies
        },
        differences={
            policy: _estimate([_error(p, RULE) - _error(p, policy) for p in played])
            for policy in rehearsal.compared
        },
    )


def table(rehearsal: Rehearsal, results: Results) -> list[tuple[str, str]]:
    """Return the result as rows of label and value."""
    rows = [
        (
            "played",
            f"{results.histories} histories of {rehearsal.months} months of {rehearsal.rows} rows",
        )
    ]
    if results.false_alarms:
        rows.append(("false alarms", results.false_alarms.describe(".2f", " a year")))
    if results.seen is not None:
        rows.append(("change seen", f"in {results.seen:.0%} of histories"))
    if results.months_until_seen:
        rows.append(("months until seen", results.months_until_seen.describe(".1f")))
    right = "" if results.right is None else f", {results.right:.0%} of them to a better model"
    rows.append(("promotions", results.promotions.describe(".1f", " a year") + right))
    if results.stopped.mean:
        rows.append(("months stopped", results.stopped.describe(".1f", " a history")))
    rows += [
        (f"error, {policy}", error.describe(".3f", " USD"))
        for policy, error in results.errors.items()
    ]
    rows += [
        (f"rule minus {policy}", difference.describe("+.3f", " USD"))
        for policy, difference in results.differences.items()
    ]
    search = "searched each month" if rehearsal.searches else "fixed, not searched"
    return [*rows, ("parameters", search)]


def _delay(history: Played, first: int | None) -> int | None:
    """Return the months from the first event to its alarm; 1 is the event's month."""
    if first is None:
        return None
    return next((month - first + 1 for month in history.alarms if month >= first), None)


def _error(history: Played, policy: str) -> float:
    squares = [error**2 for error in history.errors[policy] if error is not None]
    return float(np.sqrt(np.mean(squares))) if squares else float("nan")


def _estimate(values: Sequence[float]) -> Estimate:
    known = np.array([value for value in values if not np.isnan(value)])
    if not len(known):
        return Estimate(float("nan"), float("nan"), float("nan"))
    drawn = np.random.default_rng(0).integers(0, len(known), (_RESAMPLES, len(known)))
    low, high = np.quantile(known[drawn].mean(axis=1), [0.025, 0.975])
    return Estimate(float(known.mean()), float(low), float(high))
