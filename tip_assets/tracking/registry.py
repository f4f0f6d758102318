"""The model registry: versions of `waiter-tips` and their aliases.

Which version should serve is decided in `modelling/promotion.py`. Nothing here deletes a version.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tip_assets import contract
from tip_assets.modelling.recipe import Recipe
from tip_assets.settings import REGISTERED_MODEL

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
FINGERPRINT, MONTH = "tips.fingerprint", "tips.month"
RECIPE, LOCK, BOOSTER = "tips.recipe", "tips.lock", "tips.booster_sha256"
INCUMBENT, ARCHIVED = "tips.incumbent", "tips.archived"
# The tags on MLflow's page of a version. It does not show tags with MLflow's own prefix, so the
# others have it; they are read without it, as versions of earlier releases have them.
SHOWN = (MONTH, FINGERPRINT, contract.VERSION_TAG, INCUMBENT, ARCHIVED)
_HIDDEN = "mlflow."
YES = "yes"  # the value of a tag without other content
READY_WITHIN_SECONDS = 120

MODEL_DESCRIPTION = (
    "Predicts a waiter's tip in US dollars from the bill, the party and the time. Takes raw "
    "records (strings and all); encoding and target transformation are inside. The alias "
    "`champion` serves; `challenger` is the newest candidate; `previous` is where a rollback goes."
)


@dataclass(frozen=True)
class ModelVersion:
    """A registry version with its tags."""

    number: int
    run_id: str
    source: str
    tags: dict[str, str]
    registered_at: datetime
    description: str = ""

    @property
    def month(self) -> str:
        return self.tags[MONTH]

    @property
    def recipe(self) -> Recipe:
        return Recipe.from_json(self.tags[RECIPE])

    @property
    def contract(self) -> str:
        """The version of the contract that the model was trained under."""
        return self.tags[contract.VERSION_TAG]

    @property
    def reads_todays_records(self) -> bool:
        """Whether the model was trained under today's major version of the contract."""
        return contract.same_major(self.contract, contract.VERSION)

    def version_in_tag(self, tag: str) -> int | None:
        """Return the version number in a tag; None when the tag is empty or missing."""
        return int(self.tags[tag]) if self.tags.get(tag) else None


@dataclass(frozen=True)
class ModelRegistry:
    """The registered model `waiter-tips` on an MLflow client."""

    client: "MlflowClient"

    def by_alias(self, alias: str) -> ModelVersion | None:
        """Return the version of an alias, if any; raises errors, because None would promote."""
        number = self._aliases.get(alias)
        return self.version(int(number)) if number else None

    def version(self, number: int) -> ModelVersion:
        return _version(self.client.get_model_version(REGISTERED_MODEL, str(number)))

    def versions(self) -> list[ModelVersion]:
        """Return all versions, oldest first."""
        found = self.client.search_model_versions(
            f"name = '{REGISTERED_MODEL}'", max_results=10_000
        )
        return sorted((_version(v) for v in found), key=lambda v: v.number)

    def by_fingerprint(self, month: str, fingerprint: str) -> ModelVersion | None:
        """Return the month's version with this recipe, if it is registered."""
        for version in self.versions():
            if version.tags.get(FINGERPRINT) == fingerprint and version.month == month:
                return version
        return None

    def register(
        self, source: str, run_id: str, model_id: str, tags: dict[str, str]
    ) -> ModelVersion:
        """Register a logged model as a new version and wait until it is ready."""
        self._make_model()
        made = self.client.create_model_version(
            REGISTERED_MODEL,
            source,
            run_id=run_id,
            model_id=model_id,
            tags={name if name in SHOWN else _HIDDEN + name: tags[name] for name in tags},
            await_creation_for=READY_WITHIN_SECONDS,
        )
        return self.version(int(made.version))

    def point(self, alias: str, number: int) -> None:
        """Point an alias to a version; changes nothing if it already does."""
        self.client.set_registered_model_alias(REGISTERED_MODEL, alias, str(number))

    def archive_beyond(self, kept: int) -> None:
        """Tag all but the newest versions as archived, except those with an alias."""
        aliased = {int(number) for number in self._aliases.values()}
        for version in self.versions()[:-kept]:
            if version.number not in aliased and ARCHIVED not in version.tags:
                self.client.set_model_version_tag(
                    REGISTERED_MODEL, str(version.number), ARCHIVED, YES
                )

    def predict(self, number: int, records: pd.DataFrame) -> np.ndarray:
        """Predict raw records of today's contract with a version, in dollars.

        Raises MlflowException when the model refuses them, for example under another contract.
        """
        return predict(self.load(number), records)

    def load(self, number: int) -> Any:
        """Return a version as MLflow's pyfunc model."""
        import mlflow

        return mlflow.pyfunc.load_model(f"models:/{REGISTERED_MODEL}/{number}")

    @property
    def _aliases(self) -> dict[str, Any]:
        found = self.client.search_registered_models(f"name = '{REGISTERED_MODEL}'")
        return dict(found[0].aliases) if found else {}

    def _make_model(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(REGISTERED_MODEL, description=MODEL_DESCRIPTION)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def predict(model: Any, records: pd.DataFrame) -> np.ndarray:
    """Predict raw records of today's contract with a pyfunc model, in dollars."""
    from tip_assets.modelling.served_model import CONTRACT_VERSION

    params = {CONTRACT_VERSION: contract.VERSION}
    # MLflow's signature takes categories as text only.
    records = records.astype(dict.fromkeys(records.select_dtypes("category"), object))
    return np.asarray(model.predict(records, params=params), dtype=float)


def _version(found: Any) -> ModelVersion:
    at = datetime.fromtimestamp(found.creation_timestamp / 1000, UTC)
    tags = {
        name.removeprefix(_HIDDEN) if name.startswith(f"{_HIDDEN}tips.") else name: value
        for name, value in found.tags.items()
    }
    number, description = int(found.version), found.description or ""
    return ModelVersion(number, found.run_id, found.source, tags, at, description)
