"""The way into the app: its pages, in the order of their use.

Belongs here: what every page shares. Does not belong here: what a page shows (`pages/`).
"""

import streamlit as st

st.set_page_config(page_title="Waiter tips", page_icon=":material/payments:", layout="wide")

st.navigation(
    {
        "Predictions": [
            st.Page("pages/predict.py", title="Predict", icon=":material/payments:", default=True),
            st.Page("pages/score.py", title="Score a file", icon=":material/table_view:"),
            st.Page("pages/feedback.py", title="Feedback", icon=":material/fact_check:"),
        ],
        "Platform": [
            st.Page("pages/reports.py", title="Reports", icon=":material/description:"),
            st.Page("pages/history.py", title="History", icon=":material/timeline:"),
            st.Page("pages/model.py", title="Model", icon=":material/deployed_code:"),
        ],
    }
).run()
