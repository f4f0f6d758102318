"""Metrics about models: errors of the serving model and the challenger, realised errors."""

from collections.abc import Mapping

from tip_assets.exporter.page import Metric, Page
from tip_assets.exporter.reader import Reader
from tip_assets.metric_store import tables
from tip_assets.metric_store.prediction_log import Realised

_OF_MODEL = ("model", "dataset")
_WHOSE = (
    "By model: serving (reference: its training data, current: the month) or challenger "
    "(train, test: its window)."
)


def _error(name: str, text: str) -> Metric:
    return Metric(f"tips_model_{name}", f"{text} {_WHOSE}", _OF_MODEL)


# By the column's name in the metric store.
QUALITY = {
    "rows": _error("rows", "Rows on which the errors were measured."),
    "mean_error": _error("mean_error_dollars", "Mean of prediction minus tip."),
    "mean_error_std": _error(
        "error_standard_deviation_dollars", "Standard deviation of prediction minus tip."
    ),
    "mean_absolute_error": _error("mean_absolute_error_dollars", "Mean absolute error."),
    "mean_absolute_error_std": _error(
        "absolute_error_standard_deviation_dollars", "Standard deviation of the absolute error."
    ),
    "mape": _error(
        "mean_absolute_percentage_error_ratio", "Mean absolute error as a share of the tip."
    ),
    "mape_std": _error(
        "absolute_percentage_error_standard_deviation_ratio",
        "Standard deviation of the absolute error as a share of the tip.",
    ),
    "rmse": _error("rmse_dollars", "Root of the mean squared error."),
    "r2": _error("r2_ratio", "Share of the tips' variance that predictions explain."),
}
_GROUPS = "By group: the 5 % lowest errors (underestimation), the 5 % highest, the majority."
GROUP_ROWS = Metric(
    "tips_error_group_rows",
    f"Rows of the serving model's errors in a group. {_GROUPS}",
    ("dataset", "group"),
)
GROUP_MEAN = Metric(
    "tips_error_group_mean_error_dollars",
    f"Mean error of the serving model in a group. {_GROUPS}",
    ("dataset", "group"),
)
GROUP_DEVIATION = Metric(
    "tips_error_group_error_standard_deviation_dollars",
    f"Standard deviation of the serving model's errors in a group. {_GROUPS}",
    ("dataset", "group"),
)
BIAS_MEAN = Metric(
    "tips_error_bias_mean",
    f"Mean of a numeric feature in a group of errors, of all rows for the majority. {_GROUPS}",
    ("dataset", "column", "group"),
)
BIAS_CATEGORY = Metric(
    "tips_error_bias_category_info",
    f"1 for the most frequent category in a group of errors, of all rows for the majority. "
    f"{_GROUPS}",
    ("dataset", "column", "group", "category"),
)
BIAS_RANGE = Metric(
    "tips_error_bias_range_ratio",
    "Difference of a feature between the lowest and highest errors: a share of its range; "
    "for categories 1 if a group's most frequent one differs.",
    ("dataset", "column"),
)
_LINE = "of the line through the serving model's errors over normal quantiles"
NORMALITY = {
    "slope": Metric(
        "tips_error_normality_slope_dollars",
        f"Slope {_LINE}: their standard deviation.",
        ("dataset",),
    ),
    "intercept": Metric(
        "tips_error_normality_intercept_dollars", f"Intercept {_LINE}: their mean.", ("dataset",)
    ),
    "r": Metric(
        "tips_error_normality_correlation_ratio",
        f"Correlation {_LINE}: 1 for normal errors.",
        ("dataset",),
    ),
}
_OF_GROUP = ("column", "category")
CATEGORY_RMSE = Metric(
    "tips_category_rmse_dollars",
    "Error of the newest challenger on the test rows of one category.",
    _OF_GROUP,
)
CATEGORY_BOUND = Metric(
    "tips_category_rmse_chance_dollars",
    "Interval (low, high) that chance explains for the error of as many rows.",
    (*_OF_GROUP, "bound"),
)
DIFFERENCE = Metric(
    "tips_comparison_rmse_difference_dollars",
    "Error of the newest challenger minus the champion's on the same rows; below 0 it is better. "
    "By bound: estimate, low, high.",
    ("bound",),
)
VERDICT = Metric(
    "tips_comparison_verdict_info",
    "1 for the verdict on the newest challenger: better, not worse, worse, not enough evidence, "
    "too few rows.",
    ("verdict",),
)
# Evaluated after every tip, a share as promised seems too low in one month of five; evaluated when
# the month has ended, in one of forty (benchmarks/alarm_rates.py).
_WITH_FEEDBACK = (
    "of a month's predictions with feedback. By period: newest such month, "
    "newest such month that has ended"
)


