"""What processes of `processes.py` share: imported once, by the process that they are forked from.

Belongs here: imports that take long.
"""

import hyperopt  # noqa: F401
import xgboost  # noqa: F401

import tip_assets.assets.raw_tips
import tip_assets.definitions  # noqa: F401
from tip_assets.drift.evidently_reports import import_evidently

import_evidently()
