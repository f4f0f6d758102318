"""What the platform promised to keep, in a folder from which it can be brought back.

Belongs here: which databases and files that is (`parts.py`), how a database is copied
(`databases.py`) and a file (`files.py`), what a backup holds (`manifest.py`), and the order of it
all (`save.py`, `restore.py`). Does not belong here: passwords and keys, which a backup never holds,
or the servers (`deploy/stack`).
"""


class Refused(Exception):
    """A backup cannot be made or brought back; says why and, where it helps, what to do."""
