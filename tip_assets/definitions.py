"""Dagster's only entry point: all assets, checks, jobs and resources.

Loading this module imports none of mlflow, evidently, xgboost, hyperopt or matplotlib: assets
import them when they run.
"""

import dagster as dg

from tip_assets import assets, checks
from tip_assets.automation import jobs, run_sensors
from tip_assets.automation.landing_sensor import landing_sensor
from tip_assets.automation.schedules import monthly_schedule
from tip_assets.runtime.executor import one_process
from tip_assets.runtime.resources import resources
from tip_assets.runtime.run_logging import progress_logger
from tip_assets.settings import get_settings


@dg.definitions
def defs() -> dg.Definitions:
    """Return all definitions of the platform."""
    return dg.Definitions(
        assets=dg.load_assets_from_package_module(assets, include_specs=True),
        asset_checks=dg.load_asset_checks_from_package_module(checks),
        jobs=[jobs.monthly_retraining_job, jobs.ingestion_job, jobs.release_job],
        schedules=[monthly_schedule],
        sensors=[
            landing_sensor,
            run_sensors.success_report,
            run_sensors.failure_report,
            run_sensors.cancellation_report,
            run_sensors.silence_sensor,
        ],
        resources=resources(get_settings()),
        executor=one_process,
        loggers={"console": dg.colored_console_logger, "progress": progress_logger},
    )