def _realised(name: str, text: str) -> Metric:
    return Metric(f"tips_realised_{name}", text, ("period",))


REALISED = {
    "tips": _realised("tips", f"Tips {_WITH_FEEDBACK}."),
    "mean_error": _realised("mean_error_dollars", f"Mean prediction minus tip {_WITH_FEEDBACK}."),
    "mean_absolute_error": _realised(
        "mean_absolute_error_dollars", f"Mean absolute error {_WITH_FEEDBACK}."
    ),
    "rmse": _realised("rmse_dollars", f"Root of the mean squared error {_WITH_FEEDBACK}."),
    "covered": _realised("coverage_ratio", f"Share of tips in their intervals {_WITH_FEEDBACK}."),
    "low": _realised("coverage_low_ratio", "Lower end of that share's 95 % interval (Wilson)."),
    "high": _realised(
        "coverage_high_ratio",
        "Upper end of that share's 95 % interval; below the promised share, coverage is too low.",
    ),
    "coverage": _realised("coverage_promised_ratio", "Promised share of tips in their intervals."),
}
METRICS = (
    *QUALITY.values(), GROUP_ROWS, GROUP_MEAN, GROUP_DEVIATION, BIAS_MEAN, BIAS_CATEGORY,
    BIAS_RANGE, *NORMALITY.values(), CATEGORY_RMSE, CATEGORY_BOUND, DIFFERENCE, VERDICT,
    *REALISED.values(),
)  # fmt: skip


def add_models(page: Page, reader: Reader, realised: Mapping[str, Realised | None]) -> None:
    """Add the newest measured month's errors, and the realised ones by period."""
    month = reader.newest(tables.model_quality)
    if month is not None:
        _add_errors(page, reader, month)
        _add_challenger(page, reader, month)
    for period, found in realised.items():
        for name, metric in REALISED.items() if found else ():
            page.add(metric, getattr(found, name), period=period)


def _add_errors(page: Page, reader: Reader, month: str) -> None:
    for row in reader.month(tables.model_quality, month):
        part = row["part"]
        model = "serving" if part in ("reference", "current") else "challenger"
        for name, metric in QUALITY.items():
            page.add(metric, row[name], model=model, dataset=part)
    for row in reader.month(tables.error_group, month):
        of_group = {"dataset": row["dataset"], "group": row["group"]}
        page.add(GROUP_ROWS, row["rows"], **of_group)
        page.add(GROUP_MEAN, row["mean_error"], **of_group)
        page.add(GROUP_DEVIATION, row["std_error"], **of_group)
    for row in reader.month(tables.error_bias, month):
        of_column = {"dataset": row["dataset"], "column": row["column"]}
        if row["group"] == "range":
            page.add(BIAS_RANGE, row["value"], **of_column)
        elif row["category"] is not None:
            category = row["category"]
            page.add(BIAS_CATEGORY, 1, **of_column, group=row["group"], category=category)
        else:
            page.add(BIAS_MEAN, row["value"], **of_column, group=row["group"])
    for row in reader.month(tables.error_normality, month):
        for name, metric in NORMALITY.items():
            page.add(metric, row[name], dataset=row["dataset"])


def _add_challenger(page: Page, reader: Reader, month: str) -> None:
    for row in reader.month(tables.group_quality, month):
        of_category = {"column": row["column"], "category": row["group"]}
        page.add(CATEGORY_RMSE, row["rmse"], **of_category)
        for bound in ("low", "high"):
            page.add(CATEGORY_BOUND, row[bound], **of_category, bound=bound)
    for row in reader.month(tables.comparison, month):
        for bound, name in (("estimate", "difference"), ("low", "low"), ("high", "high")):
            page.add(DIFFERENCE, row[name], bound=bound)
        page.add(VERDICT, 1, verdict=row["verdict"])
