"""`tips up` runs its servers until one ends, and then says which and why."""

import io
import os
import sys

from tip_assets.runtime.local_servers import run_servers
from tip_assets.runtime.supervisor import Server
from tip_assets_tests.support.ports import free_port
from tip_assets_tests.support.postgres import wait_for


def test_when_a_server_ends_its_log_is_shown_and_nothing_is_left(tmp_path):
    serve = f"{sys.executable} -m http.server --bind 127.0.0.1"
    ports = free_port(), free_port()
    goes_on = Server("goes_on", "Lasting", f"{serve} {ports[0]}", ports[0], "/")
    # Its child, which has the port, outlives it.
    command = f"/bin/sh -c '{serve} {ports[1]} & sleep 3; echo out of 100% paper; exit 3'"
    ends = Server("ends", "Brief", command, ports[1], "/")
    terminal = io.StringIO()
    assert run_servers([goes_on, ends], os.environ, tmp_path / "logs", terminal) == 3
    first, *others = terminal.getvalue().splitlines()
    assert first == f"Starting Lasting and Brief; output goes to {tmp_path / 'logs'}"
    assert f"  Lasting  {goes_on.address}" in others
    assert f"Brief ended with code 3. The end of {tmp_path / 'logs' / 'ends.log'}:" in others
    assert others[-1] == "out of 100% paper"
    assert not goes_on.port_is_taken()
    wait_for("the orphan ends", lambda: not ends.port_is_taken())
