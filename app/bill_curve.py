"""How the predicted tip changes with the bill, everything else on the form staying as it is.

Belongs here: asking the model along the bills of its training rows, and the figure. Does not belong
here: the answer to one bill (`prediction_plots.py`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.style import PAPER, WASH, dollars, figure
from tip_assets.assets.plots import ACCENT
from tip_assets.contract import BILL
from tip_assets.serving.loaded_model import LoadedModel
from tip_assets.serving.scoring import HIGH, LOW, PREDICTED

_POINTS = 80


def bill_curve(model: LoadedModel, record: Mapping[str, Any], coverage: float) -> pd.DataFrame:
    """Predictions with their intervals for the bills that occur in training; empty if unknown."""
    if BILL not in model.seen():
        return pd.DataFrame(columns=[BILL, PREDICTED, LOW, HIGH])
    lowest, highest = model.seen()[BILL]
    bills = np.linspace(lowest, highest, _POINTS).round(2)
    records = pd.DataFrame([dict(record)] * _POINTS).assign(**{BILL: bills})
    predicted = model.predict(records)
    low, high = model.intervals(records, predicted, coverage) or (np.nan, np.nan)
    known = model.never_seen(records) == ""
    ends = {LOW: np.where(known, low, np.nan), HIGH: np.where(known, high, np.nan)}
    return pd.DataFrame({BILL: bills, PREDICTED: predicted, **ends})


def curve_figure(curve: pd.DataFrame, bill: float, tip: float) -> go.Figure:
    """The curve on its band of intervals, and a mark at the bill of the form."""
    plot = figure(300, margin={"l": 8, "r": 8, "t": 8, "b": 8}, showlegend=False)
    for name in (LOW, HIGH):
        plot.add_trace(
            go.Scatter(
                x=curve[BILL],
                y=curve[name],
                mode="lines",
                line_width=0,
                fill="tonexty" if name == HIGH else None,
                fillcolor=WASH,
                hoverinfo="skip",
            )
        )
    plot.add_trace(
        go.Scatter(
            x=curve[BILL],
            y=curve[PREDICTED],
            mode="lines",
            line={"color": ACCENT, "width": 2},
            customdata=curve[[LOW, HIGH]].map(lambda end: dollars(None if np.isnan(end) else end)),
            hovertemplate="bill $%{x:.2f}: tip $%{y:.2f}<br>%{customdata[0]} to %{customdata[1]}"
            "<extra></extra>",
        )
    )
    plot.add_trace(
        go.Scatter(
            x=[bill],
            y=[tip],
            mode="markers",
            marker={"size": 14, "color": ACCENT, "line": {"color": PAPER, "width": 2}},
            hoverinfo="skip",
        )
    )
    plot.update_xaxes(title="total bill, USD", tickprefix="$")
    plot.update_yaxes(title="tip, USD", tickformat="$.2f", rangemode="tozero")
    return plot
