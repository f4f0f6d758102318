"""A month's model and drift as aligned lines, for the terminal and for messages.

Belongs here: text for a person. Does not belong here: deciding or computing anything.
"""

from collections.abc import Iterator
from typing import Any

from tip_assets.drift.rule import p_words


def model_lines(registered: dict[str, Any]) -> Iterator[str]:
    """A month's model, its errors and its comparison, from the value of `registered_model`."""
    yield f"  model        version {registered['version']}"
    yield f"  search       {registered['search']}"
    test = registered["test"]
    yield f"  test RMSE    {test['rmse']:.3f} USD on {test['rows']} held-out rows; beside it:"
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


def drift_lines(drift: dict[str, Any]) -> Iterator[str]:
    """A month's drift, a line per column, from the value of `drift_metrics`."""
    dataset = drift["dataset"]
    verdict = "DRIFTED" if dataset["drifted"] else "not drifted"
    yield (
        f"  drift        dataset {verdict}: {dataset['drifted_columns']} of "
        f"{dataset['columns']} columns"
    )
    yield f"               {drift['note']}"
    yield "                 column      test       score   p corrected  effect size  drifted"
    for column in drift["columns"]:
        score, corrected = p_words(column["score"]), p_words(column["p_value_corrected"])
        yield (
            f"                 {column['column']:<11} {column['test']:<9} "
            f"{score:>7}  {corrected:>11}  {column['effect_size']:11.3f}"
            f"  {'YES' if column['drifted'] else 'no'}"
        )
