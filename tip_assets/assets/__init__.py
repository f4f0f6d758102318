"""The nine assets, one file each; the file's name is the asset's key, parameters are the edges.

Assets wire pure functions to Dagster and add metadata for the UI. Computation that does not need
Dagster is in the other packages.
"""
