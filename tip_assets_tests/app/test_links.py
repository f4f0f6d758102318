"""Links from the app to Dagster follow the settings when a page is drawn."""

from datetime import UTC, datetime

from tip_assets.metric_store.store import MetricStore
from tip_assets.settings import get_settings
from tip_assets_tests.support.app import forget_the_app
from tip_assets_tests.support.prediction_pages import page


def test_a_month_links_to_its_last_run_where_the_settings_say(tmp_path, monkeypatch):
    monkeypatch.setenv("TIPS_STORAGE", str(tmp_path))
    monkeypatch.setenv("TIPS_APP_METRICS_PORT", "0")
    forget_the_app()
    outcome = {"run_id": "a-run", "month": "2020-01", "job": "monthly_retraining_job"}
    outcome |= {"status": "SUCCESS", "failure": None, "landing_digest": ""}
    outcome["ended_at"] = datetime(2020, 2, 1, tzinfo=UTC)
    MetricStore(url=get_settings().metric_store_url).record_run(outcome, {})
    for address in ("http://127.0.0.1:3000", "https://dagster.example.org"):
        shown = [text.value for text in page("reports").markdown]
        assert f"[Last run in Dagster]({address}/runs/a-run)" in shown
        monkeypatch.setenv("TIPS_DAGSTER_UI", "https://dagster.example.org/")
        get_settings.cache_clear()
    forget_the_app()
