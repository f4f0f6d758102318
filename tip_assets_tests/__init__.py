"""Tests, named after the packages of `tip_assets`; `test_month.py` runs it as a user does."""
