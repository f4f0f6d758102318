"""Deliver messages to an SNS topic or a file, each dedupe key once."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import sqlalchemy as sa
from filelock import FileLock

from tip_assets.metric_store.store import MetricStore, Row
from tip_assets.metric_store.tables import notification
from tip_assets.runtime.instance import is_dead, process_mark
from tip_assets.settings import Settings

Kind = Literal["training", "drift", "held", "stopped", "failure", "silence"]
# Claims of processes on other machines expire after this time: they may have died.
CLAIM_LASTS = timedelta(minutes=5)
# SNS refuses longer ones (API reference, Publish).
LONGEST_SUBJECT = 100


@dataclass(frozen=True)
class Message:
    """A message to people. `cause` is the dedupe key: one message is sent for each."""

    cause: str
    kind: Kind
    month: str | None
    subject: str
    text: str


class Notifications(dg.ConfigurableResource):
    """The messages in the metric store, and where they are delivered.

    A message is published to `topic_arn` if set, else appended to the file `outbox`. If a process
    is killed after publishing and before recording it, the message is published again; the file
    never gets a dedupe key twice.
    """

    store: MetricStore
    topic_arn: str
    outbox: str

    def send(self, *messages: Message) -> list[str]:
        """Deliver messages with a new dedupe key, and earlier ones that are undelivered.

        Returns descriptions of failed deliveries instead of raising: a notification must not fail a
        run. The next call retries them.
        """
        for message in messages:
            self._record(message)
        for row in self._undelivered():
            problem = self._deliver(row)
            if problem:  # the others would fail too, each after its own timeout
                return [problem]
        return []

    def sent(self) -> list[Row]:
        """Return every message, oldest first."""
        return self.store.select(sa.select(notification).order_by(notification.c.at))

    def _record(self, message: Message) -> None:
        row = asdict(message) | {"at": datetime.now(UTC)}
        row["subject"] = row["subject"][:LONGEST_SUBJECT]
        insert = self.store.insert(notification).values(**row)
        with self.store.engine.begin() as connection:
            connection.execute(insert.on_conflict_do_nothing(index_elements=["cause"]))

    def _undelivered(self) -> list[Row]:
        waiting = notification.c.delivered_at.is_(None)
        return self.store.select(sa.select(notification).where(waiting).order_by(notification.c.at))

    def _deliver(self, row: Row) -> str | None:
        """Deliver one message unless another process has claimed it; returns the error, if any."""
        if not self._claim(row):
            return None
        try:
            place = self._publish(row) if self.topic_arn else self._append(row)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not fail a month
            problem = f"{self.topic_arn or self.outbox}: {type(error).__name__}: {error}"
            self._mark(row["cause"], {"trouble": problem, "claimed_by": None})
            return f"{row['subject']}: {problem}"
        delivered = {"delivered_at": datetime.now(UTC), "delivered_to": place, "trouble": None}
        self._mark(row["cause"], delivered)
        return None

    def _claim(self, row: Row) -> bool:
        """Claim a message atomically; claims of dead processes expire."""
        now, claimer = datetime.now(UTC), row["claimed_by"]
        claimable = notification.c.claimed_by.is_(None) | (
            notification.c.claimed_at < now - CLAIM_LASTS
        )
        if claimer and is_dead(claimer):
            claimable |= notification.c.claimed_by == claimer
        mine = (notification.c.cause == row["cause"]) & notification.c.delivered_at.is_(None)
        claim = sa.update(notification).where(mine & claimable)
        with self.store.engine.begin() as connection:
            made = connection.execute(claim.values(claimed_by=process_mark(), claimed_at=now))
            return made.rowcount == 1

    def _mark(self, cause: str, facts: Mapping[str, Any]) -> None:
        with self.store.engine.begin() as connection:
            mine = notification.c.cause == cause
            connection.execute(sa.update(notification).where(mine).values(**facts))

    def _publish(self, row: Row) -> str:
        import boto3
        from botocore.config import Config

        quick = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 3})
        region = self.topic_arn.split(":")[3] or None
        # Its own session: two sensors must not share the default one.
        boto3.Session().client("sns", region_name=region, config=quick).publish(
            TopicArn=self.topic_arn,
            # SNS takes printable ASCII only.
            Subject=row["subject"].encode("ascii", "replace").decode(),
            Message=row["text"],
            MessageAttributes={
                "kind": {"DataType": "String", "StringValue": row["kind"]},
                "cause": {"DataType": "String", "StringValue": row["cause"]},
            },
        )
        return self.topic_arn

    def _append(self, row: Row) -> str:
        """Append a line to the outbox unless it is there already."""
        path = Path(self.outbox)
        line = {name: row[name] for name in ("cause", "kind", "month", "subject", "text")}
        line["at"] = row["at"].isoformat(timespec="seconds")
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"), path.open("a+", encoding="utf-8") as outbox:
            outbox.seek(0)
            whole, _, half = outbox.read().rpartition("\n")
            if half:  # a process died while writing it
                outbox.truncate(len(f"{whole}\n".encode()) if whole else 0)
            there = {json.loads(old)["cause"] for old in whole.splitlines() if old.strip()}
            if row["cause"] not in there:
                outbox.write(json.dumps(line) + "\n")
        return str(path)


def notifications(settings: Settings) -> Notifications:
    """Return the notifications of these settings."""
    store = MetricStore(url=settings.metric_store_url)
    return Notifications(store=store, topic_arn=settings.sns_topic_arn, outbox=str(settings.outbox))
