"""Back up the platform's databases and files to a folder, and restore them.

`parts.py` lists what to back up, `databases.py` and `files.py` copy it, `manifest.py` describes a
backup, `save.py` and `restore.py` run everything in order. A backup has no passwords or keys.
`rewind.py` needs no backup, but a bucket with versions.
"""


class Refused(Exception):
    """A backup cannot be made or restored; the message says why and, if possible, what to do."""
