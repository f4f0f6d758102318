"""A month in words, and its four reports."""

import streamlit as st

st.title("Reports")
