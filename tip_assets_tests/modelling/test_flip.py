"""How far predictions move when only a sensitive value changes."""

import numpy as np
import pytest

from tip_assets import contract
from tip_assets.modelling.flip import describe_flip, flip, flip_metrics


def test_a_flip_is_the_change_by_that_value_alone(rows):
    """Smokers are predicted 0.3 USD more on bills above 20, the payer's sex changes nothing."""

    def predict(asked):
        assert asked[contract.BILL].equals(rows[contract.BILL])
        return 0.15 * asked[contract.BILL] + 0.3 * asked["smoker"] * (asked[contract.BILL] > 20)

    facts = flip(rows, predict)
    dear = np.mean(rows[contract.BILL] > 20)
    assert facts.keys() == {column.name for column in contract.SENSITIVE} == {"sex", "smoker"}
    assert facts["smoker"]["most_usd"] == pytest.approx(0.3)
    assert facts["smoker"]["mean_usd"] == pytest.approx(0.3 * dear)
    tips = facts["smoker"]["mean_tip_usd"]
    assert tips["Yes"] - tips["No"] == pytest.approx(0.3 * dear)
    assert facts["sex"]["most_usd"] == 0
    assert flip_metrics(facts)["flip_smoker_most_usd"] == pytest.approx(0.3)
    assert "only smoker changed: 0.1" in describe_flip(facts)
