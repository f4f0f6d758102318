"""Terraform's own command, run on a copy of `deploy/terraform`.

Belongs here: finding Terraform with its provider, and running it. The user's own configuration says
where the provider comes from: a registry, a mirror, `TF_CLI_ARGS_init`. Does not belong here: what
must be true afterwards.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tip_assets_tests.support.terraform import FOLDER

# What `terraform init` says where the machine lacks something, and nothing is wrong with the code.
_LACKING = re.compile(
    r"Failed to (?:query available provider packages|install provider)"
    r"|Unsupported Terraform Core version"
)
_MOST_MINUTES = 15


class Terraform:
    """A copy of a folder of Terraform's, in which its command runs."""

    def __init__(self, folder: Path, account: dict[str, str] | None = None) -> None:
        """`account` leads to an AWS account, and nothing else in the environment does."""
        self.folder = folder
        ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environment = ours | {"TF_IN_AUTOMATION": "1"} | (account or {})

    def init(self, *arguments: str) -> None:
        """Fetch the provider. Skips the test where there is no Terraform or no provider."""
        done = self._done("init", "-input=false", *arguments)
        if _LACKING.search(done.stdout):
            pytest.skip(f"no provider for Terraform: {_brief(done.stdout)}")
        assert done.returncode == 0, done.stdout

    def run(self, *arguments: str) -> str:
        """What a command prints. Fails when the command does."""
        done = self._done(*arguments)
        assert done.returncode == 0, f"terraform {' '.join(arguments)}\n{done.stdout[-6000:]}"
        return done.stdout

    def refusal(self, *arguments: str) -> str:
        """What a command prints that must fail."""
        done = self._done(*arguments)
        assert done.returncode == 1, f"terraform {' '.join(arguments)}\n{done.stdout[-6000:]}"
        return done.stdout

    def _done(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        if shutil.which("terraform") is None:
            pytest.skip("no command `terraform` on the PATH")
        return subprocess.run(
            ["terraform", *arguments, *(["-no-color"] if arguments[0] != "fmt" else [])],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60 * _MOST_MINUTES,
        )


def copied(to: Path) -> Path:
    """A copy without what somebody's own deployment has left in the folder."""
    theirs = (".terraform", "*.tfstate*", "yours.tfvars", "backend.tf", "backend.hcl", "plan.*")
    return Path(shutil.copytree(FOLDER, to, ignore=shutil.ignore_patterns(*theirs)))


def _brief(text: str) -> str:
    """The error, in one line."""
    return " ".join(text.partition("Error: ")[2].split())[:300]
