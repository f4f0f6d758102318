"""What the pages of predictions stand on: one of each for all sessions.

Belongs here: answering a form and scoring a file by the champion, counted and logged. Does not
belong here: how an answer is shown (`views/`), or the model itself (`tip_assets.serving`).
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy.exc import SQLAlchemyError
from upath import UPath

from app import form
from app.app_metrics import FILE, FORM, AppMetrics, count_exceptions, expose
from app.background import Repeated
from app.champion_cache import ChampionCache, Serving
from app.log_writer import LogWriter
from app.sources import metric_store, registry
from app.style import sentence
from tip_assets import contract
from tip_assets.ingestion.feedback import PREDICTION_ID, land_tips
from tip_assets.metric_store.prediction_log import PredictionLog, new_id
from tip_assets.metric_store.store import Row
from tip_assets.partitions import MONTH_FORMAT
from tip_assets.serving.loaded_model import Answer, LoadedModel
from tip_assets.serving.scored_files import ScoredFileWriter
from tip_assets.serving.scoring import HIGH, LOW, PREDICTED, ScoredPiece, score_file
from tip_assets.settings import Settings, get_settings

# How often submitted tips are checked, and old predictions deleted.
HOUSEKEEPING_SECONDS = 60.0
_PREVIEW_ROWS = 200
_LOGGED_AT_ONCE = 20_000


class Refused(ValueError):
    """A record or a file that is not predicted; the message is a sentence for a person."""


class NoModel(LookupError):
    """There is no model that could answer; the message is a sentence for a person."""


@dataclass(frozen=True)
class Predicted:
    """The answer to a form; `id` is empty when the log is switched off."""

    answer: Answer
    id: str
    at: datetime


@dataclass(frozen=True)
class ScoredFile:
    """The answer to a file: numbers of rows, and where it lies as CSV and as Parquet.

    `reasons` counts refused rows by column and first reason, `preview` has the first rows scored
    and the first refused. `not_logged` says why predictions are not in the log, if they are not.
    """

    predicted: int
    refused: int
    reasons: Counter[tuple[str, str]]
    preview: pd.DataFrame
    refused_preview: pd.DataFrame
    csv: Path
    parquet: Path
    version: int
    seconds: float
    not_logged: str

    @property
    def rows(self) -> int:
        return self.predicted + self.refused


class Predictions:
    """The champion, the log and the numbers for Prometheus; its methods may be called at once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.metrics = AppMetrics()
        count_exceptions(self.metrics)
        self.champion = ChampionCache(
            registry, settings.champion_check_seconds, self.metrics.answers
        )
        self.writer = LogWriter(lambda: self.log)
        self._housekeeping = Repeated("housekeeping", HOUSEKEEPING_SECONDS, self._keep_house)
        if settings.app_metrics_port:
            expose(self.metrics, settings.app_host, settings.app_metrics_port)

    @cached_property
    def log(self) -> PredictionLog:
        """The log of predictions in the metric store."""
        return PredictionLog(metric_store())

    def serving(self) -> Serving:
        """The loaded champion, and what is missing."""
        return self.champion.serving()

    def predict(self, record: Mapping[str, Any]) -> Predicted:
        """Answer one record by the champion. Raises Refused and NoModel."""
        from mlflow.exceptions import MlflowException

        model = self._model()
        begun = time.perf_counter()
        try:
            answer = model.answer(record, self._settings.interval_coverage)
        except MlflowException as error:
            reasons = form.refusals(record)
            counted = [(column, words) for column, words, _ in reasons] or [("model", "refuses")]
            self.metrics.refused(FORM, Counter(counted[:1]))
            raise Refused(form.describe_refusals(reasons) or f"{error.message}.") from error
        self.metrics.took(time.perf_counter() - begun)
        self.metrics.predicted(FORM)
        now = datetime.now(UTC)
        if not self._settings.prediction_log:
            return Predicted(answer, "", now)
        key = new_id()
        ends = answer.interval
        low, high = (ends.low, ends.high) if ends else (None, None)
        inputs = {name: _plain(record[name]) for name in contract.FEATURE_NAMES}
        self.writer.add(self._row(key, now, model, inputs, answer.prediction, low, high))
        return Predicted(answer, key, now)

    def score(
        self, file: Path, folder: Path, progress: Callable[[int], None], log: bool = True
    ) -> ScoredFile:
        """Score a file by the champion into a folder; `progress` gets the rows done so far.

        Raises Refused when the file cannot be read, UnreadableFile and MlflowException included,
        and NoModel.
        """
        from mlflow.exceptions import MlflowException

        from tip_assets.ingestion.table_files import UnreadableFile

        model, begun = self._model(), time.monotonic()
        logged = log and self._settings.prediction_log
        prefix, not_logged = new_id() if logged else "", ""
        predicted, refused, reasons = 0, 0, Counter[tuple[str, str]]()
        first: list[ScoredPiece] = []
        csv, parquet = folder / "predicted-tips.csv", folder / "predicted-tips.parquet"
        try:
            with (
                self._forgotten_unless_done(prefix),
                csv.open("w", encoding="utf-8", newline="") as text,
                ScoredFileWriter(text, parquet, with_ids=logged) as writer,
            ):
                for piece in score_file(
                    model, UPath(file), self._settings.interval_coverage, prefix
                ):
                    if prefix and not not_logged:
                        not_logged = self._log_piece(model, piece)
                    if not_logged:
                        # An id that is in no log would promise what cannot be kept.
                        piece = piece.without_ids()
                    writer.write(piece)
                    predicted += len(piece.accepted)
                    refused += len(piece.refused)
                    reasons += piece.reasons
                    first = first or [piece.head(_PREVIEW_ROWS)]
                    progress(predicted + refused)
        except UnreadableFile as error:
            self.metrics.refused(FILE, Counter({("file", "cannot be read"): 1}))
            raise Refused(sentence(str(error))) from error
        except MlflowException as error:
            raise Refused(sentence(error.message)) from error
        if not first:
            raise Refused("The file has no rows.")
        self.metrics.predicted(FILE, predicted)
        self.metrics.refused(FILE, reasons)
        return ScoredFile(
            predicted=predicted,
            refused=refused,
            reasons=reasons,
            preview=first[0].accepted,
            refused_preview=first[0].refused,
            csv=csv,
            parquet=parquet,
            version=model.version.number,
            seconds=time.monotonic() - begun,
            not_logged=not_logged,
        )

    def land_now(self) -> int:
        """Land every submitted tip in its month; returns their number."""
        now = datetime.now(UTC)
        return land_tips(self.log, self._settings.storage_root, now, now)

    def stop(self) -> None:
        """End the work in the background."""
        for part in (self.champion, self.writer, self._housekeeping):
            part.stop()

    def _model(self) -> LoadedModel:
        serving = self.serving()
        if serving.model is None:
            raise NoModel(serving.problem or "There is no champion yet.")
        return serving.model

    def _keep_house(self) -> None:
        now = datetime.now(UTC)
        settled = now - timedelta(minutes=self._settings.feedback_minutes)
        land_tips(self.log, self._settings.storage_root, settled, now)
        self.log.forget(now - timedelta(days=self._settings.prediction_log_days))

    @contextmanager
    def _forgotten_unless_done(self, prefix: str) -> Iterator[None]:
        """Keep no ids of a file in the log when its answer is not finished: nobody got them."""
        try:
            yield
        except Exception:
            if prefix:
                with suppress(SQLAlchemyError, OSError):
                    self.log.forget_file(prefix)
            raise

    def _log_piece(self, model: LoadedModel, piece: ScoredPiece) -> str:
        """Write a piece's predictions to the log; gives the sentence that says why it could not."""
        now, table = datetime.now(UTC), piece.accepted
        try:
            for start in range(0, len(table), _LOGGED_AT_ONCE):
                part = table.iloc[start : start + _LOGGED_AT_ONCE]
                inputs = part[contract.FEATURE_NAMES].to_dict("records")
                results = part[[PREDICTION_ID, PREDICTED, LOW, HIGH]].itertuples(index=False)
                self.log.record(
                    [
                        self._row(key, now, model, record, predicted, _known(low), _known(high))
                        for record, (key, predicted, low, high) in zip(inputs, results, strict=True)
                    ]
                )
        except (SQLAlchemyError, OSError):
            return "The metric store cannot be reached: these predictions are not in the log."
        return ""

    def _row(
        self,
        key: str,
        at: datetime,
        model: LoadedModel,
        inputs: Mapping[str, Any],
        predicted: float,
        low: float | None,
        high: float | None,
    ) -> Row:
        return {
            "id": key,
            "at": at,
            "month": at.strftime(MONTH_FORMAT),
            "version": model.version.number,
            "inputs": dict(inputs),
            "contract": contract.VERSION,
            "predicted": predicted,
            "low": low,
            "high": high,
            "coverage": None if low is None else self._settings.interval_coverage,
        }


def predictions() -> Predictions:
    """The one of this process, made at the first call."""
    settings = get_settings()
    with _making:
        if settings not in _made:
            _made[settings] = Predictions(settings)
        return _made[settings]


_making = threading.Lock()
_made: dict[Settings, Predictions] = {}


def _plain(value: Any) -> Any:
    """A value as JSON has it: NumPy's are not."""
    return value.item() if hasattr(value, "item") else value


def _known(value: float) -> float | None:
    return None if pd.isna(value) else value
