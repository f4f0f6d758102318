"""The demonstration: the sample, then a quiet month, a changed one, one with broken files."""

from collections.abc import Iterator
from dataclasses import dataclass

from tip_assets.cli.run_month import Outcome, run_month
from tip_assets.ingestion.landing import landing_files
from tip_assets.ingestion.simulate import (
    GENERATED,
    LANDED_SAMPLE,
    UNCHANGED,
    Change,
    land_generated,
    land_sample,
)
from tip_assets.partitions import month_after
from tip_assets.settings import Settings


@dataclass(frozen=True)
class Scene:
    """A generated month and what to expect of it."""

    title: str
    expect: str
    seed: int
    change: Change = UNCHANGED
    broken: bool = False


SCENES = (
    Scene(
        "a quiet month, generated from the sample without any change",
        "Nothing drifts. The challenger is compared with the champion on the same held-out rows "
        "and replaces it only if it is shown to be better.",
        seed=2,
    ),
    Scene(
        "a changed month, generated: prices +35 %, mostly lunch, larger parties",
        "Most columns drift. The promotion is held, the champion keeps serving, and a person "
        "decides.",
        seed=3,
        change=Change(prices=1.35, lunch_share=0.7, larger_parties=0.6),
    ),
    Scene(
        "a month with broken files, generated without any change",
        "Bad rows and files go to quarantine with the reason; valid rows continue.",
        seed=4,
        broken=True,
    ),
)


def play(settings: Settings) -> Iterator[str | Outcome]:
    """Run the platform's first months; yields texts to print, and each month's outcome.

    Raises FileExistsError when one of them has other landing files: generated months must not mix
    with real ones.
    """
    storage, first = settings.storage_root, settings.first_month
    played = [month_after(first, place) for place in range(len(SCENES) + 1)]
    for month in played:
        for path in landing_files(storage, month):
            if not path.name.startswith((GENERATED, LANDED_SAMPLE)):
                raise FileExistsError(
                    f"{path} is not a file of the demo: run the demo in an empty storage, such as "
                    "TIPS_STORAGE=./demo"
                )
    land_sample(storage, first)
    yield f"{first}: the unchanged sample, to get a champion."
    yield run_month(settings, first)
    for month, scene in zip(played[1:], SCENES, strict=True):
        land_generated(storage, month, 244, scene.seed, scene.change, scene.broken)
        yield f"{month}: {scene.title}.\n{scene.expect}"
        yield run_month(settings, month)
