"""What the app reads from: metric store, MLflow and storage, each of which may be away.

Belongs here: asking with a bound on time, and the sentence that says what is missing. Does not
belong here: what is asked.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy.exc import SQLAlchemyError

from tip_assets.metric_store.schema import UnusableSchema
from tip_assets.metric_store.store import MetricStore
from tip_assets.settings import Settings, get_settings
from tip_assets.tracking.registry import ModelRegistry

# MLflow reads them at each request.
MLFLOW_GIVES_UP = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
WITHIN_SECONDS = 8.0
# After a failure nobody waits again for so long: the answer would be the same.
ASKED_AGAIN_AFTER_SECONDS = 15.0
_AT_ONCE = 4  # a source that hangs holds so many threads, and no more

Answer = TypeVar("Answer")


class SourceUnavailable(Exception):
    """A source that cannot be read now; the message is a sentence for a person."""


@dataclass
class Source:
    """Something outside of the app, asked by all sessions."""

    title: str
    failed_at: float = field(default=float("-inf"), init=False)
    failure: str = field(default="", init=False)
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_AT_ONCE), init=False
    )

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """The answer to a question, within a bounded time. Raises SourceUnavailable."""
        if time.monotonic() - self.failed_at < ASKED_AGAIN_AFTER_SECONDS:
            raise SourceUnavailable(self.failure)
        asked = self._threads.submit(question)
        try:
            return asked.result(WITHIN_SECONDS)
        except TookTooLong as error:
            asked.cancel()
            raise self._away(f"has not answered for {WITHIN_SECONDS:g} seconds") from error
        except UnusableSchema as error:
            raise self._away(f"cannot be read: {error}") from error
        except (OSError, SQLAlchemyError, BotoCoreError, ClientError) as error:
            raise self._away("cannot be reached") from error
        except Exception as error:
            if type(error).__module__.startswith("mlflow."):
                raise self._away("cannot be reached") from error
            raise

    def _away(self, what: str) -> SourceUnavailable:
        self.failed_at, self.failure = time.monotonic(), f"{self.title} {what}."
        return SourceUnavailable(self.failure)


METRICS = Source("The metric store")
REGISTRY = Source("MLflow")
STORAGE = Source("The storage")


def metric_store(url: str = "") -> MetricStore:
    """The metric store of a URL, by default that of the settings; its connections are kept."""
    return _metric_store(url or get_settings().metric_store_url)


@lru_cache(maxsize=4)
def _metric_store(url: str) -> MetricStore:
    return MetricStore(url=url)


def give_up_soon() -> None:
    """Have this process wait for MLflow for seconds, whatever the environment says.

    Its own bounds are minutes, and a command that starts the app hands on those for a run.
    """
    os.environ |= MLFLOW_GIVES_UP


def registry() -> ModelRegistry:
    """The model registry of the settings."""
    return _registry(get_settings())


@lru_cache(maxsize=4)
def _registry(settings: Settings) -> ModelRegistry:
    from tip_assets.runtime.resources import mlflow_tracking

    return ModelRegistry(mlflow_tracking(settings).client)
