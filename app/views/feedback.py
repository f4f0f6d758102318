"""The tips that were given, beside what was predicted."""

import streamlit as st

st.title("Feedback")
