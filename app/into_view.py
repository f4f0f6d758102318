"""An answer that appears below the fold of a phone: scroll to it and announce it to screen readers.

Belongs here: the only script of ours that runs in the page. Does not belong here: what is shown.
"""

import streamlit as st

_HTML = """<div role="status" style="position: absolute; width: 1px; height: 1px;
  overflow: hidden; clip-path: inset(50%)"></div>"""
# The page keeps the last id, so that an answer is scrolled to once and not at every visit. Below
# the top there is room for Streamlit's header.
_SCRIPT = """
export default function ({ parentElement, data }) {
  parentElement.querySelector("[role=status]").textContent = data.words;
  const place = (parentElement.host ?? parentElement).closest("[data-testid=stColumn]");
  if (sessionStorage.getItem(data.name) === data.id) return;
  sessionStorage.setItem(data.name, data.id);
  const { top } = place.getBoundingClientRect();
  if (top >= 0 && top < innerHeight / 2) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  place.style.scrollMarginTop = "4.5rem";
  place.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
}
"""


def come_into_view(name: str, answer_id: str, words: str) -> None:
    """Scroll to the top of this column unless it is in sight; `words` are for screen readers."""
    mount = st.components.v2.component("come_into_view", html=_HTML, js=_SCRIPT)
    mount(data={"name": name, "id": answer_id, "words": words}, key=f"into_view_{name}")
