"""Pure functions of the model's life: split, search, training, comparison, promotion.

Nothing in this package knows Dagster or where data is stored.
"""
