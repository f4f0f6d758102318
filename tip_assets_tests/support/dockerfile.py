"""What the targets of `deploy/Dockerfile` say of themselves."""

import json
import re
from functools import lru_cache
from pathlib import Path

_FILE = Path(__file__).parents[2] / "deploy" / "Dockerfile"


@lru_cache(maxsize=1)
def targets() -> dict[str, str]:
    """The instructions of each stage, one a line; those of the stage it extends are not among."""
    text = re.sub(r"\\\n\s*", "", _FILE.read_text("utf-8"))
    parts = re.split(r"^FROM \S+ AS (\S+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def command(target: str) -> list[str]:
    words: list[str] = json.loads(_all(target, "CMD")[-1])
    return words


def ports(target: str) -> list[int]:
    return [int(port) for words in _all(target, "EXPOSE") for port in words.split()]


def environment(target: str) -> dict[str, str]:
    pairs = [pair for words in _all(target, "ENV") for pair in words.split()]
    return dict(pair.split("=", 1) for pair in pairs)


def _all(target: str, name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)$", targets()[target], flags=re.MULTILINE)
