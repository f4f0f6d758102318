"""Everything that determines a model's bytes, as one value with a fingerprint.

Belongs here: naming the inputs of a model and which of them differ. Does not belong here:
training, or the registry in which a recipe is tagged.
"""

import ast
import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from tip_assets import contract
from tip_assets.modelling.split import monthly_fingerprints

LIBRARIES = ("hyperopt", "numpy", "pandas", "scikit-learn", "scipy", "xgboost")
CODE = (
    *("comparison", "evaluation", "flip", "intervals", "search", "seen", "served_model", "split"),
    "training",
)
# Inputs that a person chooses.
OPTIONS = (
    *("trials", "seed", "target", "search_space", "search_rows", "fixed_share", "confidence"),
)
LOCAL = "local"  # the engine that trains in this process
FOLDS = 5
# With so many rows half of them make as good a model, and two folds cost a fifth of five.
ROWS_FOR_TWO_FOLDS = 10_000
# Below this, a second thread costs more than it brings (measured: harmless on idle cores, 34 times
# slower on busy ones at 244 rows).
ROWS_FOR_THREADS = 50_000
# A constant, not the machine's cores: sums of floats may depend on the number of threads (two
# million rows gave the same bytes with 1, 2 and 4, but xgboost does not promise it).
THREADS = 2


@dataclass(frozen=True)
class Recipe:
    """The inputs of search and training; equal recipes give equal boosters, byte for byte.

    `fixed_share` and `confidence` shape the report inside the booster. `search_rows` is the most
    training rows that the search looks at; 0, as in recipes of earlier releases, means all.
    A booster of another `engine` than `local` depends on its number of workers, too.
    """

    data: dict[str, str]
    trials: int
    folds: int
    seed: int
    threads: int
    target: str
    search_space: str
    fixed_share: float
    confidence: float
    contract: str
    code: str
    libraries: dict[str, str]
    search_rows: int = 0
    engine: str = LOCAL

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change with any input."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    @property
    def months(self) -> list[str]:
        return sorted(self.data)

    @property
    def options(self) -> dict[str, Any]:
        """What `recipe_for` needs beside the rows to make this recipe again."""
        return {name: getattr(self, name) for name in OPTIONS}

    def differences(self, other: "Recipe") -> list[str]:
        """Describe what differs in another recipe, one line per input."""
        return _differences("", asdict(self), asdict(other))

    def to_json(self) -> str:
        facts = asdict(self)
        if not self.search_rows:  # the fingerprint of an earlier release's recipe stays what it was
            del facts["search_rows"]
        if self.engine == LOCAL:
            del facts["engine"]
        return json.dumps(facts, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "Recipe":
        return Recipe(**json.loads(text))


def recipe_for(
    window: pd.DataFrame,
    *,
    trials: int,
    seed: int,
    target: str,
    search_space: str,
    search_rows: int,
    fixed_share: float,
    confidence: float,
    engine: str = LOCAL,
) -> Recipe:
    """The recipe of a model trained today on a window of split rows."""
    return Recipe(
        data=monthly_fingerprints(window),
        trials=trials,
        folds=folds_for(len(window)),
        seed=seed,
        threads=threads_for(len(window)),
        target=target,
        search_space=search_space,
        search_rows=search_rows,
        fixed_share=fixed_share,
        confidence=confidence,
        engine=engine,
        contract=contract.VERSION,
        code=code_version(),
        libraries={name: version(name) for name in LIBRARIES},
    )


def folds_for(rows: int) -> int:
    """Number of folds of the cross-validation for a number of rows."""
    return FOLDS if rows < ROWS_FOR_TWO_FOLDS else 2


def threads_for(rows: int) -> int:
    """Number of xgboost's threads for a number of rows; the same on every machine."""
    return 1 if rows < ROWS_FOR_THREADS else THREADS


@lru_cache(maxsize=1)
def code_version() -> str:
    """A digest of the code that decides a model's bytes and what it serves."""
    here = Path(__file__).parent
    modules = [here.parent / "contract.py", *(here / f"{module}.py" for module in CODE)]
    return code_digest(*(module.read_text("utf-8") for module in modules))


def code_digest(*sources: str) -> str:
    """Digest Python sources by what they do: comments, docstrings and formatting do not count.

    The digest is of syntax trees, which differ between minor versions of Python.
    """
    digest = hashlib.sha256()
    for source in sources:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
                del node.body[0]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()[:12]


@lru_cache(maxsize=1)
def lock_version() -> str:
    """A digest of the dependency lock; `unlocked` when the package was installed without it."""
    package = Path(__file__).parents[1]
    for folder in (package, package.parent):
        lock = folder / "requirements.lock"
        if lock.is_file():
            return hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    return "unlocked"


def _differences(prefix: str, mine: dict[str, Any], other: dict[str, Any]) -> list[str]:
    lines = []
    for key in sorted(mine.keys() | other.keys()):
        a, b = mine.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            lines += _differences(f"{prefix}{key} ", a, b)
        elif a != b:
            lines.append(f"{prefix}{key}: {a} then, {b} now")
    return lines
