"""An AWS on loopback: moto's server, over HTTP.

Belongs here: that server and whom it lets do what. Does not belong here: what is kept there, which
each test makes under a name of its own.
"""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from tip_assets_tests.support.ports import free_port

REGION = "eu-central-1"


class AwsServer:
    """The server, and its administrator's way in."""

    def __init__(self, folder: Path, module: str = "moto.server") -> None:
        port, self.log = free_port(), folder / "log"
        self.address = f"http://127.0.0.1:{port}"
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, "-H", "127.0.0.1", "-p", str(port)],
                stdout=output,
                stderr=output,
            )

    def wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                urllib.request.urlopen(f"{self.address}/moto-api/", timeout=2)
                return
            except OSError:
                time.sleep(0.2)
        raise TimeoutError("the AWS server does not answer")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    def environment(self, key: str = "test", secret: str = "test") -> dict[str, str]:
        """What leads the AWS SDK here."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
        }

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.address,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def topic_with_queue(self, name: str) -> tuple[str, str]:
        """A topic's ARN and the URL of a queue that gets what is published to it."""
        sns, sqs = self.client("sns"), self.client("sqs")
        topic = sns.create_topic(Name=name)["TopicArn"]
        queue = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])
        return topic, queue

    def received(self, queue: str) -> list[dict]:
        """What was published since the last look."""
        sqs = self.client("sqs")
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:  # else it is there again after half a minute
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    @contextmanager
    def somebody_who_may(self, *actions: str) -> Iterator[dict[str, str]]:
        """The environment of a user with these rights and no others; rights count meanwhile."""
        iam, name = self.client("iam"), f"user-{time.monotonic_ns()}"
        iam.create_user(UserName=name)
        allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName=name, PolicyName="rights", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        self._enforce_rights_after("0")
        try:
            yield self.environment(key["AccessKeyId"], key["SecretAccessKey"])
        finally:
            self._enforce_rights_after("inf")

    def _enforce_rights_after(self, requests: str) -> None:
        urllib.request.urlopen(
            urllib.request.Request(
                f"{self.address}/moto-api/reset-auth",
                data=requests.encode(),
                headers={"Content-Type": "text/plain"},
                method="POST",
            )
        )
