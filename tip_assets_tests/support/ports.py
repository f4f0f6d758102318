"""Ports for the servers of tests, so that they meet no other.

Belongs here: that.
"""

import socket


def free_port() -> int:
    """A port of the loopback interface on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
