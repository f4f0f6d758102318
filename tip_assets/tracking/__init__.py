"""MLflow: connection, runs, registry, and the worker process that logs trials and draws reports."""
