"""The engine: who works on the parts of a month, this process or the workers of a Dask cluster."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import dagster as dg
import pandas as pd
from pydantic import PrivateAttr

from tip_assets.modelling.recipe import LOCAL


class Engine(dg.ConfigurableResource):
    """Calls the same functions on the same parts, wherever they run.

    `scheduler` is the address of a Dask scheduler; if it is empty, the first use starts workers on
    this machine, which end with the run.
    """

    name: str = LOCAL
    scheduler: str = ""
    _client: Any = PrivateAttr(default=None)
    _open: ExitStack = PrivateAttr(default_factory=ExitStack)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Leave the cluster; workers that were started here end."""
        self.close()

    def close(self) -> None:
        """Leave the cluster, if one was used."""
        self._open.close()
        self._client = None

    def each(self, function: Any, arguments: Sequence[Any]) -> Iterable[Any]:
        """Call a function with each argument; returns the results in their order."""
        if self.name == LOCAL:
            return map(function, arguments)
        if not arguments:
            return ()
        from tip_assets.runtime.dask_cluster import map_in_order

        return map_in_order(self._cluster(), function, arguments)

    def learn(
        self, parameters: dict[str, Any], rows: pd.DataFrame, target: str, rounds: int
    ) -> Any:
        """Train an xgboost.Booster on encoded rows, as `training.learn` does."""
        if self.name == LOCAL:
            from tip_assets.modelling.training import learn

            return learn(parameters, rows, target, rounds)
        from tip_assets.modelling.dask_training import learn_on
        from tip_assets.runtime.dask_cluster import on_all_workers

        client = self._cluster()
        train = partial(learn_on, client, parameters=parameters, rows=rows, target=target)
        return on_all_workers(client, partial(train, rounds=rounds))

    def _cluster(self) -> Any:
        if self._client is None:
            from tip_assets.runtime.dask_cluster import cluster

            self._client = self._open.enter_context(cluster(self.scheduler))
        return self._client
