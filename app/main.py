"""The way into the app: login, where it is configured, and the pages in the order of their use.

Belongs here: what every page shares. Does not belong here: what a page shows (`views/`).
"""

from pathlib import Path

import streamlit as st

from app.attention import show_states
from app.login import may_enter
from app.predictions import predictions
from app.sources import give_up_soon
from app.style import plain
from tip_assets.settings import get_settings

PAGES = {
    "Predictions": [
        st.Page("views/predict.py", title="Predict", icon=":material/payments:", default=True),
        st.Page("views/score.py", title="Score a file", icon=":material/table_view:"),
        st.Page("views/feedback.py", title="Feedback", icon=":material/fact_check:"),
    ],
    "Platform": [
        st.Page("views/reports.py", title="Reports", icon=":material/description:"),
        st.Page("views/history.py", title="History", icon=":material/timeline:"),
        st.Page("views/model.py", title="Model", icon=":material/deployed_code:"),
        st.Page("views/report.py", title="Report", visibility="hidden"),
    ],
}


def door() -> None:
    """What a person sees who is not let in, and why."""
    st.title("Waiter tips")
    if "is_logged_in" not in st.user:
        st.error(
            "Login is required (TIPS_APP_SECRETS, TIPS_APP_USERS), but no file with Streamlit's "
            "`[auth]` was found. Nobody can enter until it is there."
        )
    elif not st.user.is_logged_in:
        st.write("Predictions of tips, and how the model behind them is doing.")
        st.button("Log in", type="primary", on_click=st.login)
    else:
        st.error("You are logged in, but you may not use this app.")
        st.button("Log out", on_click=st.logout)


def is_authorized() -> bool:
    """Whether this person may see the pages; without a login configured everybody may."""
    settings = get_settings()
    # Streamlit knows of logins only when its secrets have `[auth]`.
    if "is_logged_in" not in st.user:
        return not (settings.app_secrets or settings.app_users)
    return bool(st.user.is_logged_in) and may_enter(
        dict(st.user), settings.app_users, settings.app_accept_unverified_email
    )


HERE = Path(__file__).parent
# A picture of our own: browsers would fetch Streamlit's symbols from Google's servers.
st.set_page_config(page_title="Waiter tips", page_icon=HERE / "icon.svg", layout="wide")
st.logo(HERE / "logo.svg", icon_image=HERE / "icon.svg", size="large")
give_up_soon()
predictions()  # there since the start of the process, unless it was started by `streamlit run`
if is_authorized():
    page = st.navigation(PAGES)
    if "is_logged_in" in st.user:
        with st.sidebar:
            st.caption(plain(st.user.get("email") or st.user.get("name") or "Logged in"))
            st.button("Log out", on_click=st.logout, icon=":material/logout:", width="stretch")
    above = st.container()
    page.run()
    with above:  # after the page: a slow metric store keeps nobody from predicting
        show_states()
else:
    st.navigation([st.Page(door, title="Waiter tips")], position="hidden").run()
