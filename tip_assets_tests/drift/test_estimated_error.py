"""The estimated error is right when only the bills differ, and abstains where it knows nothing."""

import numpy as np
import pytest

from benchmarks.estimated_error import play
from tip_assets.drift.estimated_error import EstimatedError, estimate_error
from tip_assets.ingestion.simulate import UNCHANGED, Change, generate
from tip_assets.modelling.intervals import HeldOutErrors

ERRORS = HeldOutErrors(5, 0.8, [-0.1, -0.05, 0.0, 0.05, 0.2])


def test_the_realised_error_is_mostly_within_the_interval():
    played = [play(600, UNCHANGED, seed) for seed in range(20)]
    estimated = [
        (p.estimated, p.realised) for p in played if isinstance(p.estimated, EstimatedError)
    ]
    assert len(estimated) >= 18
    assert np.mean([e.low <= realised <= e.high for e, realised in estimated]) >= 0.85


def test_guests_who_tip_differently_on_the_same_bills_are_not_seen():
    """Stated on the page: the inputs do not show it."""
    played = play(600, Change(generosity=1.5), 3)
    assert isinstance(played.estimated, EstimatedError)
    assert played.realised > played.estimated.high


@pytest.mark.parametrize(
    ("rows", "change", "unseen", "words"),
    [
        (20, UNCHANGED, 0, "20 predictions are too few"),
        (200, Change(prices=1.5), 0, "drifted: total_bill"),
        (200, UNCHANGED, 20, "20 of 200 bills are unlike any"),
    ],
)
def test_it_abstains(rows, change, unseen, words):
    reference, current = generate(600, 1, UNCHANGED), generate(rows, 2, change)
    never_seen = ["Mondays"] * unseen + [""] * (rows - unseen)
    found = estimate_error(ERRORS, reference, current, never_seen, 120)
    assert isinstance(found, str)
    assert words in found
