"""Drift numbers equal the published ones and Evidently's."""

import os
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.io
import pytest
from scipy import stats
from sklearn.model_selection import train_test_split

from tip_assets import contract
from tip_assets.drift import statistics
from tip_assets.drift.alarm import ChartResult
from tip_assets.drift.datasets import (
    Datasets,
    ServingModel,
    first_month_datasets,
    serving_datasets,
)
from tip_assets.drift.error_profile import error_profile
from tip_assets.drift.evidently_reports import REPORTS, draw_reports
from tip_assets.drift.metrics import correlations, drift_metrics_of
from tip_assets.drift.rule import column_drifts
from tip_assets.drift.value_counts import ValueCounts, describe
from tip_assets.modelling.split import monthly_fingerprints

# Published with the original system (194/48: first row of each part lost), and what is correct.
GOLDEN = {
    "total_bill": ("ks", 0.1637753195870989, 0.15224779225692237),
    "size": ("ks", 0.9999999999560322, 0.9999999999196367),
    "sex": ("z", 0.6100442460367355, 0.5579883407675066),
    "smoker": ("z", 0.8239232582061038, 0.8824197605105635),
    "day": ("chisquare", 0.552628538633188, 0.5314874902340183),
    "time": ("z", 0.631854580152353, 0.5875270459230384),
    "tip": ("ks", 0.09632810530517867, 0.0717575921409452),
}


@pytest.fixture(scope="module")
def parts(sample):
    reference, current = train_test_split(sample, test_size=0.2, random_state=42)
    return [part.assign(prediction=0.15 * part["total_bill"]) for part in (reference, current)]


@pytest.mark.parametrize(("lost", "place"), [(0, 1), (1, 2)], ids=["195/49", "194/48"])
def test_scores_equal_the_golden_table(parts, lost, place):
    reference, current = (part.iloc[lost:] for part in parts)
    drifts = {d.column: d for d in column_drifts(reference, current, charts=[])}
    for column, golden in GOLDEN.items():
        assert drifts[column].test == golden[0]
        assert drifts[column].score == pytest.approx(golden[place], rel=1e-12)


def test_correlations_with_the_tip_equal_the_published_ones(parts):
    reference, current = (correlations(part.iloc[1:])["tip"] for part in parts)
    assert reference["size"] == pytest.approx(0.48977362420792425, rel=1e-12)
    assert reference["total_bill"] == pytest.approx(0.656591531992239, rel=1e-12)
    assert current["size"] == pytest.approx(0.5291799405888153, rel=1e-12)
    assert current["total_bill"] == pytest.approx(0.77115420517272, rel=1e-12)


def test_evidently_gives_the_same_scores_and_effect_sizes(parts):
    os.environ["DO_NOT_TRACK"] = "1"
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    definition = DataDefinition(
        numerical_columns=[c.name for c in contract.NUMBERS],
        categorical_columns=[c.name for c in contract.CATEGORIES],
    )
    columns = [*contract.COLUMNS]
    reference, current = (Dataset.from_pandas(part[columns], definition) for part in parts)
    drifts = [d for d in column_drifts(*parts, charts=[]) if d.column in columns]
    for method, mine in (("test", "score"), ("effect", "effect_size")):
        metrics = [ValueDrift(column=d.column, method=getattr(d, method)) for d in drifts]
        result = Report(metrics).run(current, reference).dict()["metrics"]
        theirs = {m["config"]["column"]: float(m["value"]) for m in result}
        assert theirs == pytest.approx({d.column: getattr(d, mine) for d in drifts}, rel=1e-9)


def test_regression_quality_equals_evidently(parts):
    from evidently import DataDefinition, Dataset, Regression, Report
    from evidently.metrics import MAE, MAPE, RMSE, MeanError, R2Score

    metrics = drift_metrics_of(Datasets(*parts, note=""), charts=[])
    definition = DataDefinition(
        numerical_columns=["tip", "prediction"],
        regression=[Regression(target="tip", prediction="prediction")],
    )
    for side, part in zip(("reference", "current"), parts, strict=True):
        data = Dataset.from_pandas(part[["tip", "prediction"]], definition)
        error, mae, mape, rmse, r2 = (
            metric["value"]
            for metric in Report([MeanError(), MAE(), MAPE(), RMSE(), R2Score()])
            .run(data, None)
            .dict()["metrics"]
        )
        mine = metrics.regression_quality[side]
        assert mine.mean_error == pytest.approx(error["mean"])
        assert mine.mean_error_std == pytest.approx(error["std"])
        assert mine.mean_absolute_error == pytest.approx(mae["mean"])
        assert mine.mean_absolute_error_std == pytest.approx(mae["std"])
        # Evidently gives this mean in percent and its deviation as a share.
        assert 100 * mine.mape == pytest.approx(mape["mean"])
        assert mine.mape_std == pytest.approx(mape["std"])
        assert mine.rmse == pytest.approx(rmse)
        assert mine.r2 == pytest.approx(r2)


