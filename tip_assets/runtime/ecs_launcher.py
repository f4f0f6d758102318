"""Launch each run as an ECS task that only Terraform describes.

Dagster's own launcher applies a run's `ecs/*` tags to its task: command, role, size, network.
With them, anybody who may launch a run could execute any command with the rights of that task.
"""

import dagster as dg
from dagster._core.launcher import LaunchRunContext, ResumeRunContext  # as launchers import them
from dagster._core.storage.tags import MAX_RETRIES_TAG
from dagster_aws.ecs import EcsRunLauncher

_PREFIX = "ecs/"
# The launcher writes these at each launch; a retry inherits them from the run that it repeats.
_OF_LAUNCHER = {"ecs/cluster", "ecs/task_arn"}


class FixedTaskLauncher(EcsRunLauncher):
    """Dagster's ECS launcher, which fails runs whose tags would change their task."""

    def launch_run(self, context: LaunchRunContext) -> None:
        if not self._refuse(context.dagster_run):
            super().launch_run(context)

    def resume_run(self, context: ResumeRunContext) -> None:
        if not self._refuse(context.dagster_run):
            super().resume_run(context)

    def _refuse(self, run: dg.DagsterRun) -> bool:
        """Mark a run with such tags as failed; returns whether it was refused."""
        refused = sorted(
            tag for tag in run.tags if tag.startswith(_PREFIX) and tag not in _OF_LAUNCHER
        )
        if not refused:
            return False
        # A retry would inherit the tags.
        self._instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: "0"})
        self._instance.report_run_failed(
            run,
            f"refused: only Terraform sets how a task runs; remove the tags {', '.join(refused)}",
        )
        return True
