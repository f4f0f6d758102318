"""Drift, quality and promotions over the months."""

import streamlit as st

st.title("History")
