"""Describe errors of unavailable services by naming the service: Postgres, S3, MLflow."""

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
_MISSING_RIGHT = "InsufficientPrivilege"
_POSTGRES = {"OperationalError", "InterfaceError", "AdminShutdown"}


def describe_error(error: BaseException | SerializableErrorInfo) -> str | None:
    """Return the unavailable service and the first line of its error; None for other errors.

    Rights that are missing in Postgres count: a database was not prepared, or not upgraded.

    Uses the innermost message for Postgres. For other services only the outer messages have the
    address.
    """
    if isinstance(error, ParameterError):  # is described already; its cause looks like one of S3
        return str(error)
    chain = list(_kinds_and_messages(error))
    for kind, message in chain:
        if kind == _MISSING_RIGHT:
            return f"Postgres: {_first_line(message)}; `tips databases` prepares databases"
    everything = " ".join(message for _, message in chain)
    found = [(_service(kind, message, everything), message) for kind, message in chain]
    named = [(name, message) for name, message in found if name]
    if not named:
        return None
    name, message = named[-1] if named[0][0] == "Postgres" else named[0]
    return f"{name} does not answer: {_first_line(message)}"


def _service(kind: str, message: str, everything: str) -> str | None:
    """Return the service that an error is about."""
    if kind in _POSTGRES and "psycopg2" in everything:
        return "Postgres"
    if kind == "MlflowException" and "API request to" in message:
        return "MLflow"
    if kind in _S3 or "Could not connect to the endpoint URL" in message:
        return "the S3 storage"
    return None


def _kinds_and_messages(error: BaseException | SerializableErrorInfo) -> Iterator[tuple[str, str]]:
    """Yield class and message of an error and its causes, outermost first."""
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
    return lines[0] if lines else "no details"
