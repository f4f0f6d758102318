"""Three generated months after the first: quiet, changed, and with broken files.

Belongs here: what the demonstration plays and says. Does not belong here: generating or running.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tip_assets.run_month import Outcome, run_month
from tip_assets.settings import Settings
from tip_assets.simulate import UNCHANGED, Change, land_generated, land_sample


@dataclass(frozen=True)
class Scene:
    """A generated month and what to look for in it."""

    month: str
    title: str
    expect: str
    seed: int
    change: Change = UNCHANGED
    broken: bool = False


SCENES = (
    Scene(
        "2024-02",
        "a quiet month, generated from the sample without any change",
        "Nothing drifts. The challenger is compared with the champion on the same held-out rows "
        "and replaces it only if it is better beyond doubt.",
        seed=2,
    ),
    Scene(
        "2024-03",
        "a changed month, generated: prices +35 %, mostly lunch, larger parties",
        "Most columns drift. The promotion is held, the champion keeps serving, and a person "
        "decides.",
        seed=3,
        change=Change(prices=1.35, lunch_share=0.7, larger_parties=0.6),
    ),
    Scene(
        "2024-04",
        "a month with broken files, generated without any change",
        "Bad rows and files go to quarantine with the reason; what was good goes on.",
        seed=4,
        broken=True,
    ),
)


def play(settings: Settings) -> Iterator[str | Outcome]:
    """Play the months in order; gives what to say, and each month's outcome."""
    storage = settings.storage_root
    land_sample(storage, "2024-01")
    yield "2024-01: the sample as it is, so that there is a champion."
    yield run_month(settings, "2024-01")
    for scene in SCENES:
        land_generated(storage, scene.month, 244, scene.seed, scene.change, scene.broken)
        yield f"{scene.month}: {scene.title}.\n{scene.expect}"
        yield run_month(settings, scene.month)
