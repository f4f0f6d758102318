"""Pure functions of the model's life cycle: split, search, training, comparison, promotion.

Nothing in this package imports Dagster or reads storage.
"""
