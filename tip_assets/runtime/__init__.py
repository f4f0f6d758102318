"""What the assets run on: storage, IO managers, the Dagster instance, databases, local servers."""
