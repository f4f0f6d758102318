"""What the plots of the history page have along the bottom, and the marks of promotions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.history import History
from app.history_plots import coverage_plot, realised_plot, rows_plot
from app.served_plot import served_plot
from tip_assets.metric_store.prediction_log import Realised

GAPPED = ["2024-02", "2024-03", "2026-11"]
AT = datetime(2026, 11, 3, tzinfo=UTC)
SUBMITTED = Realised("2026-11", 9, 4, 0.1, 0.8, 1.0, 4, 1.0, 0.5, 1.0, 0.9)


def change(month: str, before: int | None, after: int, days: int) -> dict:
    at = AT + timedelta(days=days)
    return {"month": month, "at": at, "champion_before": before, "champion_after": after}


def history() -> History:
    """Four months of old data, and predictions of today whose tips were submitted."""
    rows = [
        {"month": f"2024-0{number}", "rows_kept": 240, "rows_quarantined": 1}
        for number in range(1, 5)
    ]
    decisions = [
        change("2024-01", None, 1, days=0),
        change("2024-04", 4, 1, days=2),  # rolled back
        change("2024-04", 1, 4, days=1),
    ]
    return History(ingested=rows, decisions=decisions, realised=[SUBMITTED])


def test_tips_of_today_do_not_press_old_months_to_the_edge():
    found = history()
    assert found.months == ["2024-01", "2024-02", "2024-03", "2024-04"]
    first, last = rows_plot(found).layout.xaxis.range
    assert (str(first), str(last)) == ("2023-12-16", "2024-04-17")
    for draw in (realised_plot, coverage_plot):
        plot = draw(found.realised, found.changes)
        first, last = plot.layout.xaxis.range
        assert str(first) < "2026-11-01" < str(last)
        assert str(first) > "2026-10-01"
        assert not plot.layout.annotations


def test_a_long_gap_is_as_wide_as_a_month_and_lines_break_there():
    rows = [{"month": month, "rows_kept": 9, "rows_quarantined": 0} for month in GAPPED]
    axis = rows_plot(History(ingested=rows)).layout.xaxis
    (hidden,) = axis.rangebreaks
    assert hidden.bounds == ("2024-04-16", "2026-10-16")
    assert [str(day) for day in axis.tickvals] == [f"{month}-01" for month in GAPPED]
    points = [replace(SUBMITTED, month=month) for month in GAPPED]
    (line,) = realised_plot(points, []).data
    assert list(line.y) == [0.8, 0.8, None, 0.8]


def test_a_strip_shows_who_served_each_month():
    served = {"2024-01": None, "2024-02": 1, "2024-03": 1, "2024-04": 2}
    rows = [{"month": month, "rows_kept": 9, "rows_quarantined": 0} for month in served]
    plot = served_plot(History(ingested=rows, served=served))
    assert [shape.label.text for shape in plot.layout.shapes] == ["no model", "v1", "v2"]
    assert str(plot.layout.shapes[1].x1) == "2024-03-16"


def test_a_month_names_every_version_that_began_to_serve_in_it_in_the_order_of_time():
    found = history()
    points = [replace(SUBMITTED, month=month) for month in found.months]
    marks = realised_plot(points, found.changes).layout.annotations
    assert [mark.text for mark in marks] == ["v1", "v4, v1"]
