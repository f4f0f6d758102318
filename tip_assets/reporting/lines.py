"""A month's model and drift as aligned lines, for the terminal and for messages."""

from collections.abc import Iterator
from typing import Any

from tip_assets.drift.rule import format_p_value
from tip_assets.modelling.comparison import POWER_NOTE


def model_lines(registered: dict[str, Any]) -> Iterator[str]:
    """Yield lines on a month's model and comparison, from the value of `registered_model`."""
    yield f"  model        version {registered['version']}"
    if "search" in registered:  # missing in months trained by an earlier release
        yield f"  search       {registered['search']}"
    test = registered["test"]
    yield f"  test RMSE    {test['rmse']:.3f} USD on {test['rows']} held-out rows; baselines:"
    for rule, rmse in registered["baselines"].items():
        verdict = registered["against"][rule]["verdict"]
        yield f"                 {rule.replace('_', ' '):<14} {rmse:.3f}  (model: {verdict})"
    if registered.get("flip"):
        yield f"  flip         {registered['flip']}"
    if registered.get("feedback"):
        yield f"  feedback     {registered['feedback']}"
    comparison = registered["comparison"]
    if comparison:
        yield (
            f"  comparison   against version {registered['incumbent']['version']}: "
            f"{comparison['verdict']}; RMSE {comparison['rmse']:.3f} against "
            f"{comparison['rival_rmse']:.3f} USD, difference {comparison['low']:+.3f} to "
            f"{comparison['high']:+.3f}"
        )
        if text := comparison.get(POWER_NOTE):
            yield f"               {text}"


def drift_lines(drift: dict[str, Any]) -> Iterator[str]:
    """Yield lines on a month's drift, one per chart, from the value of `drift_metrics`."""
    yield f"  drift        {drift['verdict']}"
    yield f"               {drift['note']}"
    yield f"               {drift['charted']}"
    width = max(len(chart["chart"]) for chart in drift["charts"])
    yield f"                 {'chart':<{width}}      z  limit  smallest detectable change"
    for chart in drift["charts"]:
        yield (
            f"                 {chart['chart']:<{width}}  {chart['z']:+5.1f}  {chart['limit']:5.2f}"
            f"  {chart['smallest_change'] or 'no change of this kind'}"
            f"{'  DRIFTED' if chart['alarm'] else ''}"
        )
    scores = (f"{c['column']} {c['test']} {format_p_value(c['score'])}" for c in drift["columns"])
    yield f"               p-values (not used to decide): {', '.join(scores)}"
