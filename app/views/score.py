"""Predictions for every row of a file."""

import streamlit as st

st.title("Score a file")
