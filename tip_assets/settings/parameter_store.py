"""Read and write parameters of the AWS Systems Manager Parameter Store under one prefix.

dagster-aws (0.29, beta) has two resources for it, and neither fits: they take no timeouts, so an
unreachable store holds a command for minutes; the one with `fetch_parameters` cannot write;
settings are read before Dagster starts; and importing them takes 0.4 s more than boto3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

# The store's format: levels of a hierarchy, each after a slash. Empty: no store.
PREFIX = r"^((/[\w.-]+)+)?$"


class ParameterError(RuntimeError):
    """The store does not answer, denies access or has an invalid value; the message says why."""


@dataclass(frozen=True)
class Parameter:
    """A stored text; its version counts the writes."""

    value: str
    version: int
    changed_at: datetime


@dataclass(frozen=True)
class ParameterStore:
    """The parameters `{prefix}/{name}`, in the region that the environment names.

    Needs the rights `ssm:GetParameters` and, to write, `ssm:PutParameter`.
    """

    prefix: str

    def read(self, *names: str) -> dict[str, Parameter]:
        """Return the existing ones of at most ten parameters, by name. Raises ParameterError."""
        response = self._call(
            "read", "get_parameters", Names=[self._full(n) for n in names], WithDecryption=True
        )
        return {
            found["Name"].removeprefix(f"{self.prefix}/"): Parameter(
                found["Value"], found["Version"], found["LastModifiedDate"]
            )
            for found in response["Parameters"]
        }

    def write(self, values: Mapping[str, str]) -> None:
        """Write the parameters whose stored value differs. Raises ParameterError."""
        stored = self.read(*values)
        for name, value in values.items():
            if name not in stored or stored[name].value != value:
                text = {"Name": self._full(name), "Value": value, "Type": "String"}
                self._call(f"written ({name})", "put_parameter", **text, Overwrite=True)

    def _full(self, name: str) -> str:
        return f"{self.prefix}/{name}"

    def _call(self, done: str, operation: str, **arguments: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**arguments)
        except (BotoCoreError, ClientError, ValueError) as error:
            message = " ".join(str(error).split())
            raise ParameterError(
                f"the parameters under {self.prefix} (TIPS_PARAMETER_PREFIX) cannot be {done}: "
                f"{message}"
            ) from error
        return answer

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        # Every command waits for it: at most 3 s to connect and 5 s for an answer, twice.
        retries = {"total_max_attempts": 2, "mode": "standard"}
        quick = Config(connect_timeout=3, read_timeout=5, retries=retries)
        # Its own session: two sensors must not share the default one.
        return boto3.Session().client("ssm", config=quick)
