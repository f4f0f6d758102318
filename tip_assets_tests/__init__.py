"""Tests, named after the rooms of `tip_assets`; `test_month.py` runs it as a user does."""