def test_error_profiles_equal_evidently(parts):
    """The original showed these numbers by the same calculation, which Evidently still carries."""
    from evidently.legacy.calculations.regression_performance import (
        calculate_regression_performance,
    )
    from evidently.legacy.pipeline.column_mapping import ColumnMapping
    from evidently.legacy.utils.data_operations import process_columns

    mapping = ColumnMapping(
        target="tip",
        prediction="prediction",
        task="regression",
        numerical_features=[c.name for c in contract.FEATURES if c in contract.NUMBERS],
        categorical_features=[c.name for c in contract.CATEGORIES],
    )
    metrics = drift_metrics_of(Datasets(*parts, note=""), charts=[])
    for side, part in zip(("reference", "current"), parts, strict=True):
        theirs = calculate_regression_performance(part.copy(), process_columns(part, mapping), "")
        mine = metrics.error_profiles[side]
        assert {g.group: g.mean_error for g in mine.groups} == pytest.approx(
            {name: facts["mean_error"] for name, facts in theirs.underperformance.items()}
        )
        assert {g.group: g.std_error for g in mine.groups} == pytest.approx(
            {name: facts["std_error"] for name, facts in theirs.underperformance.items()}
        )
        assert [mine.normality.slope, mine.normality.intercept, mine.normality.r] == pytest.approx(
            [theirs.error_normality[name] for name in ("slope", "intercept", "r")]
        )
        assert len(mine.bias) == 4 * len(contract.FEATURES)
        error = part["prediction"] - part["tip"]
        ends = {"under": error <= error.quantile(0.05), "over": error >= error.quantile(0.95)}
        for bias in mine.bias:
            named = {"underestimation": "under", "overestimation": "over"}
            group = named.get(bias.group, bias.group)
            expected = theirs.error_bias[bias.column][group]
            if bias.category is not None:
                # Of categories that are equally frequent, theirs is the one that comes first.
                most_frequent = set(part.loc[ends.get(group, error.notna()), bias.column].mode())
                assert {bias.category, expected} <= most_frequent
            else:
                in_percent = group == "range" and bias.column in ("total_bill", "size")
                assert (100 if in_percent else 1) * bias.value == pytest.approx(expected)


@pytest.mark.parametrize("tips", [[2.0, 2.0], [1.0, 3.0]], ids=["equal errors", "two rows"])
def test_the_errors_of_the_smallest_months_can_be_measured(sample, tips):
    records = sample.head(2).assign(tip=tips, prediction=[2.0, 2.0])
    profile = error_profile(records, "prediction")
    assert sum(group.rows for group in profile.groups) >= 2
    numbers = [b.value for b in profile.bias if b.category is None]
    assert not any(np.isnan([value for value in numbers if value is not None]))
    assert profile.normality.slope >= 0


def test_large_columns_use_the_asymptotic_test_of_scipy():
    rng = np.random.default_rng(3)
    a, b = rng.normal(0, 1, 12_000).round(2), rng.normal(0.02, 1, 11_000).round(2)
    mine = statistics.ks_p_value(ValueCounts.of(pd.Series(a)), ValueCounts.of(pd.Series(b)))
    assert mine == pytest.approx(stats.ks_2samp(a, b, method="asymp").pvalue, rel=1e-9)


def test_columns_with_a_single_value_are_no_drift(parts):
    one = parts[1].iloc[:1]
    drifts = column_drifts(pd.concat([one] * 90), pd.concat([one] * 40), charts=[])
    assert all(drift.score == 1.0 for drift in drifts)


def test_a_new_category_has_the_score_zero(parts):
    drifts = column_drifts(parts[0], parts[1].assign(day="Mon"), charts=[])
    assert {d.column: d.score for d in drifts}["day"] == 0


