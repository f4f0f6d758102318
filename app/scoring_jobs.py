"""Files that are scored in the background: a page that is loaded again finds its file.

Belongs here: starting, following and ending such a job. Does not belong here: scoring itself
(`predictions.py`), or what a page shows (`views/score.py`).
"""

import logging
import secrets
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from app.predictions import NoModel, Predictions, Refused, ScoredFile

logger = logging.getLogger(__name__)

KEPT_SECONDS = 24 * 3600.0
_AT_ONCE = 2


class Cancelled(Exception):
    """A person has ended the job."""


@dataclass
class Job:
    """A file that is scored, or was: `rows` it has, about, and `done` so far.

    `result` or `failure`, a sentence, is there when it has ended; neither after it was cancelled.
    """

    id: str
    name: str
    rows: int
    folder: TemporaryDirectory[str]
    begun: float = field(default_factory=time.monotonic)
    done: int = 0
    result: ScoredFile | None = None
    failure: str = ""
    cancelled: bool = False
    work: Future[None] = field(default_factory=Future)

    @property
    def is_running(self) -> bool:
        return not self.work.done()

    @property
    def seconds_left(self) -> float | None:
        """How long it will take at the speed so far; None before the first rows are done."""
        if not self.done:
            return None
        return (time.monotonic() - self.begun) / self.done * max(self.rows - self.done, 0)

    def wait(self, seconds: float) -> None:
        """Wait for the end, so long at most."""
        with suppress(StillRunning):
            self.work.result(seconds)

    def progress(self, done: int) -> None:
        """Note the rows that are done; raises Cancelled."""
        self.done = done
        if self.cancelled:
            raise Cancelled


class ScoringJobs:
    """All jobs of this process; each is forgotten, with its files, after a day."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._threads = ThreadPoolExecutor(_AT_ONCE, "scoring")

    def start(
        self,
        room: Predictions,
        given: Path,
        folder: TemporaryDirectory[str],
        name: str,
        rows: int,
        log: bool,
    ) -> Job:
        """Score a file that lies in a folder of its own; the job's id cannot be guessed."""
        self._forget()
        job = Job(secrets.token_urlsafe(16), name, rows, folder)
        self._jobs[job.id] = job
        job.work = self._threads.submit(self._run, job, room, given, log)
        return job

    def find(self, key: str) -> Job | None:
        """The job of an id; None for one that is not known, or no more."""
        self._forget()
        return self._jobs.get(key)

    def _run(self, job: Job, room: Predictions, given: Path, log: bool) -> None:
        try:
            job.progress(0)
            job.result = room.score(given, Path(job.folder.name), job.progress, log)
        except (Refused, NoModel) as error:
            job.failure = str(error)
        except Cancelled:
            logger.info("scoring was cancelled after %d rows", job.done)
        except Exception:
            logger.exception("scoring failed")
            job.failure = "The file could not be scored: the log of the app says why."
        finally:
            given.unlink(missing_ok=True)

    def _forget(self) -> None:
        for job in list(self._jobs.values()):
            if not job.is_running and time.monotonic() - job.begun > KEPT_SECONDS:
                job.folder.cleanup()
                self._jobs.pop(job.id, None)


@cache
def scoring_jobs() -> ScoringJobs:
    """The jobs of this process."""
    return ScoringJobs()
