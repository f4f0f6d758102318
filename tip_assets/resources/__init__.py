"""What the assets reach for outside the process: MLflow, its registry, the metric store."""
