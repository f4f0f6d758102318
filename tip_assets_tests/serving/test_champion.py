"""Months and people that move the champion at the same moment never override each other."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tip_assets.assets import production_model
from tip_assets.metric_store.champion_lock import ChampionLocked, champion_lock
from tip_assets.metric_store.store import MetricStore
from tip_assets.runtime.database_roles import create_databases, owner_url
from tip_assets.serving import champion
from tip_assets.serving.champion import NothingToDo, roll_back
from tip_assets.tracking.registry import CHAMPION, ModelRegistry
from tip_assets_tests.checks.test_model_checks import (
    GOOD,
    GOOD_AGAIN,
    MODEL_CHECKS,
    SPOILT,
    Line,
    measured,
    registered,
)
from tip_assets_tests.support.postgres import only_postgres

SECOND = {"version": 2, "month": SPOILT, "months": [SPOILT]}


@pytest.fixture
def line(tmp_path, monkeypatch) -> Line:
    """Versions 1 and 2 were promoted one after the other; 3 was compared with 2."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    made = Line(str(tmp_path))
    made.values = {m: (registered(m), measured(m)) for m in (GOOD, SPOILT, GOOD_AGAIN)}
    made.values[GOOD_AGAIN][0]["incumbent"] = SECOND
    for month in (GOOD, SPOILT):
        assert made.run(month, MODEL_CHECKS).success
    assert made.champion == 2
    return made


def store_of(line: Line) -> MetricStore:
    return MetricStore(url=line.settings.metric_store_url)


def changes(line: Line) -> list[tuple[int | None, int]]:
    """Who served before and after each change, in the order things happened."""
    rows = sorted(store_of(line).history(), key=lambda row: row["at"])
    return [(row["champion_before"], row["champion_after"]) for row in rows]


@pytest.mark.parametrize("to", [None, 1])
def test_a_rollback_while_a_month_decides_comes_after_it_or_is_refused(line, monkeypatch, to):
    answers = []

    def ask() -> None:
        try:
            answers.append(roll_back(line.registry, store_of(line), to, "complaints", "waiter"))
        except NothingToDo as error:
            answers.append(str(error))

    person, decide = threading.Thread(target=ask), production_model.decide

    def decide_while_a_person_rolls_back(*args):
        person.start()
        person.join(2)
        return decide(*args)

    monkeypatch.setattr(production_model, "decide", decide_while_a_person_rolls_back)
    assert line.run(GOOD_AGAIN, MODEL_CHECKS).success
    person.join()
    if to is None:  # the person meant version 2, which does not serve any more
        assert answers == ["version 3 replaced version 2 meanwhile: check it, then repeat"]
        assert changes(line) == [(None, 1), (1, 2), (2, 3)]
    else:
        assert changes(line) == [(None, 1), (1, 2), (2, 3), (3, 1)]
    assert line.champion == changes(line)[-1][1]


def test_a_month_compared_with_another_champion_is_refused_and_says_what_to_do(line):
    roll_back(line.registry, store_of(line), None, "complaints", "waiter")
    (failure,) = line.run(GOOD_AGAIN, MODEL_CHECKS).get_step_failure_events()
    assert failure.step_failure_data.user_failure_data.description == (
        "Version 3 was compared with version 2, but version 1 serves now (rolled back: "
        "complaints). Run the month again to repeat the comparison."
    )
    assert line.champion == 1


def test_every_move_of_the_champion_is_made_under_the_lock(line, monkeypatch):
    point, moves = ModelRegistry.point, []

    def point_locked(registry: ModelRegistry, alias: str, number: int) -> None:
        if alias == CHAMPION:
            with pytest.raises(ChampionLocked), champion_lock(store_of(line), wait_seconds=0):
                pass
            moves.append(number)
        point(registry, alias, number)

    monkeypatch.setattr(ModelRegistry, "point", point_locked)
    assert line.run(GOOD_AGAIN, MODEL_CHECKS).success
    champion.roll_back(line.registry, store_of(line), None, "complaints", "waiter")
    assert moves == [3, 2]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def store(request, tmp_path) -> Iterator[MetricStore]:
    if request.param == "sqlite":
        yield MetricStore(url=f"sqlite:///{tmp_path}/metrics.db")
        return
    with only_postgres() as stack:
        url = stack.environment()["TIPS_METRIC_STORE"]
        create_databases(stack.admin_url(), [url])
        MetricStore(url=owner_url(stack.admin_url(), url)).engine.dispose()
        made = MetricStore(url=url)
        yield made
        made.engine.dispose()


HOLD = """
import sys, time
from tip_assets.metric_store.champion_lock import champion_lock
from tip_assets.metric_store.store import MetricStore

with champion_lock(MetricStore(url=sys.stdin.readline().strip())):
    print("held", flush=True)
    time.sleep(600)
"""


def test_another_process_waits_for_the_lock_until_its_holder_ends_or_is_killed(store):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdin is not None
            assert holder.stdout is not None
            holder.stdin.write(f"{store.url}\n")
            holder.stdin.flush()
            assert holder.stdout.readline() == "held\n"
            with (
                pytest.raises(ChampionLocked, match="has not finished within 1 s"),
                champion_lock(store, wait_seconds=1),
            ):
                pass
        finally:
            holder.kill()
    with champion_lock(store, wait_seconds=10):
        assert store.history() == []  # its holder can use the store
