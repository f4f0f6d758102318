"""The quality gate and the promotion rule as pure functions.

`assets/production_model.py` carries out the decision.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from tip_assets.contract import VERSION, same_major
from tip_assets.modelling.comparison import MIN_ROWS
from tip_assets.modelling.evaluation import FIXED_SHARE, MEAN_TIP

Action = Literal["promoted", "kept", "held", "released"]
_NOT_WORSE = "shown to be not worse than the champion"
_UNDECIDED = "not shown to be better than the champion, nor to be not worse"


@dataclass(frozen=True)
class Situation:
    """The inputs of the decision.

    `verdict` is that of the paired comparison with the champion, None without a champion;
    `power_note` describes the comparison's power.
    `drift_confirmed`: two of the last three measured months have drifted against this reference.
    `better_on_drifted_months`: drift persists, and the challenger is better than the champion on
    the held-out rows of the drifted months.
    `champion_contract` is the version of the contract that the champion was trained under.
    """

    month: str
    champion_month: str | None
    verdict: str | None
    quality_faults: list[str]
    dataset_drifted: bool
    drift_confirmed: bool
    better_on_drifted_months: bool
    champion_age_months: int
    max_champion_age_months: int
    champion_contract: str | None
    power_note: str = ""


@dataclass(frozen=True)
class Decision:
    """The decision on a challenger, with its reason."""

    action: Action
    reason: str

    @property
    def promotes(self) -> bool:
        return self.action in ("promoted", "released")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def quality_faults(baselines: dict[str, float], against: dict[str, dict[str, Any]]) -> list[str]:
    """Describe why a model is too poor to serve; empty if it is good enough.

    It must be better than the mean tip, and not be *shown* to be worse than the fixed share of the
    bill: on 49 rows a sound model loses to that baseline by chance every fourth time (measured).
    """
    faults = []
    model = against[MEAN_TIP]["rmse"]
    if model >= baselines[MEAN_TIP]:
        faults.append(
            f"test RMSE {model:.3f} USD is not below the mean tip's {baselines[MEAN_TIP]:.3f}"
        )
    if against[FIXED_SHARE]["verdict"] == "worse":
        faults.append(
            f"test RMSE {model:.3f} USD is worse than the fixed share of the bill, "
            f"{baselines[FIXED_SHARE]:.3f}"
        )
    return faults


def better_on_drifted_months(drift_metrics: dict[str, Any]) -> bool:
    """Return whether drift persists and the challenger is better on those months' held-out rows."""
    new_months = drift_metrics["new_months"]
    return bool(new_months) and new_months["verdict"] == "better"


def decide(situation: Situation, release_reason: str = "") -> Decision:
    """Decide on a challenger; with an operator's `release_reason`, a held one is released."""
    s = situation
    if s.champion_month is not None and s.champion_month > s.month:
        return Decision("kept", f"the champion was trained on a newer month, {s.champion_month}")
    if release_reason:
        return Decision("released", f"by a person: {release_reason}")
    if s.quality_faults:
        return Decision("held", "; ".join(s.quality_faults))
    if s.champion_contract and not same_major(s.champion_contract, VERSION):
        return Decision(
            "held",
            f"the champion was made for contract {s.champion_contract} and cannot read records of "
            f"contract {VERSION}, so nothing compares the two: a person has to release",
        )
    if s.dataset_drifted and s.better_on_drifted_months:
        return Decision(
            "promoted", "drift persists, and better than the champion on rows held out of it"
        )
    if s.dataset_drifted:
        return Decision("held", "the dataset has drifted: a person has to decide")
    if s.verdict is None:
        return Decision("promoted", "first model that passes the quality checks")
    if s.verdict == "better":
        return Decision("promoted", "better than the champion on the same held-out rows")
    if s.verdict == "worse":
        return Decision("kept", "worse than the champion on the same held-out rows")
    if s.verdict == "too few rows":
        return Decision(
            "kept", f"fewer than {MIN_ROWS} held-out rows cannot show which model is better"
        )
    not_worse = s.verdict == "not worse"
    if not_worse and s.drift_confirmed:
        return Decision("promoted", f"{_NOT_WORSE}, and drift is confirmed")
    if not_worse and s.champion_age_months > s.max_champion_age_months:
        return Decision("promoted", f"{_NOT_WORSE}, which is {s.champion_age_months} months old")
    shown = f"{_NOT_WORSE}, nor shown to be better" if not_worse else _UNDECIDED
    return Decision("kept", "; ".join(filter(None, (shown, s.power_note))))
