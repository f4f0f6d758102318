"""The tip of one bill, with its interval and what moved it."""

import streamlit as st

st.title("Predict")