def test_counts_merge_and_describe_like_the_rows(sample):
    bills = sample["total_bill"]
    counts = ValueCounts.of(bills.iloc[:100]).merge(ValueCounts.of(bills.iloc[100:]))
    facts, expected = describe(counts, counts), bills.describe()
    assert list(counts.rows()) == sorted(bills)
    for name, theirs in (
        ("count", "count"),
        ("mean", "mean"),
        ("std", "std"),
        ("minimum", "min"),
        ("percentile_25", "25%"),
        ("percentile_50", "50%"),
        ("percentile_75", "75%"),
        ("maximum", "max"),
    ):
        assert facts[name] == pytest.approx(expected[theirs])
    assert facts["most_common_value"] == bills.mode()[0]


def test_categories_list_new_and_unused_values():
    here = ValueCounts.of(pd.Series(["Sat", "Sat", "Mon", None], dtype=object))
    there = ValueCounts.of(pd.Series(["Sat", "Fri", "Sun"], dtype=object))
    facts = describe(here, there)
    assert (facts["new_values"], facts["unused_values"]) == (1, 2)
    assert (facts["missing_count"], facts["missing_percentage"]) == (1, 25.0)
    assert facts["most_common_value"] == "Sat"


def test_the_reference_is_what_the_serving_model_was_trained_on(rows):
    half = len(rows) // 2
    months = [rows.iloc[:half], rows.iloc[half:].assign(month="2024-02")]
    trained = monthly_fingerprints(pd.concat(months))

    model = ServingModel(
        predict=lambda records: records["total_bill"].to_numpy() * 0.15,
        predict_held_out=lambda encoded: np.full(len(encoded), 1.5),
    )
    datasets = serving_datasets(rows, months, trained, "version 3", model)
    assert len(datasets.reference) == (rows["part"] == "train").sum()
    assert len(datasets.current) == len(rows)
    assert "version 3" in datasets.note
    assert set(datasets.reference["prediction"]) == {1.5}  # never of rows the model has learned
    assert list(datasets.current["prediction"]) == list(datasets.current["total_bill"] * 0.15)
    assert "late files" not in datasets.note
    late = [months[0], pd.concat([months[1], rows.head(1).assign(month="2024-02")])]
    note = serving_datasets(rows, late, trained, "version 3", model).note
    assert "late files have changed 2024-02 since" in note
    first = first_month_datasets(rows, model)
    parts = rows["part"].value_counts()
    assert (len(first.reference), len(first.current)) == (parts["train"], parts["test"])
    assert "no model served this month" in first.note


def test_reports_of_large_months_are_drawn_from_the_same_sample_each_time(parts):
    datasets = Datasets(*parts, note="a note")
    assert datasets.sample(195, seed=1) is datasets
    sample, again = (datasets.sample(60, seed=1) for _ in range(2))
    assert (len(sample.reference), len(sample.current)) == (60, 49)
    assert sample.reference.equals(again.reference)
    assert not sample.reference.equals(datasets.sample(60, seed=2).reference)
    assert sample.note == "a note; drawn from a sample of 60 rows of each"


def test_four_reports_are_drawn_with_the_same_bytes_each_time(parts, monkeypatch):
    datasets = Datasets(*parts, note="no model served this month: 195 against 49")
    tip = ChartResult("tip", "tip", 4.0, 3.5, "one month", None)
    reports = draw_reports(datasets, [tip])
    assert list(reports) == list(REPORTS)
    assert all(re.search(r"<html.*</html>", html, re.DOTALL) for html in reports.values())
    assert all("No model served this month: 195 against 49." in html for html in reports.values())
    assert all("on all rows: drifted: tip (tip +4.0);" in html for html in reports.values())
    monkeypatch.setattr(plotly.io.templates, "default", "ggplot2")  # another library's style
    assert draw_reports(datasets, [tip]) == reports


@pytest.mark.parametrize("drifted", [None, "size", "tip"])
def test_reports_mark_the_columns_on_which_a_chart_alarms(parts, drifted):
    quiet = [ChartResult(name, name, 0.1, 3.5, None, None) for name in ("size", "tip", "day")]
    charts = [
        replace(chart, alarm="one month") if chart.column == drifted else chart for chart in quiet
    ]
    reports = draw_reports(Datasets(*parts, note="a note"), charts)
    marks = [
        mark == "Detected" for mark in re.findall(r'"data_drift": "(\w+)', reports["data_drift"])
    ]
    assert sum(marks) == (drifted == "size")
    assert ("Dataset Drift is detected" in reports["data_drift"]) == (drifted == "size")
    assert ("Data drift detected" in reports["target_drift"]) == (drifted == "tip")
