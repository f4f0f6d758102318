"""Settings of servers, the base of `Settings`: ports, access to the app, alerts."""

from pydantic import Field
from pydantic_settings import BaseSettings

TOPIC = r"^(arn:[^:]+:sns:[^:]+:[^:]+:[^:]+)?$"  # an SNS topic, or none


class ServerSettings(BaseSettings):
    """Ports, the app, the prediction log and alerts."""

    dagster_port: int = Field(3000, description="Port of the Dagster UI.")
    mlflow_port: int = Field(5000, description="Port of the MLflow UI.")
    # Not 5432: Debian starts its own Postgres there.
    postgres_port: int = Field(5433, description="Port of the Postgres of `make stack`.")
    s3_port: int = Field(8333, description="Port of the S3 server of `make stack`.")
    stack_folder: str = Field("./stack", description="Where `make stack` keeps all its data.")
    mlflow_ui: str = Field(
        "", description="URL of MLflow's UI, for links; empty: that of `make up`."
    )
    dagster_ui: str = Field(
        "", description="URL of Dagster's UI, for links; empty: that of `make up`."
    )
    app_ui: str = Field("", description="URL of the app, for links; empty: that of `make up`.")
    app_port: int = Field(8501, description="Port of the app.")
    app_host: str = Field(
        "127.0.0.1", description="Address the app listens on; 0.0.0.0: every interface."
    )
    app_names: str = Field(
        "",
        description="Host names by which browsers may reach the app, separated by commas. Empty: "
        "those of this machine if it listens on its loopback interface, else any.",
    )
    max_upload_mb: int = Field(
        200, ge=1, description="Largest file that may be uploaded to the app, in megabytes."
    )
    max_upload_rows: int = Field(
        5_000_000, ge=1, description="Most rows of a file that is uploaded to the app."
    )
    app_metrics_port: int = Field(
        9092,
        ge=0,
        le=65535,
        description="Port of the app's Prometheus metrics; 0: none.",
    )
    exporter_port: int = Field(9091, description="Port of the platform's Prometheus metrics.")
    exporter_host: str = Field(
        "127.0.0.1", description="Address the exporter listens on; 0.0.0.0: every interface."
    )
    prometheus_port: int = Field(9090, description="Port of the Prometheus of `make stack`.")
    alertmanager_port: int = Field(9093, description="Port of the Alertmanager of `make stack`.")
    # Not Grafana's default 3000: Dagster uses it.
    grafana_port: int = Field(
        3001, description="Port of the Grafana of `make stack`, which starts it if it is installed."
    )
    alert_sns_topic_arn: str = Field(
        "",
        pattern=TOPIC,
        description="SNS topic to which the stack's Alertmanager sends alerts; empty: none.",
    )
    alert_email: str = Field(
        "",
        description="Addresses, separated by commas, to which the stack's Alertmanager mails "
        "alerts; empty: none.",
    )
    alert_email_from: str = Field(
        "tip-platform@localhost", description="Sender address of mailed alerts."
    )
    smtp_server: str = Field("127.0.0.1:25", description="Mail server for alerts, as host:port.")
    smtp_user: str = Field("", description="User who logs in to the mail server; empty: no login.")
    smtp_password_file: str = Field(
        "", description="File with this user's password, read by Alertmanager."
    )
    alert_watchdog_url: str = Field(
        "",
        description="URL that Alertmanager calls every five minutes, of a service that notifies "
        "people when the calls stop; empty: none.",
    )
    runbook_url: str = Field(
        "docs/monitoring.md",
        description="URL under which people who receive alerts can read docs/monitoring.md.",
    )
    max_prediction_seconds: float = Field(
        1,
        gt=0,
        description="The app is slow when one form in a hundred takes longer to predict.",
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
        description="Coverage: share of tips that lie within the interval of a prediction.",
    )
    prediction_log: bool = Field(
        True, description="Whether the app writes its predictions to the metric store."
    )
    prediction_log_days: int = Field(
        730, ge=1, description="Days after which a logged prediction is deleted."
    )
    feedback_minutes: float = Field(
        60,
        ge=0,
        description="Minutes for which the app collects feedback before it lands: each file that "
        "lands runs its month.",
    )
    app_secrets: str = Field(
        "",
        description="TOML file with Streamlit's own `[auth]`: people then log in by OIDC. Empty: "
        "`.streamlit/secrets.toml` if it exists, else no login.",
    )
    app_users: str = Field(
        "",
        description="Who may use the app after a login: e-mail addresses or `@domain`s, separated "
        "by commas. Empty: every account of the provider.",
    )
    app_releasers: str = Field(
        "",
        description="Who may release a held month in the app after a login: e-mail addresses or "
        "`@domain`s, separated by commas. Empty: nobody. Without a login, everybody may if the app "
        "listens on loopback.",
    )
    app_accept_unverified_email: bool = Field(
        False,
        description="Whether an address counts although the provider does not say "
        "`email_verified`. Only for a provider that verifies all addresses and never sends the "
        "claim: elsewhere anybody may register under an address of `app_users` and enter.",
    )
