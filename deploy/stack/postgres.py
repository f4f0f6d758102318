"""Where Postgres' programs are; Debian keeps them off the PATH."""

import shutil
from pathlib import Path

from tip_assets.runtime.supervisor import Missing


def postgres_binaries(program: str = "postgres") -> Path:
    """Return the folder that has a program of Postgres. Raises Missing."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    on_path = shutil.which(program)
    if not found and not on_path:
        raise Missing("Postgres is not installed: sudo apt-get install postgresql")
    return found[-1].parent if found else Path(str(on_path)).parent
