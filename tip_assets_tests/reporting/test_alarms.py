"""An alarm rings for what is found often enough, and once for as long as it lasts."""

import pytest
from pydantic import ValidationError

from tip_assets.reporting.alarms import AlarmRule, alarming, beginning
from tip_assets.settings import Settings

FOUND = {
    "2024-01": {"tip"},
    "2024-02": set(),
    "2024-03": {"tip", "size"},
    "2024-04": {"tip", "size"},
    "2024-05": {"size"},
    "2024-06": {"time"},
}
TWO_OF_THREE = AlarmRule.of("2 of 3")


@pytest.mark.parametrize(
    ("month", "alarms"),
    [
        ("2024-01", set()),
        ("2024-02", set()),
        ("2024-03", {"tip"}),
        ("2024-04", {"tip", "size"}),
        ("2024-05", {"size"}),
        ("2024-06", set()),
        ("2024-07", set()),
    ],
)
def test_a_column_rings_in_two_of_three_months_the_newest_included(month, alarms):
    assert alarming(FOUND, TWO_OF_THREE, month) == alarms


def test_what_rings_at_once_rings_every_time():
    for month, found in FOUND.items():
        assert alarming(FOUND, AlarmRule.of("1 of 1"), month) == found


def test_an_alarm_that_goes_on_has_one_beginning():
    assert beginning(FOUND, TWO_OF_THREE, "2024-04", "tip") == "2024-03"
    assert beginning(FOUND, TWO_OF_THREE, "2024-05", "size") == "2024-04"
    assert beginning(FOUND, TWO_OF_THREE, "2024-04", "size") == "2024-04"


def test_an_alarm_that_comes_and_goes_within_the_window_is_one():
    found = {f"2024-{n:02}": {"tip"} if n in (1, 2, 4, 6, 8, 12) else set() for n in range(1, 13)}
    ringing = [month for month in found if alarming(found, TWO_OF_THREE, month)]
    assert ringing == ["2024-02", "2024-04", "2024-06", "2024-08"]
    begun = {beginning(found, TWO_OF_THREE, month, "tip") for month in ringing}
    assert len(begun) == 1


def test_an_alarm_that_can_never_ring_is_refused():
    with pytest.raises(ValidationError, match="can never ring"):
        Settings(column_alarm="4 of 3")
