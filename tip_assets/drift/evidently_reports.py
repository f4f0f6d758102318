"""Draw the month's four HTML reports with Evidently.

The reports decide nothing: they mark the columns whose control charts alarm (`alarm.py`).
"""

import html
import json
import os
import re
from collections.abc import Sequence
from typing import Any

from tip_assets import contract
from tip_assets.drift.alarm import ChartResult, drifted_columns, verdict
from tip_assets.drift.charts import PREDICTION
from tip_assets.drift.datasets import Datasets
from tip_assets.drift.rule import score_test

REPORTS = {
    "data_drift": "Data drift",
    "target_drift": "Target drift",
    "regression_performance": "Regression performance",
    "data_quality": "Data quality",
}
# Evidently marks a column whose p-value is below its threshold.
_MARKED, _NOT_MARKED = 1.01, 0.0
_NOTE_STYLE = 'style="font: 15px/1.5 sans-serif; margin: 1rem 1.6rem"'
# Each begins with a fixed text: without one, searching a report takes 0.15 s.
_RANDOM_IDENTIFIERS = (
    re.compile(r'"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"'),
    re.compile(r"metric_[0-9a-f]{32}\b"),
)
# Shares of categories, which Evidently lists in the random order of a set.
_CATEGORY_SHARES = re.compile(r'("description": "cat".*?"metrics": )(\[.*?\])(?=, "graph")')


def import_evidently() -> None:
    """Import Evidently with its telemetry off; it reads the setting when it is imported."""
    os.environ["DO_NOT_TRACK"] = "1"
    import evidently.metrics
    import evidently.presets  # noqa: F401


def draw_reports(datasets: Datasets, charts: Sequence[ChartResult]) -> dict[str, str]:
    """Draw the four reports as standalone HTML; the same datasets give the same bytes.

    Columns are marked as drifted if a control chart alarms: Evidently's own defaults mark a column
    in 27 % of months without drift. The p-value of a column's test is shown beside the mark.
    """
    import_evidently()
    import plotly.io
    from evidently import Dataset, Report

    # Importing Streamlit replaces the Plotly template.
    plotly.io.templates.default = "plotly"
    definition = _definition()
    reference, current = (
        Dataset.from_pandas(frame, definition) for frame in (datasets.reference, datasets.current)
    )
    note = _note(datasets, verdict(charts))
    return {
        name: _stable(
            Report(metrics)
            .run(current, reference)
            .get_html_str(as_iframe=False)
            .replace("<body>", f"<body><p {_NOTE_STYLE}>{REPORTS[name]}. {note}</p>", 1)
        )
        for name, metrics in _metrics(drifted_columns(charts)).items()
    }


def _note(datasets: Datasets, found: str) -> str:
    """Describe what is compared and what the charts found, for a line above the report."""
    decides = (
        f" Control charts decide, on all rows: {found}. A column is marked as drifted when one of "
        "its charts alarms; the p-value beside it is of another test and decides nothing."
    )
    return html.escape(f"{datasets.note[0].upper()}{datasets.note[1:]}.{decides}")


def _metrics(drifted: set[str]) -> dict[str, list[Any]]:
    from evidently.metrics import ValueDrift
    from evidently.presets import DataDriftPreset, DataSummaryPreset, RegressionPreset

    tests = {column.name: score_test(column) for column in contract.FEATURES}
    names = [*contract.COLUMNS, PREDICTION]
    thresholds = {name: _MARKED if name in drifted else _NOT_MARKED for name in names}
    return {
        "data_drift": [
            DataDriftPreset(
                columns=contract.FEATURE_NAMES,
                per_column_method=tests,
                per_column_threshold={name: thresholds[name] for name in tests},
                drift_share=1 / len(tests),
            )
        ],
        "target_drift": [
            ValueDrift(column=name, method="ks", threshold=thresholds[name])
            for name in (contract.LABEL.name, PREDICTION)
        ],
        "regression_performance": [RegressionPreset()],
        "data_quality": [DataSummaryPreset()],
    }


def _definition() -> Any:
    from evidently import DataDefinition, Regression

    return DataDefinition(
        numerical_columns=[*(column.name for column in contract.NUMBERS), PREDICTION],
        categorical_columns=[column.name for column in contract.CATEGORIES],
        regression=[Regression(target=contract.LABEL.name, prediction=PREDICTION)],
    )


def _stable(page: str) -> str:
    """Make a report deterministic: number its identifiers and sort its categories."""
    numbers: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        place = f"{len(numbers):012d}"
        stable = f"metric_{place}" if match.group().startswith("metric_") else f'"{place}"'
        return numbers.setdefault(match.group(), stable)

    for identifier in _RANDOM_IDENTIFIERS:
        page = identifier.sub(number, page)

    def sort(match: re.Match[str]) -> str:
        count, missing, *shares = json.loads(match[2])
        by_name = sorted(shares, key=lambda share: share["label"])
        return match[1] + json.dumps([count, missing, *by_name])

    return _CATEGORY_SHARES.sub(sort, page)
