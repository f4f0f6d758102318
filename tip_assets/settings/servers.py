"""Settings of servers, the base of `Settings`: ports, access to the app, alerts."""

from pydantic import Field
from pydantic_settings import BaseSettings

TOPIC = r"^(arn:[^:]+:sns:[^:]+:[^:]+:[^:]+)?$"  # an SNS topic, or none


class ServerSettings(BaseSettings):
    """Ports, the app, the prediction log and alerts."""

    dagster_port: int = Field(3000, description="Port of the Dagster UI.")
    mlflow_port: int = Field(5000, description="Port of the MLflow UI.")
    # Not 5432: Debian starts its own Postgres there.
    postgres_port: int = Field(5433, description="Port of the stack's Postgres.")
    s3_port: int = Field(8333, description="Port of the stack's S3 server.")
    stack_folder: str = Field("./stack", description="Folder of the stack's data.")
    mlflow_ui: str = Field(
        "",
        description="URL of MLflow in links. Default: the tracking server, or that of `make up`.",
    )
    dagster_ui: str = Field("", description="URL of Dagster in links. Default: that of `make up`.")
    app_ui: str = Field("", description="URL of the app in links. Default: that of `make up`.")
    app_port: int = Field(8501, description="Port of the app.")
    app_host: str = Field(
        "127.0.0.1", description="Address the app listens on; 0.0.0.0 is every interface."
    )
    app_names: str = Field(
        "",
        description="Host names of the app. Default: this machine's on loopback, else any.",
    )
    max_upload_mb: int = Field(
        200, ge=1, description="Largest file to upload to the app, in megabytes."
    )
    max_upload_rows: int = Field(5_000_000, ge=1, description="Most rows of an uploaded file.")
    app_metrics_port: int = Field(
        9092,
        ge=0,
        le=65535,
        description="Port of the app's Prometheus metrics; 0 disables them.",
    )
    exporter_port: int = Field(9091, description="Port of the platform's Prometheus metrics.")
    exporter_host: str = Field(
        "127.0.0.1", description="Address the exporter listens on; 0.0.0.0 is every interface."
    )
    prometheus_port: int = Field(9090, description="Port of the stack's Prometheus.")
    alertmanager_port: int = Field(9093, description="Port of the stack's Alertmanager.")
    # Not Grafana's default 3000: Dagster uses it.
    grafana_port: int = Field(3001, description="Port of the stack's Grafana.")
    alert_sns_topic_arn: str = Field(
        "",
        pattern=TOPIC,
        description="SNS topic of alerts.",
    )
    alert_email: str = Field(
        "",
        description="Recipients of mailed alerts.",
    )
    alert_email_from: str = Field("tip-platform@localhost", description="Sender of mailed alerts.")
    smtp_server: str = Field("127.0.0.1:25", description="Mail server for alerts, as host:port.")
    smtp_user: str = Field("", description="User of the mail server. Default: no login.")
    smtp_password_file: str = Field("", description="File with this user's password.")
    alert_watchdog_url: str = Field(
        "",
        description="URL that Alertmanager calls every five minutes; its service notifies people "
        "when calls stop.",
    )
    runbook_url: str = Field(
        "docs/monitoring.md",
        description="URL of docs/monitoring.md in alerts.",
    )
    max_prediction_seconds: float = Field(
        1,
        gt=0,
        description="The app is slow when one form in a hundred takes longer.",
    )
    min_free_disk_share: float = Field(
        0.1, ge=0, lt=1, description="Share of a disk that must be free."
    )
    champion_check_seconds: float = Field(
        15, gt=0, le=60, description="Seconds between the app's checks for a new champion."
    )
    interval_coverage: float = Field(
        0.9,
        ge=0.5,
        le=0.99,
        description="Share of tips that lie within their prediction intervals.",
    )
    prediction_log: bool = Field(
        True, description="Whether the app logs its predictions in the metric store."
    )
    prediction_log_days: int = Field(
        730, ge=1, description="Days until a logged prediction is deleted."
    )
    feedback_minutes: float = Field(
        60,
        ge=0,
        description="Minutes for which the app collects feedback before it lands and runs its "
        "month.",
    )
    app_secrets: str = Field(
        "",
        description="TOML file with Streamlit's `[auth]`, which enables OIDC login. Default: "
        "`.streamlit/secrets.toml` if it exists.",
    )
    app_users: str = Field(
        "",
        description="Addresses or `@domain`s that may enter after a login. Default: every account.",
    )
    app_releasers: str = Field(
        "",
        description="Who may release a held month after a login, like `TIPS_APP_USERS`. Default: "
        "nobody. Without a login, everybody may if the app listens on loopback.",
    )
    app_accept_unverified_email: bool = Field(
        False,
        description="Whether addresses count without `email_verified`. Only for a provider that "
        "verifies all addresses: elsewhere anybody may enter under another's address.",
    )
