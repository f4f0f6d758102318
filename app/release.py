"""Releasing a held month from the page, by the command `tips release` itself.

Belongs here: who may, and running the command. Does not belong here: what a release does
(`tip_assets/assets/production_model.py`).
"""

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from app.login import may_enter
from app.sources import MLFLOW_GIVES_UP
from app.style import sentence
from tip_assets.settings import Settings

_LOOPBACK = ("127.0.0.1", "localhost")


def releaser(settings: Settings, person: Mapping[str, object] | None) -> str | None:
    """Return the name under which a person may release, None for one who may not.

    `person` holds the claims of a login, None when there is no login.
    """
    if person is None:
        return getpass.getuser() if settings.app_host in _LOOPBACK else None
    if not settings.app_releasers.strip():
        return None
    may = may_enter(person, settings.app_releasers, settings.app_accept_unverified_email)
    return str(person["email"]) if may else None


def release(month: str, reason: str, by: str) -> str:
    """Release a month; returns why that failed, or nothing.

    The command runs in a process of its own: a run needs the main thread for its limit of time.
    """
    command = [str(Path(sys.executable).with_name("tips")), "release", "--json"]
    command += [f"--month={month}", f"--reason={reason}", f"--by={by}"]
    environment = {name: v for name, v in os.environ.items() if name not in MLFLOW_GIVES_UP}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode == 0:
        return ""
    try:
        failure = json.loads(done.stdout)["failure"]
    except (ValueError, KeyError):
        failure = None
    lines = done.stderr.strip().splitlines() or ["the release failed"]
    return sentence(failure or lines[-1].removeprefix("error: "))
