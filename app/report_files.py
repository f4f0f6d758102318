"""The reports of a month as they lie in the storage, and a frame they cannot get out of.

Belongs here: finding, reading and sandboxing reports. Does not belong here: what they show
(`tip_assets/drift/evidently_reports.py`).
"""

import html
import re

from upath import UPath

from tip_assets.drift.evidently_reports import REPORTS
from tip_assets.storage import report_folder

# Scripts and styles are inside a report; from outside it gets nothing, and sends nothing there.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; form-action 'none'; base-uri 'none'"
)
_MONTH = re.compile(r"\d{4}-\d{2}")


def months_with_reports(storage: UPath) -> list[str]:
    """Months that have a folder of reports, newest first."""
    root = storage / "reports"
    if not root.is_dir():
        return []
    return sorted((f.name for f in root.iterdir() if _MONTH.fullmatch(f.name)), reverse=True)


def read_report(storage: UPath, month: str, report: str) -> str | None:
    """A report as HTML; None if the month does not have it. Raises KeyError for an unknown one."""
    if report not in REPORTS or not _MONTH.fullmatch(month):
        raise KeyError(f"there is no report {report!r} of {month!r}")
    try:
        return (report_folder(storage, month) / f"{report}.html").read_text("utf-8")
    except FileNotFoundError:
        return None


def sandboxed(report: str, title: str, height: int) -> str:
    """A page that shows a report in a frame of its own, `height` pixels high.

    Streamlit's frames share the app's origin. The one inside has none (`allow-scripts` without
    `allow-same-origin`), so a report can draw, and can neither read nor script the app; it opens
    no windows, and the policy, which frames inherit, leaves it no network.
    """
    return (
        '<!doctype html><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        "<style>html,body{margin:0;background:#fff}iframe{border:0;width:100%;display:block}"
        f"</style><iframe title='{html.escape(title)}' sandbox='allow-scripts' "
        f"style='height:{height}px' srcdoc='{html.escape(report)}'></iframe>"
    )
