"""Small plots for the Dagster UI and MLflow, drawn with matplotlib as PNG bytes."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

INK, ACCENT, ALARM, FAINT = "#111827", "#2b6cb0", "#c53030", "#cbd2d9"
_MOST_POINTS = 2_000


def predicted_against_actual(actual: np.ndarray, predicted: np.ndarray) -> bytes:
    """Plot predictions over actual tips, in dollars; the diagonal is a perfect model.

    Of many rows, `_MOST_POINTS` at even distances are drawn.
    """
    figure, axes = canvas(3.6, 3.4)
    top = float(max(actual.max(), predicted.max())) * 1.05
    axes.plot([0, top], [0, top], color=FAINT, linewidth=1)
    drawn = np.unique(np.linspace(0, len(actual) - 1, _MOST_POINTS).astype(int))
    axes.scatter(actual[drawn], predicted[drawn], s=14, color=ACCENT, alpha=0.7, linewidths=0)
    axes.set(xlabel="actual tip, USD", ylabel="predicted tip, USD", xlim=(0, top), ylim=(0, top))
    return to_png(figure)


def importances(shares: dict[str, float]) -> bytes:
    """Plot each feature's share of the total gain as bars."""
    names = sorted(shares, key=lambda name: shares[name])
    figure, axes = canvas(4.2, 2.4, left=0.85)
    axes.barh(names, [100 * shares[name] for name in names], color=ACCENT)
    axes.set(xlabel="share of total gain, %")
    return to_png(figure)


def control_charts(charts: Sequence[Any]) -> bytes:
    """Plot each control chart's effect as a bar between the limits; alarms are red.

    `charts` are `ChartResult`s.
    """
    figure, axes = canvas(5.2, 0.6 + 0.22 * len(charts), left=1.75)
    names = [chart.chart for chart in reversed(charts)]
    colours = [ALARM if chart.alarm else ACCENT for chart in reversed(charts)]
    axes.barh(names, [chart.z for chart in reversed(charts)], color=colours)
    for limit in {chart.limit for chart in charts}:
        for side in (-limit, limit):
            axes.axvline(side, color=FAINT, linewidth=1)
    axes.set(xlabel="effect, in standard deviations")
    return to_png(figure)


def as_markdown(title: str, png: bytes) -> str:
    """Return a picture as Markdown with the image embedded."""
    return f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})"


def canvas(width: float, height: float, left: float = 0.6) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=96)
    FigureCanvasAgg(figure)
    # Margins in inches: an automatic layout draws every picture twice.
    axes = figure.add_axes((left / width, 0.5 / height, 1 - (left + 0.1) / width, 1 - 0.6 / height))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK)
    axes.xaxis.label.set(size=8, color=INK)
    axes.yaxis.label.set(size=8, color=INK)
    return figure, axes


def to_png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    # Without date and version, the same numbers produce the same bytes.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
