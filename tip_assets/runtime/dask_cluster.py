"""A Dask cluster: the connection to it, a map in order, and work that survives a lost worker."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg

from tip_assets.modelling.recipe import code_digest, lock_version
from tip_assets.runtime.signals import interrupted

_Result = TypeVar("_Result")
_ANSWERS_WITHIN_SECONDS = 10
_WORKERS_WITHIN_SECONDS = 60
_LOSS_IS_SEEN_WITHIN_SECONDS = 3
_INTERRUPTED_CLOSES_WITHIN_SECONDS = 0.5
_RETRIES = 2  # of a task that raised; one whose worker died is run again besides
_ATTEMPTS = 4
_TASKS_AHEAD = 4  # for each thread: results that nobody has taken yet fill the workers' memory


@contextmanager
def cluster(scheduler: str) -> Iterator[Any]:
    """Yield a distributed.Client of the scheduler, or of workers started here if it is empty.

    Raises dg.Failure when the scheduler does not answer, has no worker, or its workers run other
    code.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        message = "TIPS_ENGINE=dask needs Dask, which is not installed: make setup-dask"
        raise dg.Failure(message, allow_retries=False) from error
    if not scheduler:
        started = LocalCluster(threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
        try:
            with Client(started, direct_to_workers=True) as client:
                yield client
        finally:
            _end(started)
        return
    try:
        client = Client(scheduler, timeout=_ANSWERS_WITHIN_SECONDS, direct_to_workers=True)
    except (OSError, TimeoutError, ValueError) as error:
        raise dg.Failure(
            f"The Dask scheduler at {scheduler} (TIPS_DASK_SCHEDULER) does not answer within "
            f"{_ANSWERS_WITHIN_SECONDS} seconds: {error}"
        ) from error
    with client:
        workers_of(client)
        _refuse_other_code(client)
        yield client


def _end(started: Any) -> None:
    """End workers of this process; after Ctrl-C without waiting, since they end with it anyway."""
    if not interrupted.is_set():
        started.close()
        return
    started.shutdown_on_close = False  # else Python's exit would wait for ten seconds
    with suppress(TimeoutError):
        started.close(timeout=_INTERRUPTED_CLOSES_WITHIN_SECONDS)


def workers_of(client: Any) -> list[str]:
    """Return the addresses of the workers; waits for the first one."""
    try:
        client.wait_for_workers(1, timeout=_WORKERS_WITHIN_SECONDS)
    except TimeoutError as error:
        raise dg.Failure(
            f"The Dask scheduler at {client.scheduler.address} (TIPS_DASK_SCHEDULER) has had no "
            f"worker for {_WORKERS_WITHIN_SECONDS} seconds."
        ) from error
    return sorted(client.nthreads())


def map_in_order(
    client: Any, function: Callable[[Any], _Result], arguments: Iterable[Any]
) -> Iterator[_Result]:
    """Yield the results of a function, computed by the workers, in the order of its arguments.

    A few tasks for each thread are under way at once; they are cancelled when the caller stops.
    """
    ahead = _TASKS_AHEAD * max(1, sum(client.nthreads().values()))
    waiting: deque[Any] = deque()
    try:
        for argument in arguments:
            waiting.append(client.submit(function, argument, pure=False, retries=_RETRIES))
            if len(waiting) == ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        client.cancel(list(waiting))


def on_all_workers(
    client: Any, work: Callable[[Sequence[str]], _Result], attempts: int = _ATTEMPTS
) -> _Result:
    """Do work that needs all workers; when one of them is lost, again on those that are left."""
    workers = workers_of(client)
    try:
        return work(workers)
    except Exception:
        if attempts == 1 or not _lost(client, workers):
            raise
    return on_all_workers(client, work, attempts - 1)


def _lost(client: Any, workers: Sequence[str]) -> bool:
    deadline = time.monotonic() + _LOSS_IS_SEEN_WITHIN_SECONDS
    while set(workers) <= client.nthreads().keys():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def own_code() -> str:
    """Return a digest of the code and the lock that decide what a worker returns."""
    package = Path(__file__).parents[1]
    modules = [package / "contract.py"]
    for folder in ("ingestion", "modelling"):
        modules += sorted((package / folder).glob("*.py"))
    return code_digest(*(module.read_text("utf-8") for module in modules)) + lock_version()


def _refuse_other_code(client: Any) -> None:
    others = [worker for worker, code in client.run(own_code).items() if code != own_code()]
    if others:
        raise dg.Failure(
            f"Dask workers run another version of the platform than this process, and could "
            f"judge records differently: {', '.join(sorted(others))}. Deploy the same version.",
            allow_retries=False,
        )
