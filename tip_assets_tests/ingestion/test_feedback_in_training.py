"""Feedback trains within bounds: no attack through it moves the champion's answer far."""

from dataclasses import dataclass

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from upath import UPath

from tip_assets import contract
from tip_assets.assets.raw_tips import raw_tips
from tip_assets.assets.splits import split
from tip_assets.assets.transformed_tips import transform
from tip_assets.checks.ingestion import enough_rows, few_rows_are_quarantined
from tip_assets.drift.alarm import judge_month
from tip_assets.drift.datasets import ServingModel, first_month_datasets, serving_datasets
from tip_assets.ingestion.landing import landing_folder, read_month
from tip_assets.ingestion.simulate import UNCHANGED, generate
from tip_assets.metric_store.holds import RELEASABLE
from tip_assets.modelling.comparison import compare
from tip_assets.modelling.out_of_fold import out_of_fold
from tip_assets.modelling.promotion import Situation, decide, quality_faults
from tip_assets.modelling.recipe import recipe_for
from tip_assets.modelling.search import Trial
from tip_assets.modelling.split import (
    FROM_FEEDBACK,
    LEFT_OUT,
    PART,
    TEST,
    TRAIN,
    fingerprint,
    from_feedback,
    monthly_fingerprints,
)
from tip_assets.modelling.training import (
    describe_feedback,
    load_booster,
    predict_rows,
    read_report,
    report_of,
    tips_of,
    train_booster,
)
from tip_assets.runtime.resources import resources
from tip_assets.runtime.storage import write_atomically
from tip_assets.settings import Settings

BILL, TIP = contract.BILL, contract.LABEL.name
FEEDBACK = "feedback-20240201-120000-abc123.csv"
# Fixed, so that a test takes a second: a search with the platform's 50 trials finds the like.
PARAMETERS = {
    "max_depth": 2.0,
    "learning_rate": 0.05,
    "colsample_bytree": 0.8,
    "subsample": 0.8,
    "reg_lambda": 5.0,
    "min_child_weight": 5.0,
}
BEST = Trial(1, PARAMETERS, 1.0, 0.1, 80)


def landed(folder, month: str, **files: pd.DataFrame) -> pd.DataFrame:
    """The month as `splits` holds it, from landing files."""
    storage = UPath(folder)
    for name, records in files.items():
        path = landing_folder(storage, month) / (FEEDBACK if name == "feedback" else f"{name}.csv")
        write_atomically(path, records.to_csv(index=False).encode())
    return split(transform(read_month(storage, month).rows), month)


def bills(rows: int, sample: pd.DataFrame) -> pd.DataFrame:
    """Different bills like the sample's, with its tips."""
    return generate(rows, 7, UNCHANGED).assign(tip=lambda r: r[TIP].clip(0.01, 100))


def with_share(records: pd.DataFrame, share) -> pd.DataFrame:
    return records.assign(tip=(records[BILL] * share).clip(0, 100).round(2))


def smoking_dinners(records: pd.DataFrame) -> pd.DataFrame:
    return with_share(records.assign(smoker="Yes", time="Dinner"), 0.7)


def few_contents(records: pd.DataFrame) -> pd.DataFrame:
    """Many copies of few rows, all of which are training rows by their hash."""
    different = with_share(records.head(200).assign(total_bill=48.0 + np.arange(200) / 100), 0.7)
    learned = different[split(transform(different), "x")[PART].eq(TRAIN).to_numpy()]
    return pd.concat([learned.head(3)] * 4_000).head(len(records))


ATTACKS = {
    "no tip at all": lambda r: r.assign(tip=0.0),
    "the contract's highest tip": lambda r: r.assign(tip=100.0),
    "twice the bill": lambda r: with_share(r, 2.0),
    "the highest share that producers have": lambda r: with_share(r, 0.7),
    "the lowest share that producers have": lambda r: with_share(r, 0.036),
    "smoking tables at dinner": smoking_dinners,
    "few contents, all of one part": few_contents,
    "dear bills": lambda r: with_share(r.assign(total_bill=49 + r.index % 100 / 100), 0.5),
    "ten per cent higher": lambda r: r.assign(tip=(r[TIP] * 1.1).round(2)),
    "twenty per cent lower": lambda r: r.assign(tip=(r[TIP] * 0.8).round(2)),
    "twenty per cent higher": lambda r: r.assign(tip=(r[TIP] * 1.2).round(2)),
}


@dataclass
class Champion:
    """The model that serves, and the split rows of its months."""

    month: str
    window: pd.DataFrame
    booster: object


