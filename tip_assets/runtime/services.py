"""Saying which service is away when a library only says how it noticed.

Belongs here: recognizing the errors of Postgres, S3 and MLflow, and naming the service. Does not
belong here: retrying (`automation/jobs.py`) or connecting.
"""

from collections.abc import Iterator

from dagster._utils.error import SerializableErrorInfo  # what Dagster's events carry

from tip_assets.settings.parameter_store import ParameterError

_S3 = {
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ConnectionClosedError",
    "HTTPClientError",
}
_POSTGRES = {"OperationalError", "InterfaceError", "AdminShutdown"}


def describe_error(error: BaseException | SerializableErrorInfo) -> str | None:
    """The service that is away, and the first line of how that showed; None for other errors.

    Postgres' own words are the innermost; those of other services lose their address on the way in.
    """
    if isinstance(error, ParameterError):  # says it already, and is caused like one of S3
        return str(error)
    chain = list(_kinds_and_messages(error))
    everything = " ".join(message for _, message in chain)
    found = [(_service(kind, message, everything), message) for kind, message in chain]
    named = [(name, message) for name, message in found if name]
    if not named:
        return None
    name, message = named[-1] if named[0][0] == "Postgres" else named[0]
    return f"{name} does not answer: {_first_line(message)}"


def _service(kind: str, message: str, everything: str) -> str | None:
    """The service that an error is about."""
    if kind in _POSTGRES and "psycopg2" in everything:
        return "Postgres"
    if kind == "MlflowException" and "API request to" in message:
        return "MLflow"
    if kind in _S3 or "Could not connect to the endpoint URL" in message:
        return "the S3 storage"
    return None


def _kinds_and_messages(error: BaseException | SerializableErrorInfo) -> Iterator[tuple[str, str]]:
    """Class and message of an error and of what caused it, outermost first."""
    current: BaseException | SerializableErrorInfo | None = error
    while current is not None:
        if isinstance(current, SerializableErrorInfo):
            yield current.cls_name or "", current.message.partition(": ")[2]
            current = current.cause or current.context
        else:
            yield type(current).__name__, str(current)
            current = current.__cause__ or current.__context__


def _first_line(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[0] if lines else "no more is known"
