"""Versions: when each served, and two side by side."""

from datetime import UTC, datetime, timedelta

from app.compare import lines, on_the_same_rows
from app.model_facts import Measured, Period, Registered, periods

AT = datetime(2026, 11, 3, tzinfo=UTC)
ONE = Registered(3, "run 3", "2024-03", ["2024-01", "2024-02", "2024-03"], AT, [], False)
OTHER = Registered(1, "run 1", "2024-01", ["2024-01"], AT, ["champion"], False)
MET = {"month": "2024-03", "version": 3, "champion": 1, "rows": 149, "verdict": "not worse"}
MET |= {"rmse": 1.44, "champion_rmse": 1.45, "low": -0.05, "high": 0.03}
MEASURED = Measured(
    test={3: {"rows": 149, "rmse": 1.44}},
    groups={1: [{"column": "day", "group": "Thur", "rmse": 0.7}]},
    served={},
    comparisons=[MET],
    drift={"2024-03": [{"column": "size", "drifted": True}, {"column": "day", "drifted": False}]},
)


def test_two_versions_have_their_errors_data_and_parameters_side_by_side():
    found = lines((ONE, OTHER), MEASURED, ({"max_depth": "2", "target": "tip"}, {"rounds": "92"}))
    assert found == {
        "Trained for": ("March 2024", "January 2024"),
        "Months of training data": ("3", "1"),
        "Held-out rows": ("149", "\u2013"),
        "Test RMSE": ("$1.44", "\u2013"),
        "RMSE, Thursday": ("\u2013", "$0.70"),
        "Drift of its month": ("People at the table", "\u2013"),
        "Rounds": ("\u2013", "92"),
        "Max depth": ("2", "\u2013"),
        "Target": ("tip", "\u2013"),
    }


def test_only_a_comparison_on_the_same_rows_ranks_them():
    words = on_the_same_rows(MEASURED, 1, 3)
    assert "On the same 149 held-out rows of March 2024" in words
    assert words.endswith("\u2212$0.05 to +$0.03: not worse.")
    assert on_the_same_rows(MEASURED, 2, 3) == ""


def test_a_version_serves_in_periods_by_the_order_of_time():
    def change(day: int, before: int | None, after: int, month: str) -> dict:
        at = AT + timedelta(days=day)
        return {"at": at, "champion_before": before, "champion_after": after, "month": month}

    history = [
        change(0, None, 1, "2024-01"),
        change(90, 2, 1, "2024-02"),  # rolled back, after the month that follows
        change(30, 1, 2, "2024-02"),
        change(60, 2, 2, "2024-03"),
    ]
    day = [AT + timedelta(days=days) for days in (0, 30, 90)]
    assert periods(history) == {
        1: [Period(day[0], day[1]), Period(day[2], None)],
        2: [Period(day[1], day[2])],
    }
    assert periods([]) == {}