def serve(champion: Champion | None, month: str, rows: pd.DataFrame, age: int) -> Champion | None:
    """Train the month and decide by the platform's own functions; return who serves then."""
    settings = Settings()
    window = rows if champion is None else pd.concat([champion.window, rows], ignore_index=True)
    recipe = recipe_for(window, **settings.recipe_options)
    ubj = train_booster(month, window, BEST, recipe)
    report, booster = read_report(ubj), load_booster(ubj)

    def serving(served: object) -> ServingModel:
        report = report_of(served)
        return ServingModel(
            predict=lambda records: predict_rows(served, transform(records.assign(tip=0.0))),
            predict_held_out=lambda rows: out_of_fold(rows, report.to_trial(), report.to_recipe()),
        )

    test, verdict = window[window[PART] == TEST], None
    if champion is None:
        datasets = first_month_datasets(rows, serving(booster))
    else:
        verdict = compare(
            tips_of(test),
            predict_rows(booster, test),
            predict_rows(champion.booster, test),
            **settings.comparison_options,
        ).verdict
        datasets = serving_datasets(
            rows,
            [champion.window],
            monthly_fingerprints(champion.window),
            "the champion",
            serving(champion.booster),
        )
    charts = judge_month(datasets, [], settings.quiet_months_per_alarm)
    drifted = any(chart.alarm for chart in charts)
    decision = decide(
        Situation(
            month=month,
            champion_month=champion.month if champion else None,
            verdict=verdict,
            quality_faults=quality_faults(report.baselines, report.against),
            dataset_drifted=drifted,
            drift_confirmed=drifted,
            better_on_drifted_months=False,
            champion_age_months=age,
            max_champion_age_months=settings.max_champion_age_months,
            champion_contract=contract.VERSION if champion else None,
        )
    )
    return Champion(month, window, booster) if decision.promotes else champion


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_no_attack_by_feedback_moves_the_champions_answer_by_five_per_cent(
    tmp_path, sample, rows, attack
):
    """Ten thousand rows: in the first month, and in one that replaces an old champion."""
    poison = attack(bills(10_000, sample))
    first = landed(tmp_path, "2024-01", tips=sample, feedback=poison)
    assert from_feedback(first[first[PART] == TRAIN]).mean() <= 0.2
    assert not from_feedback(first[first[PART] == TEST]).any()
    clean, attacked = (serve(None, "2024-01", month, 0) for month in (rows, first))
    assert moved(clean, attacked, rows) < 0.05

    february = generate(244, 3, UNCHANGED)
    (tmp_path / "clean").mkdir()
    quiet = landed(tmp_path / "clean", "2024-02", tips=february)
    loud = landed(tmp_path, "2024-02", tips=february, feedback=poison)
    for age in (1, 7):  # at seven months every model that is not worse is promoted
        before, after = (serve(clean, "2024-02", month, age) for month in (quiet, loud))
        assert (before.month, before is clean) == (after.month, after is clean)
        assert moved(before, after, rows) < 0.05


def test_feedback_within_both_limits_is_learned(tmp_path, sample):
    """With other seeds fifty ordinary rows exceed a limit: see docs/checks.md."""
    month = landed(tmp_path, "2024-01", tips=sample, feedback=generate(500, 5, UNCHANGED))
    report = read_report(
        train_booster("2024-01", month, BEST, recipe_for(month, **Settings().recipe_options))
    )
    assert (report.feedback["rows"], report.feedback["learned"]) == (500, 50)
    assert report.train["rows"] == 253
    assert describe_feedback(report) == "50 of 500 feedback rows learned"


def test_which_feedback_is_used_depends_on_its_content_alone(tmp_path, sample, rows):
    feedback = generate(3_000, 5, UNCHANGED)
    (tmp_path / "shuffled").mkdir()
    month = landed(tmp_path, "2024-01", tips=sample, feedback=feedback)
    other = landed(
        tmp_path / "shuffled",
        "2024-01",
        tips=sample,
        feedback=feedback.sample(frac=1, random_state=1),
    )
    columns = list(contract.COLUMNS)
    chosen = [m[from_feedback(m) & (m[PART] == TRAIN)][columns] for m in (month, other)]
    assert len(chosen[0]) == 50
    one, two = (frame.sort_values(columns, ignore_index=True) for frame in chosen)
    pd.testing.assert_frame_equal(one, two)
    producers = month[~from_feedback(month)][rows.columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(producers, rows)
    assert fingerprint(month) != fingerprint(month.assign(part=TRAIN))
    assert (month[PART] == LEFT_OUT).sum() == 2_950


def test_months_without_the_column_are_rows_of_producers(rows, tmp_path, sample):
    assert FROM_FEEDBACK not in rows
    month = landed(tmp_path, "2024-01", tips=sample, feedback=generate(100, 5, UNCHANGED))
    window = pd.concat([rows, month], ignore_index=True)
    assert from_feedback(window).sum() == 100
    assert not from_feedback(window.head(244)).any()


@pytest.mark.parametrize(
    ("producers", "passed"), [(0, False), (29, False), (30, True)], ids=["none", "few", "enough"]
)
def test_feedback_alone_stops_the_month_before_training(tmp_path, sample, producers, passed):
    settings, storage = Settings(storage=str(tmp_path)), UPath(tmp_path)
    files = {"feedback": generate(2_989, 5, UNCHANGED), "tips": sample.head(producers)}
    landed(tmp_path, "2024-01", **files)
    result = dg.materialize(
        [raw_tips, enough_rows, few_rows_are_quarantined],
        partition_key="2024-01",
        resources=resources(settings),
        raise_on_error=False,
    )
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert checks["enough_rows"].passed is passed
    assert checks["enough_rows"].blocking
    assert "enough_rows" not in RELEASABLE
    assert f"{producers} valid rows from producers (2989 from" in checks["enough_rows"].description
    assert read_month(storage, "2024-01").rows["source_file"].str.startswith("feedback-").any()


def test_feedback_does_not_hide_that_producers_rows_are_refused(tmp_path, sample):
    broken = sample.astype(object)
    broken.loc[:99, "day"] = "x"
    landed(tmp_path, "2024-01", tips=broken, feedback=generate(5_000, 5, UNCHANGED))
    result = dg.materialize(
        [raw_tips, few_rows_are_quarantined],
        partition_key="2024-01",
        resources=resources(Settings(storage=str(tmp_path))),
        raise_on_error=False,
    )
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert check.metadata["share"].value == pytest.approx(100 / 244)


def moved(one: Champion, other: Champion, sample_rows: pd.DataFrame) -> float:
    """Mean absolute relative change of the answers to the 244 bills of the sample."""
    before, after = (predict_rows(model.booster, sample_rows) for model in (one, other))
    return float(np.mean(np.abs(after / before - 1)))
