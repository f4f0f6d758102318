"""A Dockerfile as its stages, each with what it inherits.

Belongs here: reading it. Does not belong here: what must hold of it (`deploy/test_containers.py`).
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Instruction(NamedTuple):
    """One instruction: its name and the rest of it, on one line."""

    name: str
    words: str


@dataclass(frozen=True)
class Dockerfile:
    """The instructions of each stage in order, those of the stage that it begins with first."""

    text: str
    targets: dict[str, list[Instruction]]

    @classmethod
    def read(cls, path: Path) -> "Dockerfile":
        text = path.read_text("utf-8")
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        joined = re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines()
        targets: dict[str, list[Instruction]] = {}
        stage: list[Instruction] = []
        for line in filter(str.strip, joined):
            name, words = line.split(None, 1)
            if name == "FROM":
                base, _, target = words.split()
                stage = targets[target] = list(targets.get(base, []))
            else:
                stage.append(Instruction(name, words))
        return cls(text, targets)

    def user(self, target: str) -> str:
        return self._all(target, "USER")[-1]

    def health(self, target: str) -> str | None:
        return (self._all(target, "HEALTHCHECK") or [None])[-1]

    def ports(self, target: str) -> list[int]:
        return [int(port) for words in self._all(target, "EXPOSE") for port in words.split()]

    def command(self, target: str) -> list[str]:
        words: list[str] = json.loads(self._all(target, "CMD")[-1])
        return words

    def environment(self, target: str) -> dict[str, str]:
        pairs = [pair for words in self._all(target, "ENV") for pair in words.split()]
        return dict(pair.split("=", 1) for pair in pairs)

    @property
    def copied(self) -> set[str]:
        """What is copied from the folder that is sent to the builder."""
        copies = {words for target in self.targets for words in self._all(target, "COPY")}
        sources = {words for words in copies if "--from=" not in words}
        return {
            path
            for words in sources
            for path in [w for w in words.split() if not w.startswith("--")][:-1]
        }

    def _all(self, target: str, name: str) -> list[str]:
        return [found.words for found in self.targets[target] if found.name == name]
