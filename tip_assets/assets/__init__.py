"""The nine assets, one file each; the file's name is the asset's key, parameters are the edges.

Belongs here: wiring of pure functions to Dagster, and metadata for the UI. Does not belong here:
computation that could be called without Dagster.
"""
