"""Who may release a held month from the page."""

import getpass

import pytest

from app.release import release, releaser
from tip_assets.settings import Settings

ADA = {"email": "ada@example.org", "email_verified": True}


@pytest.mark.parametrize(
    ("settings", "person", "name"),
    [
        ({}, None, getpass.getuser()),
        ({"app_host": "0.0.0.0"}, None, None),
        ({}, ADA, None),
        ({"app_releasers": "bob@example.org"}, ADA, None),
        ({"app_releasers": "@example.org"}, ADA, "ada@example.org"),
        ({"app_releasers": "@example.org"}, ADA | {"email_verified": False}, None),
    ],
    ids=["loopback", "network", "nobody named", "another", "named", "unverified"],
)
def test_a_person_who_may_release_is_named(settings, person, name):
    assert releaser(Settings(**settings), person) == name


def test_a_release_that_fails_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("TIPS_STORAGE", str(tmp_path))
    assert release("2024-01", "why not", "ada").startswith("There is no platform in ")
    assert release("2024-01", " ", "ada").startswith("A release needs a reason")
