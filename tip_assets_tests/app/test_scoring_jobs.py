"""A file that is scored survives a reload, can be cancelled, and leaves no ids that nobody got."""

import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app import scoring_jobs as jobs
from app.predictions import predictions
from tip_assets.ingestion.feedback import PREDICTION_ID
from tip_assets_tests.support.prediction_pages import (
    numbers,
    page,
    until,
    words,
)


def start(sample, log: bool = True) -> jobs.Job:
    folder = TemporaryDirectory()
    given = Path(folder.name) / "given.csv"
    sample.to_csv(given, index=False)
    return jobs.scoring_jobs().start(predictions(), given, folder, "bills.csv", len(sample), log)


def test_a_page_that_is_loaded_again_shows_the_result(storage, sample):
    job = start(sample)
    until(lambda: not job.is_running)
    for query in ({"job": job.id}, {"job": "unknown"}, {}):
        shown = page("score", **query)
        if query == {"job": job.id}:
            assert numbers(shown)["Predicted"] == "244"
            assert "bills.csv" in words(shown)
        else:
            assert not shown.metric
    assert "no longer kept" in page("score", job="unknown").info[0].value


def test_a_cancelled_job_leaves_no_ids_and_no_file(storage, sample, monkeypatch):
    logged, go_on = threading.Event(), threading.Event()
    log_piece = type(predictions())._log_piece

    def slowly(self, model, piece):
        problem = log_piece(self, model, piece)
        logged.set()
        go_on.wait(20)
        return problem

    monkeypatch.setattr(type(predictions()), "_log_piece", slowly)
    job = start(sample)
    assert logged.wait(20)
    assert predictions().log.store.select(_ids())
    job.cancelled = True
    go_on.set()
    until(lambda: not job.is_running)
    assert job.result is None
    assert not job.failure
    assert predictions().log.store.select(_ids()) == []
    assert "cancelled" in page("score", job=job.id).info[0].value


def test_a_job_is_forgotten_with_its_files_after_a_day(storage, sample, monkeypatch):
    job = start(sample, log=False)
    until(lambda: not job.is_running)
    assert job.result.csv.exists()
    assert PREDICTION_ID not in job.result.csv.read_text().splitlines()[0]
    monkeypatch.setattr(jobs, "KEPT_SECONDS", 0)
    assert jobs.scoring_jobs().find(job.id) is None
    assert not job.result.csv.exists()


def test_the_time_left_follows_from_the_speed_so_far(monkeypatch):
    job = jobs.Job("id", "bills.csv", 1_000, TemporaryDirectory(), begun=100.0)
    assert job.seconds_left is None
    monkeypatch.setattr(jobs.time, "monotonic", lambda: 104.0)
    job.progress(400)
    assert job.seconds_left == pytest.approx(6.0)


def _ids():
    import sqlalchemy as sa

    from tip_assets.metric_store.tables import prediction_log

    return sa.select(prediction_log.c.id)
