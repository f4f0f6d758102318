"""`.github/run-task.sh` runs what Terraform's outputs say, and fails when the task does.

In place of `terraform` and `aws` are programs that answer as those do, and write down what they are
asked: the package index has no AWS CLI of version 2.
"""

import json
import os
import subprocess

import pytest

from tip_assets_tests.support.terraform import FOLDER

SCRIPT = FOLDER.parents[1] / ".github" / "run-task.sh"
OVERRIDES = (
    '{"containerOverrides": [{"name": "operator", "command": ["tips", "history"]}]}'  # outputs.tf
)
AWS = """#!/bin/sh
printf '%s\\n' "$@" ---- >>"$ASKED"
case "$*" in
*run-task*) echo arn:aws:ecs:eu-central-1:111122223333:task/tip-platform/0123 ;;
*describe-tasks*) printf '%s\\tEssential container in task exited\\n' "$EXIT" ;;
esac
"""


@pytest.mark.parametrize(("exit_code", "expected"), [("0", 0), ("1", 1), ("None", 1)])
def test_a_command_of_tips_is_run_and_awaited(tmp_path, exit_code, expected):
    assert OVERRIDES.replace('"', '\\"') in (FOLDER / "outputs.tf").read_text()
    output = f"aws ecs run-task --cluster tip-platform --overrides '{OVERRIDES}'"
    (tmp_path / "output").write_text(output)
    for name, text in (("aws", AWS), ("terraform", f"#!/bin/sh\ncat {tmp_path}/output\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    asked = tmp_path / "asked"
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        [SCRIPT, "run_tips", "drain", "--wait", "3600"],
        env=os.environ | {"PATH": path, "ASKED": str(asked), "EXIT": exit_code},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expected, done.stderr
    run, waited, described, _ = (call.split("\n") for call in asked.read_text().split("----\n"))
    (container,) = json.loads(run[run.index("--overrides") + 1])["containerOverrides"]
    assert container == {"name": "operator", "command": ["tips", "drain", "--wait", "3600"]}
    assert waited[:3] == ["ecs", "wait", "tasks-stopped"]
    for call in (waited, described):
        assert call[call.index("--cluster") + 1] == "tip-platform"
        assert call[call.index("--tasks") + 1].endswith("/tip-platform/0123")
