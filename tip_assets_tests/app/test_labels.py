"""What people read in place of codes."""

from app.labels import FAULTS, chart_label, check_title, describe_change, labelled
from tip_assets.definitions import defs


def test_every_check_has_a_name_for_what_is_wrong():
    checks = {key.name for key in defs().resolve_asset_graph().asset_check_keys}
    assert checks == set(FAULTS)
    assert check_title("enough_rows", passed=False) == "Too few rows."
    assert check_title("enough_rows", passed=True) == "Enough rows."
    assert check_title("a_new_check", passed=False) == "A new check."


def test_codes_of_columns_and_categories_become_labels():
    assert labelled(
        "drifted: time (time Lunch +9.2), day (day Thur +8.3), tip (tip given prediction -4.0 "
        "again), total_bill (total_bill +6.6); the limit is 3.3"
    ) == (
        "drifted: Meal (Lunch +9.2), Day of the week (Thursday +8.3), Tip (given prediction -4.0 "
        "again), Total bill (+6.6); the limit is 3.3"
    )
    assert labelled("time Lunch: RMSE 1.7 USD") == "Meal Lunch: RMSE 1.7 USD"
    assert labelled("took a long time (12 s)") == "took a long time (12 s)"
    assert chart_label("day Thur") == "Thursday"
    assert chart_label("sex Female") == "Sex of the payer: Female"
    assert chart_label("total_bill given size and time") == (
        "Total bill given people at the table and meal"
    )
    assert describe_change("total_bill 19% higher") == "Total bill 19% higher"
