"""Write the list of `docs/settings.md` from the code: `make docs`."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tip_assets.settings import Settings  # noqa: E402
from tip_assets.settings.servers import ServerSettings  # noqa: E402

PAGE = ROOT / "docs" / "settings.md"
_LIST = re.compile(r"(?<=<!-- written by `make docs` -->\n).*?(?=<!-- end -->)", re.DOTALL)


def lines() -> str:
    """A line for each setting: its environment variable with the default, and its description."""
    written = {True: "", False: ""}
    for name, field in Settings.model_fields.items():
        variable = field.validation_alias or f"TIPS_{name.upper()}"
        line = f"- `{variable}={field.default}`: {field.description}\n"
        written[name in ServerSettings.model_fields] += line
    return f"## Data and models\n\n{written[False]}\n## Servers, app and alerts\n\n{written[True]}"


if __name__ == "__main__":
    page = PAGE.read_text("utf-8")
    PAGE.write_text(_LIST.sub(lambda _match: lines(), page), "utf-8")
