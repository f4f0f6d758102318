"""Write the dashboards: `python -m grafana`."""

from collections.abc import Iterator
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import model_and_data, platform_health, serving
from grafana.addresses import DASHBOARDS


def files() -> Iterator[tuple[Path, str]]:
    """Yield the path and the JSON of every dashboard: the same text for the same code."""
    for module in (model_and_data, platform_health, serving):
        name = module.__name__.rpartition(".")[2]
        encoder = JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False)
        yield DASHBOARDS / f"{name}.json", encoder.encode(module.dashboard().build()) + "\n"


if __name__ == "__main__":
    for path, text in files():
        path.write_text(text, "utf-8")
