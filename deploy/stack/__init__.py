"""The platform's servers on one machine, as real processes: `make stack`.

Belongs here: which servers there are (`servers.py`), their folder, secrets and configuration
(`folder.py`), starting and stopping them (`__main__.py`). Supervisor runs and restarts them. Does
not belong here: what the platform does with them; it learns of them by environment variables, like
of any other servers.
"""
