"""The model that serves, and those before it."""

import streamlit as st

st.title("Model")
