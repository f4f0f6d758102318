"""What others wrote stays what it is: reports, words, addresses; the app's own configuration."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

import app
from app import style
from app.report_files import read_report, sandboxed
from tip_assets.assets import plots
from tip_assets.runtime.local_servers import app_server
from tip_assets.settings import Settings

APP = Path(app.__file__).parent


@pytest.mark.parametrize(("month", "report"), [("2024-01", "../x"), ("../..", "data_drift")])
def test_only_reports_can_be_read(tmp_path, month, report):
    with pytest.raises(KeyError):
        read_report(UPath(tmp_path), month, report)
    assert read_report(UPath(tmp_path), "2024-01", "data_drift") is None


def test_a_report_cannot_end_its_frame():
    page = sandboxed("<body>'></iframe><script>alert(1)</script></body>", 'a "title"')
    assert page.count("<iframe") == 1
    assert "alert(1)</script>" not in page
    assert 'sandbox="allow-scripts"' in page
    assert "allow-same-origin" not in page


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_plain_text_keeps_every_character_and_escapes_those_of_markdown(words):
    shown = style.plain(words).replace(style._WORD_JOINER, "")
    left = shown
    for char in style._MARKDOWN[1:]:
        left = left.replace(f"\\{char}", "")
    assert not set(left.replace("\\\\", "")) & set(style._MARKDOWN)
    assert len(shown) == len(words.replace(style._WORD_JOINER, "")) + sum(
        char in style._MARKDOWN for char in words
    )


def test_the_app_is_safe_by_its_own_configuration():
    config = tomllib.loads((APP / ".streamlit" / "config.toml").read_text("utf-8"))
    assert config["server"]["enableXsrfProtection"]
    assert config["server"]["address"] == "127.0.0.1"
    assert config["browser"]["gatherUsageStats"] is False
    assert config["client"]["showErrorDetails"] == "none"
    assert config["theme"]["light"]["primaryColor"] == plots.ACCENT
    assert config["theme"]["light"]["textColor"] == plots.INK
    assert config["theme"]["dark"]["textColor"] == style._IN_DARK[plots.INK]
    assert "base" not in config["theme"]  # light or dark as the system is
    # Streamlit would run its files by their address alone, past the login.
    assert not (APP / "pages").exists()
    assert not [path for path in APP.rglob("*.py") if "unsafe_allow_" in path.read_text("utf-8")]


def test_settings_reach_the_start_command():
    command = app_server(Settings(app_port=9, app_host="0.0.0.0", max_upload_mb=7)).command
    assert "--server.port=9" in command
    assert "--server.address=0.0.0.0" in command
    assert "--server.maxUploadSize=7" in command
    assert "allowedHosts" not in command
    assert "--server.allowedHosts=127.0.0.1" in app_server(Settings()).command
    named = app_server(Settings(app_names="tips.example.org, other")).command
    assert "--server.allowedHosts=tips.example.org --server.allowedHosts=other" in named
    assert "--secrets" not in command
    assert "--secrets.files=" in app_server(Settings(app_secrets="x.toml")).command
