"""How a month is executed: all of its steps in one process, which leaves its mark on the run.

Belongs here: that executor. Does not belong here: what follows from the mark (`instance.py`).

A month runs in one process because importing MLflow and Evidently afresh in every step costs more
than the work. The mark tells, after a crash, that nobody is working on the run any more.
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
    """Dagster's in-process executor; the run's tag says in which process."""

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        plan_context.instance.add_run_tags(plan_context.run_id, {PROCESS_TAG: process_mark()})
        yield from super().execute(plan_context, execution_plan)


@dg.executor(name="one_process")
def one_process(_context: dg.InitExecutorContext) -> dg.Executor:
    """All steps in one process, with retries."""
    return MarkingExecutor(retries=RetryMode.ENABLED)
