"""Write the table of `docs/settings.md` from the code: `make docs`."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tip_assets.settings import Settings  # noqa: E402

PAGE = ROOT / "docs" / "settings.md"
_TABLE = re.compile(r"(?<=<!-- written by `make docs` -->\n).*?(?=<!-- end -->)", re.DOTALL)


def table() -> str:
    """A row for each setting: its environment variable, default and description."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        variable = field.validation_alias or f"TIPS_{name.upper()}"
        default = "" if field.default == "" else f"`{field.default}`"
        lines.append(f"| `{variable}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    page = PAGE.read_text("utf-8")
    PAGE.write_text(_TABLE.sub(lambda _match: table(), page), "utf-8")
