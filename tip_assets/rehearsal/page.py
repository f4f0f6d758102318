"""The result of a rehearsal as one HTML page with plots."""

import base64
import html
from collections.abc import Sequence

import numpy as np

from tip_assets.assets.plots import ACCENT, ALARM, FAINT, INK, canvas, to_png
from tip_assets.rehearsal.play import RULE, SIMPLE_POLICIES, Played, Rehearsal
from tip_assets.rehearsal.results import Results, table

_STYLE = "font: 16px/1.5 sans-serif; color: #1f2933; max-width: 60rem; margin: 2rem auto"
_COLOURS = dict(zip((RULE, *SIMPLE_POLICIES), (ACCENT, FAINT, ALARM, INK), strict=True))


def page(rehearsal: Rehearsal, scenario: str, played: Sequence[Played], results: Results) -> str:
    """Return the page; the same histories produce the same bytes."""
    rows = "".join(
        f"<tr><th align=left style='padding-right: 2rem'>{html.escape(name)}</th>"
        f"<td>{html.escape(value)}</td></tr>"
        for name, value in table(rehearsal, results)
    )
    plots = [
        ("Error of each policy by month, mean over histories, in dollars", _errors(played)),
        ("Largest effect on any chart by month: each history, and the limit", _effects(played)),
    ]
    pictures = "".join(
        f"<h2>{title}</h2><img alt='{title}' "
        f"src='data:image/png;base64,{base64.b64encode(png).decode()}'>"
        for title, png in plots
    )
    return (
        f"<!doctype html><meta charset=utf-8><title>Rehearsal</title><body style='{_STYLE}'>"
        f"<h1>Rehearsal: {html.escape(scenario)}</h1><table>{rows}</table>{pictures}</body>\n"
    )


def _errors(played: Sequence[Played]) -> bytes:
    figure, axes = canvas(7.2, 3.2)
    for policy in played[0].errors:
        by_month = np.array([history.errors[policy] for history in played], dtype=float)
        known = ~np.isnan(by_month).all(axis=0)
        months = np.arange(1, by_month.shape[1] + 1)[known]
        width = 2 if policy == RULE else 1
        means = np.nanmean(by_month[:, known], axis=0)
        axes.plot(months, means, color=_COLOURS[policy], linewidth=width, label=policy)
    axes.set(xlabel="month", ylabel="RMSE, USD")
    axes.legend(fontsize=8, frameon=False)
    return to_png(figure)


def _effects(played: Sequence[Played]) -> bytes:
    figure, axes = canvas(7.2, 3.2)
    for history in played:
        months = range(1, len(history.effects) + 1)
        values = np.array(history.effects, dtype=float)
        axes.plot(months, values, color=ACCENT, linewidth=0.6, alpha=0.35)
        axes.plot(months, np.array(history.limits, dtype=float), color=ALARM, linewidth=0.6)
    axes.set(xlabel="month", ylabel="standard deviations")
    return to_png(figure)
