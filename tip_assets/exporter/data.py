"""Metrics about the newest month's data: columns, drift, correlations."""

from tip_assets.exporter.page import Metric, Page
from tip_assets.exporter.reader import Reader
from tip_assets.metric_store import tables

_OF_COLUMN = ("dataset", "column")
_SIDES = "dataset: reference (training data of the serving model) or current (the month)."


def _column(name: str, text: str) -> Metric:
    return Metric(f"tips_column_{name}", f"{text} By {_SIDES}", _OF_COLUMN)


# By the statistic's name in the metric store. Percentages are exported as shares.
STATISTICS = {
    "count": _column("rows", "Rows with a value."),
    "missing_count": _column("missing_rows", "Rows without a value."),
    "missing_percentage": _column("missing_ratio", "Share of the rows without a value."),
    "infinite_count": _column("infinite_rows", "Rows whose number is infinite."),
    "infinite_percentage": _column("infinite_ratio", "Share of the rows that are infinite."),
    "unique_count": _column("unique_values", "Different values."),
    "unique_percentage": _column("unique_ratio", "Different values per row."),
    "most_common_percentage": _column("most_common_ratio", "Share of the most frequent value."),
    "most_common_value": _column("most_common_value", "The most frequent number."),
    "new_values": _column("new_categories", "Categories that are only in this dataset."),
    "unused_values": _column("unused_categories", "Categories that are only in the other dataset."),
    "minimum": _column("minimum", "Smallest number."),
    "maximum": _column("maximum", "Largest number."),
    "mean": _column("mean", "Mean of the numbers."),
    "std": _column("standard_deviation", "Standard deviation of the numbers (n - 1)."),
}
PERCENTILE = Metric(
    "tips_column_percentile",
    f"Percentiles of the numbers (25, 50, 75). By {_SIDES}",
    (*_OF_COLUMN, "percentile"),
)
MOST_COMMON_CATEGORY = Metric(
    "tips_column_most_common_category_info",
    f"1 for the most frequent category of a column. By {_SIDES}",
    (*_OF_COLUMN, "category"),
)

_OF_DRIFT = ("column", "role")
SCORE = Metric(
    "tips_drift_score",
    "P-value of the column's test (ks, z, chisquare), as the original system and Evidently "
    "report it; it does not decide on drift.",
    (*_OF_DRIFT, "test"),
)
EFFECT = Metric(
    "tips_drift_effect_size",
    "Normalised Wasserstein (numbers) or Jensen-Shannon distance (categories); does not decide.",
    (*_OF_DRIFT, "effect"),
)
COLUMN_DRIFTED = Metric(
    "tips_column_drifted",
    "1 for a column that has drifted in the newest measured month, else 0.",
    _OF_DRIFT,
)
CHART = Metric(
    "tips_drift_chart_effect",
    "The newest measured month's effect on a control chart, in standard deviations.",
    ("chart", "column"),
)
CHART_LIMIT = Metric(
    "tips_drift_chart_limit",
    "A chart alarms beyond this limit in one month, or beyond the limit minus 1 in two of three.",
)
CHART_ALARM = Metric(
    "tips_drift_chart_alarm",
    "1 for a control chart that alarms in the newest measured month, else 0.",
    ("chart", "column"),
)
DATASET_ROWS = Metric("tips_dataset_rows", f"Rows compared. By {_SIDES}", ("dataset",))
DRIFTED_COLUMNS = Metric(
    "tips_drifted_columns", "Features and target that have drifted in the newest measured month."
)
DRIFT_RATIO = Metric(
    "tips_drifted_columns_ratio",
    "Share of features and target that have drifted; the dataset has drifted when any has.",
)
DATASET_DRIFTED = Metric(
    "tips_dataset_drifted", "1 if the dataset has drifted in the newest measured month, else 0."
)
CORRELATION = Metric(
    "tips_correlation_ratio",
    f"Pearson's correlation of a number with the tip or the prediction. By {_SIDES}",
    (*_OF_COLUMN, "with"),
)
METRICS = (
    *STATISTICS.values(), PERCENTILE, MOST_COMMON_CATEGORY, SCORE, EFFECT, COLUMN_DRIFTED,
    CHART, CHART_LIMIT, CHART_ALARM, DATASET_ROWS, DRIFTED_COLUMNS, DRIFT_RATIO, DATASET_DRIFTED,
    CORRELATION,
)  # fmt: skip


def add_data(page: Page, reader: Reader) -> None:
    """Add the data metrics of the newest measured month, if any."""
    month = reader.newest(tables.dataset_drift)
    if month is None:
        return
    _add_columns(page, reader, month)
    _add_drift(page, reader, month)
    for row in reader.month(tables.correlation, month):
        labels = {"dataset": row["dataset"], "column": row["column"], "with": row["with_column"]}
        page.add(CORRELATION, row["pearson"], **labels)


def _add_columns(page: Page, reader: Reader, month: str) -> None:
    for row in reader.month(tables.column_quality, month):
        of_column = {"dataset": row["dataset"], "column": row["column"]}
        name = row["statistic"]
        if row["category"] is not None:
            page.add(MOST_COMMON_CATEGORY, 1, **of_column, category=row["category"])
        elif name.startswith("percentile_"):
            percentile = name.removeprefix("percentile_")
            page.add(PERCENTILE, row["value"], **of_column, percentile=percentile)
        else:
            scale = 0.01 if name.endswith("percentage") else 1
            page.add(STATISTICS[name], scale * row["value"], **of_column)


def _add_drift(page: Page, reader: Reader, month: str) -> None:
    for row in reader.month(tables.drift, month):
        of_column = {"column": row["column"], "role": row["role"]}
        page.add(SCORE, row["score"], **of_column, test=row["test"])
        page.add(EFFECT, row["effect_size"], **of_column, effect=row["effect"])
        page.add(COLUMN_DRIFTED, row["drifted"], **of_column)
    charts = reader.month(tables.drift_chart, month)
    for row in charts:
        of_chart = {"chart": row["chart"], "column": row["column"]}
        page.add(CHART, row["z"], **of_chart)
        page.add(CHART_ALARM, row["alarm"] is not None, **of_chart)
    if charts:
        page.add(CHART_LIMIT, charts[0]["limit"])
    for row in reader.month(tables.dataset_drift, month):
        page.add(DRIFTED_COLUMNS, row["drifted_columns"])
        page.add(DRIFT_RATIO, row["share"])
        page.add(DATASET_DRIFTED, row["drifted"])
        for side in ("reference", "current"):
            page.add(DATASET_ROWS, row[f"{side}_rows"], dataset=side)
