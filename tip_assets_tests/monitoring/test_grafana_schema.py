"""The dashboards compile against the types that Grafana publishes, and a fault in one does not."""

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tip_assets_tests.support.grafana_queries import DASHBOARDS, dashboards

Json = dict[str, Any]
SCHEMA = DASHBOARDS.parent / "schema"
# What the compiler says of a file: the path is relative to where it is started.
_ERROR = re.compile(r"^(?:.*/)?(\w+)\.ts\(\d+,\d+\): error (TS\d+: .*)$", re.MULTILINE)


def first(dashboard: Json, kind: str) -> Json:
    return next(panel for panel in dashboard["panels"] if panel["type"] == kind)


def properties(dashboard: Json) -> list[Json]:
    return first(dashboard, "table")["fieldConfig"]["overrides"][0]["properties"]


# By the words that the compiler finds for it.
FAULTS: dict[str, Callable[[Json], Any]] = {
    "lists": lambda d: first(d, "timeseries")["options"]["legend"].update(displayMode="lists"),
    "not assignable to type 'number'": lambda d: first(d, "stat")["gridPos"].update(w="12"),
    "colourMode": lambda d: first(d, "stat")["options"].update(colourMode="value"),
    "lineWidht": lambda d: first(d, "timeseries")["fieldConfig"]["defaults"]["custom"].update(
        lineWidht=2
    ),
    "stats": lambda d: first(d, "stat").update(type="stats"),
    "'icon' is missing": lambda d: d["links"][0].pop("icon"),
    "tips-postgres": lambda d: first(d, "stat")["targets"][0]["datasource"].update(
        uid="tips-postgres"
    ),
    "custom.widht": lambda d: properties(d).append({"id": "custom.widht", "value": 3}),
    "custom.width": lambda d: properties(d).append({"id": "custom.width", "value": "3"}),
    "DashboardCursorSync": lambda d: d.update(graphTooltip=7),
    "organise": lambda d: first(d, "table")["transformations"][0].update(id="organise"),
    "const": lambda d: d["templating"]["list"][0].update(type="const"),
}


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the compiler says of each dashboard, and of one with each fault, by file."""
    folder = tmp_path_factory.mktemp("boards")
    boards = {f"board{place}": board for place, board in enumerate(dashboards())}
    healthy = next(b for b in dashboards() if b["uid"] == "tips-platform-health")
    for place, break_it in enumerate(FAULTS.values()):
        broken = json.loads(json.dumps(healthy))
        break_it(broken)
        boards[f"fault{place}"] = broken
    for name, board in boards.items():
        (folder / f"{name}.ts").write_text(
            f'import type {{ Board }} from "{SCHEMA}/board";\n'
            f"export default {json.dumps(board)} satisfies Board;\n"
        )
    files = [str(path) for path in folder.glob("*.ts")]
    project = {"extends": f"{SCHEMA}/tsconfig.json", "files": files}
    (folder / "tsconfig.json").write_text(json.dumps(project))
    compiler = SCHEMA / "node_modules" / "typescript" / "bin" / "tsc"
    assert compiler.exists(), "make setup-dev installs the schema"
    done = subprocess.run(
        ["node", compiler, "--pretty", "false", "-p", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    said = _ERROR.findall(done.stdout)
    assert len(said) == done.stdout.count("error TS"), done.stdout
    return {name: [words for of, words in said if of == name] for name in {*boards, "board"}}


def test_every_dashboard_is_what_grafana_publishes(errors):
    assert errors["board"] == []  # what they are compiled against
    assert [errors[f"board{place}"] for place in range(len(dashboards()))] == [[]] * 3


@pytest.mark.parametrize("place", range(len(FAULTS)), ids=list(FAULTS))
def test_a_fault_is_found(errors, place):
    assert any(list(FAULTS)[place] in words for words in errors[f"fault{place}"])
