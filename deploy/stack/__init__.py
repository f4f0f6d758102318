"""The platform's servers as processes on one machine: `make stack`.

`servers.py` defines them, `folder.py` writes their folder, secrets and configuration,
`__main__.py` starts and stops them. Supervisor runs and restarts them. The platform uses them
through environment variables, like any other servers.
"""
