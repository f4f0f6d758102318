"""Who gets into the app: nobody has to log in, unless a provider is configured."""

import pytest

from app.login import may_enter
from tip_assets.settings import Settings
from tip_assets_tests.support.app import DESKTOP, Visit, running_app
from tip_assets_tests.support.ports import free_port

PERSON = {"email": "Ada@Example.org", "email_verified": True}


@pytest.mark.parametrize(
    ("person", "users", "enters"),
    [
        (PERSON, "", True),
        (PERSON, "ada@example.org", True),
        (PERSON, "bob@example.org, @example.org", True),
        (PERSON, "@example.com", False),
        (PERSON, "@ample.org", False),
        (PERSON | {"email": "ada@evil-example.org"}, "@example.org", False),
        (PERSON | {"email": "x@example.org@evil.com"}, "@example.org", False),
        (PERSON | {"email_verified": False}, "@example.org", False),
        (PERSON | {"email_verified": "false"}, "@example.org", False),
        (PERSON | {"email_verified": "true"}, "@example.org", True),
        (PERSON | {"email_verified": "True"}, "@example.org", True),
        (PERSON | {"email_verified": None}, "@example.org", False),
        (PERSON | {"email_verified": 1}, "@example.org", False),
        ({"email": "ada@example.org"}, "ada@example.org", False),
        ({"email": "ada@example.org"}, "", True),
        ({"name": "Ada"}, "ada@example.org", False),
        ({}, "@", False),
    ],
)
def test_a_person_enters_by_a_verified_address(person, users, enters):
    assert may_enter(person, users) is enters


@pytest.mark.parametrize(
    ("person", "enters"),
    [
        ({"email": "ada@example.org"}, True),
        (PERSON, True),
        (PERSON | {"email_verified": False}, False),
        (PERSON | {"email_verified": "false"}, False),
        ({"email": "bob@example.org"}, False),
    ],
)
def test_a_provider_without_the_claim_needs_the_setting(person, enters):
    assert may_enter(person, "ada@example.org", accept_unverified=True) is enters
    assert Settings().app_accept_unverified_email is False


@pytest.fixture(scope="module")
def login(tmp_path_factory):
    """A provider who knows two people, and the file that names it to the app."""
    import oidc_provider_mock as oidc

    users = [
        oidc.User(sub=name, claims={"email": f"{name}@example.org", "email_verified": True})
        for name in ("ada", "mallory")
    ]
    port = free_port()
    secrets = tmp_path_factory.mktemp("login") / "login.toml"
    with oidc.run_server_in_thread(user_claims=users) as provider:
        known = f"http://localhost:{provider.server_port}/.well-known/openid-configuration"
        secrets.write_text(
            "[auth]\n"
            f'redirect_uri = "http://localhost:{port}/oauth2callback"\n'
            'cookie_secret = "only for this test, and long enough"\n'
            'client_id = "the app"\n'
            'client_secret = "not so secret"\n'
            f'server_metadata_url = "{known}"\n'
            'client_kwargs = { scope = "openid email" }\n'
        )
        yield port, secrets


@pytest.mark.services
def test_a_configured_login_lets_in_who_may_enter_and_nobody_else(tmp_path, browser, login):
    port, secrets = login
    settings = {"TIPS_APP_SECRETS": str(secrets), "TIPS_APP_USERS": "ada@example.org"}
    with running_app(tmp_path / "storage", port, **settings):
        for page in ("", "history", "report?month=2024-01&report=data_drift"):
            stranger = _visit(browser)
            stranger.open(f"http://localhost:{port}/{page}")
            assert stranger.text().split() == [*WELCOME.split(), "Log", "in"]
            assert stranger.page.get_by_test_id("stSidebarNavLink").count() == 0

        ada = _logged_in(browser, port, "ada")
        ada.page.wait_for_selector("h1:has-text('Predict')")
        sidebar = ada.page.get_by_test_id("stSidebar")
        assert "ada@example.org" in sidebar.inner_text().replace("\u2060", "")
        assert sidebar.locator("a[href^=mailto]").count() == 0  # her name means nothing there
        ada.page.get_by_role("button", name="Log out").click()
        ada.page.wait_for_url("**/oauth2/end_session**")  # the provider asks
        ada.open(f"http://localhost:{port}/history")
        assert ada.text().endswith("Log in")

        mallory = _logged_in(browser, port, "mallory")
        mallory.page.wait_for_selector("text=you may not use this app")
        assert mallory.page.get_by_test_id("stSidebarNavLink").count() == 0


@pytest.mark.services
def test_a_login_that_is_asked_for_and_not_configured_lets_nobody_in(tmp_path, browser):
    with running_app(tmp_path / "storage", TIPS_APP_USERS="@example.org") as address:
        visit = _visit(browser)
        visit.open(f"{address}/history")
        assert "Nobody can enter" in visit.text()
        assert visit.page.get_by_test_id("stSidebarNavLink").count() == 0


WELCOME = "Waiter tips Predictions of tips, and how the model behind them is doing."


def _visit(browser) -> Visit:
    context = browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    return Visit(context.new_page()).listen()


def _logged_in(browser, port: int, name: str) -> Visit:
    visit = _visit(browser)
    visit.open(f"http://localhost:{port}")
    visit.page.get_by_role("button", name="Log in").click()
    visit.page.get_by_placeholder("sub").fill(name)
    visit.page.get_by_role("button", name="Authorize").click()
    visit.page.wait_for_url(f"http://localhost:{port}/**")
    visit.settle()
    return visit
