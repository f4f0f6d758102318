"""The model that answers: the champion, loaded once for all sessions.

Belongs here: noticing that another version serves, and keeping the loaded one while MLflow or the
storage is away. Does not belong here: what it is asked (`predictions.py`).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from app.background import Repeated
from tip_assets.serving.loaded_model import LoadedModel, load_version
from tip_assets.tracking.registry import CHAMPION, ModelRegistry

logger = logging.getLogger(__name__)

FIRST_LOAD_WITHIN_SECONDS = 30.0
# A query of the registry that takes longer than this is reported: it may never return.
_OVERDUE_SECONDS = 60.0


@dataclass(frozen=True)
class Serving:
    """The loaded champion, if there is one, and what is missing, as a sentence or nothing."""

    model: LoadedModel | None
    problem: str = ""


class ChampionCache:
    """Holds the champion and looks every so many seconds whether it is still the one.

    The look is taken in the background: no prediction waits for the registry.
    """

    def __init__(
        self,
        registry: Callable[[], ModelRegistry],
        every_seconds: float,
        on_change: Callable[[LoadedModel], None],
    ) -> None:
        self._registry, self._on_change = registry, on_change
        self._serving = Serving(None, "No model has been loaded yet.")
        self._looks = Repeated("champion cache", every_seconds, self._look)
        self._first = False

    def serving(self) -> Serving:
        """The champion as it was last seen; the first call waits for it, for a bounded time."""
        if not self._first:
            self._looks.finish(FIRST_LOAD_WITHIN_SECONDS)
            self._first = True
        serving, silent = self._serving, self._looks.seconds_since_success
        if not serving.problem and silent > _OVERDUE_SECONDS:
            words = f"MLflow has not said for {silent:.0f} seconds which model serves"
            return Serving(serving.model, _keeps_answering(words, serving.model))
        return serving

    def stop(self) -> None:
        self._looks.stop()

    def _look(self) -> None:
        loaded = self._serving.model
        number = None
        try:
            champion = self._registry().by_alias(CHAMPION)
            if champion is None:
                words = "The registry names no champion"
                self._serving = Serving(loaded, _keeps_answering(words, loaded) if loaded else "")
                return
            number = champion.number
            if loaded is None or loaded.version.number != number:
                loaded = load_version(self._registry(), number)
                self._on_change(loaded)
                logger.info("version %d answers", number)
            self._serving = Serving(loaded)
        except Exception:
            words = "MLflow cannot be reached"
            if number is not None:
                words = f"Version {number} serves, but it cannot be loaded from MLflow's storage"
            self._serving = Serving(loaded, _keeps_answering(words, loaded))
            raise


def _keeps_answering(words: str, loaded: LoadedModel | None) -> str:
    if loaded is None:
        return f"{words}, and no model is loaded."
    return f"{words}. Version {loaded.version.number} keeps answering."
