"""In Grafana's place on the path: says what it was started with, and answers like it.

Belongs here: reading what Grafana would read, in its way (configuration, `$__env`, `GF_...`,
provisioning), strictly. Does not belong here: what must be true of it.

`/api/health` answers as Grafana's does, `/given` with what was read.
"""

import argparse
import configparser
import json
import os
import re
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import yaml

_ENVIRONMENT = re.compile(r"\$__env\{(\w+)\}")
_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)\}")


def install(folder: Path, name: str = "grafana") -> Path:
    """Put it into a folder as Grafana is unpacked; gives the folder for the path."""
    program = folder / "bin" / name
    program.parent.mkdir(parents=True)
    (folder / "conf").mkdir()
    (folder / "conf" / "defaults.ini").touch()
    program.write_text(f"#!{sys.executable}\n{Path(__file__).read_text()}")
    program.chmod(0o755)
    return program.parent


def configuration(file: str) -> dict[str, dict[str, str]]:
    """The configuration file, with what the environment says instead (`GF_SECTION_KEY`)."""
    read = configparser.ConfigParser(interpolation=None)
    assert read.read(file), file
    found = {name: dict(read[name]) for name in read.sections()}
    for name, value in os.environ.items():
        if name.startswith("GF_"):
            section, _, key = name.removeprefix("GF_").lower().partition("_")
            found.setdefault(section, {})[key] = value
    return {
        section: {
            key: _ENVIRONMENT.sub(lambda m: os.environ[m[1]], value)
            for key, value in values.items()
        }
        for section, values in found.items()
    }


def provisioned(folder: Path) -> Any:
    """What the files of a provisioning folder say, with the environment's values."""

    def filled(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: filled(value) for key, value in part.items()}
        if isinstance(part, list):
            return [filled(value) for value in part]
        if isinstance(part, str):
            return _VARIABLE.sub(lambda m: os.environ[m[1] or m[2]], part)
        return part

    files = sorted(folder.glob("*.yml"))
    assert files, folder
    return [filled(yaml.safe_load(file.read_text())) for file in files]


def main() -> None:
    words = sys.argv[1:]
    if Path(sys.argv[0]).name == "grafana":
        assert words.pop(0) == "server"
    parser = argparse.ArgumentParser()
    for option in ("--homepath", "--config"):
        parser.add_argument(option, required=True)
    told = parser.parse_args(words)
    assert (Path(told.homepath) / "conf" / "defaults.ini").exists(), told.homepath
    read = configuration(told.config)
    folder = Path(read["paths"]["provisioning"])
    (dashboards,) = provisioned(folder / "dashboards")
    given = {
        "configuration": read,
        "datasources": provisioned(folder / "datasources")[0]["datasources"],
        "dashboards": {
            file.name: json.loads(file.read_text())
            for provider in dashboards["providers"]
            for file in sorted(Path(provider["options"]["path"]).glob("*.json"))
        },
        "environment": sorted(os.environ),
    }
    for name in ("data", "logs", "plugins"):
        Path(read["paths"][name]).mkdir(parents=True, exist_ok=True)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = {"/api/health": {"database": "ok"}, "/given": given}
            found = answers.get(self.path)
            self.send_response(200 if found else 401)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    place = read["server"]["http_addr"], int(read["server"]["http_port"])
    HTTPServer(place, Answer).serve_forever()


if __name__ == "__main__":
    main()
