"""How `terraform fmt` lays out lines, for machines without Terraform.

Belongs here: indentation and the alignment of `=`. Does not belong here: spaces between other
words, which only the program itself knows (`deploy/test_terraform.py` asks it where it is
installed).
"""

import re

_TEXT = re.compile(r'"(?:\\.|\$\{(?:[^{}"]|"(?:\\.|[^"\\])*")*\}|[^"\\])*"')
_COMMENT = re.compile(r"(^|\s)(#|//).*$")
_ASSIGNMENT = re.compile(r'^(\s*)("[^"]*"|[^\s=#"]+)(\s*)=(?![=>])\s*(.*)$')


def formatted(text: str) -> str:
    """The text with its lines laid out; equal to it when nothing is to be done."""
    lines = [line.rstrip() for line in text.split("\n")]
    lines = _indented(lines)
    return "\n".join(_aligned(lines)).rstrip("\n") + "\n"


def _bare(line: str) -> str:
    """The line without what is within quotes and comments."""
    return _COMMENT.sub("", _TEXT.sub('""', line))


def _net(line: str) -> int:
    bare = _bare(line)
    return sum(map(bare.count, "([{")) - sum(map(bare.count, ")]}"))


def _indented(lines: list[str]) -> list[str]:
    """Two spaces for each line above that has opened more brackets than it closed."""
    open_lines: list[int] = []
    laid = []
    for line in lines:
        net, depth = _net(line), len(open_lines)
        if net > 0:
            open_lines.append(net)
        while net < 0 and open_lines:
            closed = min(-net, open_lines[-1])
            net += closed
            open_lines[-1] -= closed
            if not open_lines[-1]:
                open_lines.pop()
            depth = len(open_lines)
        laid.append(("  " * depth + line.strip()).rstrip())
    return laid


def _aligned(lines: list[str]) -> list[str]:
    """Assignments on adjoining lines, each complete on its line, have `=` below each other."""
    laid, group = [], []
    for line in [*lines, ""]:
        match = _ASSIGNMENT.match(line)
        if match and _net(line) == 0:
            group.append(match)
            continue
        width = max((len(m[2]) for m in group), default=0)
        laid += [f"{m[1]}{m[2]:<{width}} = {m[4]}" for m in group]
        group = []
        laid.append(f"{match[1]}{match[2]} = {match[4]}" if match else line)
    return laid[:-1]
