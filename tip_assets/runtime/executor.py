"""The executor: all steps of a month in one process, which tags the run with its mark.

A month runs in one process because importing MLflow and Evidently in every step costs more than the
work. After a crash, the mark shows that no process works on the run (`instance.py`).
"""

from collections.abc import Iterator

import dagster as dg

# Dagster's executors have no public base to extend; `execute` is what they all implement.
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor

from tip_assets.runtime.instance import PROCESS_TAG, process_mark


class MarkingExecutor(InProcessExecutor):
    """Dagster's in-process executor; tags the run with its process."""

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        plan_context.instance.add_run_tags(plan_context.run_id, {PROCESS_TAG: process_mark()})
        yield from super().execute(plan_context, execution_plan)


@dg.executor(name="one_process")
def one_process(_context: dg.InitExecutorContext) -> dg.Executor:
    """Execute all steps in one process, with retries."""
    return MarkingExecutor(retries=RetryMode.ENABLED)
