"""Panels about drift, month by month.

Belongs here: those. Does not belong here: the dashboard that they are on (`model_and_data.py`).
"""

from grafana.links import REPORTS, REPORTS_OF_LAST
from grafana.panels import YES_NO, column, state_timeline, table, time_series, values
from grafana.queries import CHOSEN_COLUMNS, CHOSEN_MONTHS, MONTH_AS_TIME, Json, sql, sql_series


def panels() -> list[Json]:
    """The panels in their order."""
    return [_effects(), _p_values(), _share(), _drifted(), _drift_table()]


def _by_column(value: str) -> Json:
    return sql_series(
        f'SELECT {MONTH_AS_TIME}, "column" AS metric, {value} AS value\nFROM drift\n'
        f"WHERE {CHOSEN_MONTHS} AND {CHOSEN_COLUMNS}"
    )


def _of_drift(threshold: str) -> Json:
    """The threshold by which each month was judged, as a series."""
    return sql_series(
        f'SELECT {MONTH_AS_TIME}, max({threshold}) AS "limit"\nFROM drift\n'
        f"WHERE {CHOSEN_MONTHS}\nGROUP BY month",
        "limit_of_month",
    )


def _effects() -> Json:
    return time_series(
        "Effect size by column",
        "How far each column has moved: normalised Wasserstein distance for numbers, "
        "Jensen-Shannon for categories. A column has drifted when it is at its limit or above, "
        "and its p-value is below its own.",
        [_by_column("effect_size"), _of_drift("threshold_effect_size")],
        "none", minimum=0, links=[REPORTS_OF_LAST],
    )  # fmt: skip


def _p_values() -> Json:
    return time_series(
        "Corrected p-value by column",
        "How likely a difference as large is by chance, corrected over all columns (Holm). The "
        "axis is logarithmic above 0.0001.",
        [_by_column("p_value_corrected"), _of_drift("threshold_p_value")],
        "none", symlog=0.0001, minimum=0, maximum=1, links=[REPORTS_OF_LAST],
    )  # fmt: skip


def _share() -> Json:
    return time_series(
        "Share of drifted columns",
        "Features and tip that have drifted. From the limit on the dataset has, and the month's "
        "model is held.",
        [
            sql_series(
                f'SELECT {MONTH_AS_TIME}, share AS "drifted", threshold_share AS "limit"\n'
                f"FROM dataset_drift\nWHERE {CHOSEN_MONTHS}"
            )
        ],
        "percentunit", minimum=0, maximum=1, bars=True, links=[REPORTS_OF_LAST],
    )  # fmt: skip


def _drifted() -> Json:
    return state_timeline(
        "Drifted columns",
        "Red where a column has drifted, month by month.",
        [_by_column("drifted::int")],
        values({"0": ("not drifted", "green"), "1": ("drifted", "red")}),
    )


def _drift_table() -> Json:
    query = f"""SELECT month, "column", test, score, p_value_corrected, effect, effect_size, drifted
FROM drift
WHERE {CHOSEN_MONTHS} AND {CHOSEN_COLUMNS}
ORDER BY month DESC, drifted DESC, effect_size DESC"""
    return table(
        "Tests by month and column",
        "Score is the p-value of the column's named test, as the reports show it; the corrected "
        "p-value and the effect size decide.",
        [sql(query)],
        {
            "month": column("Month", to=REPORTS, width=100),
            "column": column("Column"),
            "test": column("Test"),
            "score": column("Score"),
            "p_value_corrected": column("Corrected p-value"),
            "effect": column("Effect"),
            "effect_size": column("Effect size"),
            "drifted": column("Drifted", words=YES_NO),
        },
    )
