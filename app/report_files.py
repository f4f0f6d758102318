"""What the storage has of a month: reports, with a frame they cannot get out of, and refused rows.

Belongs here: finding, reading and sandboxing. Does not belong here: what reports show
(`tip_assets/drift/evidently_reports.py`) or why rows are refused (`tip_assets/contract.py`).
"""

import html
import io
import re

import pandas as pd
from upath import UPath

from tip_assets.drift.evidently_reports import REPORTS
from tip_assets.runtime.storage import quarantine_file, report_folder

# Scripts and styles are inside a report; from outside it gets nothing, and sends nothing there.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; form-action 'none'; base-uri 'none'"
)
_REFUSED = ["file", "row", "column", "value", "reason"]
_MONTH = re.compile(r"\d{4}-\d{2}")


def months_with_reports(storage: UPath) -> list[str]:
    """Months that have a folder of reports, newest first."""
    root = storage / "reports"
    if not root.is_dir():
        return []
    return sorted((f.name for f in root.iterdir() if _MONTH.fullmatch(f.name)), reverse=True)


def reports_of(storage: UPath, month: str) -> list[str]:
    """The reports that a month has, in the order of `REPORTS`."""
    folder = report_folder(storage, month)
    return [report for report in REPORTS if (folder / f"{report}.html").exists()]


def read_quarantine(storage: UPath, month: str, most: int) -> pd.DataFrame:
    """The first refused rows of a month: file, row, column, value and reason."""
    try:
        content = quarantine_file(storage, month).read_bytes()
    except FileNotFoundError:
        return pd.DataFrame(columns=_REFUSED)
    return pd.read_parquet(io.BytesIO(content), columns=_REFUSED).head(most)


def read_report(storage: UPath, month: str, report: str) -> str | None:
    """A report as HTML; None if the month does not have it. Raises KeyError for an unknown one."""
    if report not in REPORTS or not _MONTH.fullmatch(month):
        raise KeyError(f"there is no report {report!r} of {month!r}")
    try:
        return (report_folder(storage, month) / f"{report}.html").read_text("utf-8")
    except FileNotFoundError:
        return None


def sandboxed(report: str, title: str) -> str:
    """A page that shows a report in a frame of its own, as high as the report.

    Streamlit's frames share the app's origin. The one inside has none (`allow-scripts` without
    `allow-same-origin`), so a report can draw, and can neither read nor script the app; it opens
    no windows, and the policy, which frames inherit, leaves it no network. All it can say is how
    high it is; what it says is taken for a number and bounded.
    """
    # Before the last one: a report's scripts speak of others.
    page, end, rest = report.rpartition("</body>")
    inner = f"{page}{_TELLS_ITS_HEIGHT}{end}{rest}"
    return _FRAME.format(policy=_POLICY, title=html.escape(title), report=html.escape(inner))


# At its load, too: browsers do not look at the size of a frame that is out of sight.
_TELLS_ITS_HEIGHT = """<script>
  const report = () => parent.postMessage(document.body.offsetHeight, "*");
  addEventListener("load", () => { report(); setTimeout(report, 1000); });
  new ResizeObserver(report).observe(document.body);
</script>"""
# Reports are made for desks: on a phone one is drawn smaller, so that nothing of it is cut off.
_FRAME = """<!doctype html>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<style>
  body {{ margin: 0; overflow: hidden; }}
  iframe {{ border: 0; background: #ffffff; display: block; transform-origin: 0 0;
            width: 100%; min-width: 900px; height: 900px; }}
</style>
<iframe title="{title}" sandbox="allow-scripts" srcdoc="{report}"></iframe>
<script>
  const frame = document.querySelector("iframe");
  let height = 900;
  const fit = () => {{
    const scale = Math.min(1, innerWidth / 900);
    frame.style.height = height + "px";
    frame.style.transform = `scale(${{scale}})`;
    document.body.style.height = height * scale + "px";
  }};
  addEventListener("message", (event) => {{
    const reported = Math.ceil(Number(event.data)) + 40;
    if (event.source !== frame.contentWindow || !(reported > 200 && reported < 20000)) return;
    height = reported;
    fit();
  }});
  addEventListener("resize", fit);
  fit();
</script>"""
