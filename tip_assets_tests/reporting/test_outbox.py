"""People are notified once per cause, by SNS or in a file; a failure to notify is never lost."""

import json
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from tip_assets.metric_store.store import MetricStore
from tip_assets.reporting.outbox import Message, Notifications
from tip_assets.settings import Settings
from tip_assets_tests.support.aws_calls import assert_recorded, played


def message(cause: str, subject: str = "Training results") -> Message:
    return Message(cause, "training", "2024-01", subject, f"what happened: {cause}\nin two lines")


@pytest.fixture
def telling(tmp_path):
    store = MetricStore(url=f"sqlite:///{tmp_path}/metrics.db")
    return Notifications(store=store, topic_arn="", outbox=str(tmp_path / "outbox.jsonl"))


def lines(telling: Notifications) -> list[dict]:
    with Path(telling.outbox).open(encoding="utf-8") as outbox:
        return [json.loads(line) for line in outbox]


def test_a_message_is_sent_once(telling):
    assert telling.send(message("a"), message("b"), message("a")) == []
    assert telling.send(message("b"), message("c")) == []
    assert [line["cause"] for line in lines(telling)] == ["a", "b", "c"]
    assert lines(telling)[0]["text"] == "what happened: a\nin two lines"
    assert [row["cause"] for row in telling.sent()] == ["a", "b", "c"]
    assert all(row["delivered_at"] for row in telling.sent())


def test_a_message_that_was_written_but_not_ticked_off_is_not_written_twice(telling, monkeypatch):
    """What a process leaves that is killed between writing and ticking off."""
    with monkeypatch.context() as killed:
        killed.setattr(Notifications, "_mark", lambda *_: sys.exit("killed"))
        with pytest.raises(SystemExit):
            telling.send(message("a"))
    monkeypatch.setattr("tip_assets.reporting.outbox.is_dead", lambda _mark: True)
    assert telling.send(message("b")) == []
    assert [line["cause"] for line in lines(telling)] == ["a", "b"]
    assert all(row["delivered_at"] for row in telling.sent())


def test_a_claimed_message_is_left_to_its_claimer(telling, monkeypatch):
    with monkeypatch.context() as killed:
        killed.setattr(Notifications, "_append", lambda *_: sys.exit("killed"))
        with pytest.raises(SystemExit):
            telling.send(message("a"))
    telling.send(message("b"))
    assert [line["cause"] for line in lines(telling)] == ["b"]


def test_a_failed_delivery_does_not_fail_the_month(telling, monkeypatch):
    def broken(*_: object) -> str:
        raise ValueError("an answer that nobody expected")

    with monkeypatch.context() as away:
        away.setattr(Notifications, "_append", broken)
        (problem,) = telling.send(message("a"))
    assert "an answer that nobody expected" in problem
    assert telling.send() == []


def test_a_topic_that_is_none_is_refused_at_once():
    with pytest.raises(ValidationError, match="sns_topic_arn"):
        Settings(sns_topic_arn="mytopic")


def test_half_a_line_is_cut_off_and_nothing_else(telling):
    telling.send(message("a"))
    with Path(telling.outbox).open("a", encoding="utf-8") as outbox:
        outbox.write('{"cause": "half of a li')
    telling.send(message("b"))
    assert [line["cause"] for line in lines(telling)] == ["a", "b"]


def test_what_cannot_be_delivered_is_logged_kept_and_tried_again(telling, tmp_path):
    blocked = telling.model_copy(update={"outbox": str(tmp_path / "metrics.db" / "outbox")})
    (problem,) = blocked.send(message("a"))
    assert problem.startswith("Training results: ")
    assert "metrics.db" in problem
    (kept,) = telling.sent()
    assert kept["delivered_at"] is None
    assert "metrics.db" in kept["trouble"]
    assert len(blocked.send(message("b"))) == 1, "the rest is not tried in vain"
    assert telling.send() == []
    assert [line["cause"] for line in lines(telling)] == ["a", "b"]


@pytest.mark.services
def test_sns_gets_each_message_once_and_a_missing_topic_is_logged(
    telling, aws, aws_calls, monkeypatch
):
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    topic, queue = aws.topic_with_queue("tips")

    missing = telling.model_copy(update={"topic_arn": topic + "-gone"})
    (problem,) = missing.send(message("a", subject="Trinkgeld für März " + "x" * 200))
    assert "tips-gone" in problem

    working = telling.model_copy(update={"topic_arn": topic})
    with played(aws_calls, "code-location"):
        assert working.send(message("a"), message("b")) == []
        assert working.send(message("a")) == []
    assert_recorded("test_notifications", aws_calls.rights())
    bodies = aws.received(queue)
    assert sorted(body["Message"] for body in bodies) == [
        "what happened: a\nin two lines",
        "what happened: b\nin two lines",
    ]
    assert sorted(body["Subject"] for body in bodies)[0] == "Training results"
    assert max(len(body["Subject"]) for body in bodies) == 100
    assert {row["delivered_to"] for row in working.sent()} == {topic}
