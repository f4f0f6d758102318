"""The runtime of the assets: storage, IO managers, Dagster instance, databases, local servers."""
