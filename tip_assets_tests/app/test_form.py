"""What the form starts with and understands, and the steps of an answer."""

import pytest

from app.form import amount, choices, first_values
from app.prediction_plots import steps
from tip_assets import contract
from tip_assets.serving.loaded_model import Parts
from tip_assets_tests.support.records import record


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2,50", 2.5),
        ("2.5", 2.5),
        ("$ 24", 24.0),
        ("24.", 24.0),
        ("1,234", "1,234"),
        ("1,234.50", "1,234.50"),
        ("-3", "-3"),
        ("", None),
        (None, None),
    ],
)
def test_an_amount_has_a_decimal_point_or_comma_and_is_never_guessed(typed, meant):
    assert amount(typed) == meant


def test_the_form_starts_with_what_the_model_was_trained_on():
    values = first_values({"day": ["Sat", "Sun"], "size": [3.0, 6.0], "time": ["Dinner"]})
    assert (values["day"], values["size"], values["time"]) == ("Sat", 3, "Dinner")
    unknown = first_values({})
    assert unknown["day"] == choices(contract.COLUMNS["day"])[0]
    assert unknown["size"] == 2


def test_steps_are_cents_that_add_up_to_the_tip_that_is_shown():
    parts = Parts(6.1249, True, {"total_bill": 0.0849, "sex": 0.004, "day": 0.0849}, 0.0)
    made = steps(parts, record(total_bill=40.0))
    assert made[0].dollars == 6.12
    assert round(sum(step.dollars for step in made), 2) == round(6.1249 + 0.0849 * 2 + 0.004, 2)
    assert all(step.dollars == round(step.dollars, 2) for step in made)
