"""MLflow: the connection, runs, the registry, and the worker process that draws reports."""
