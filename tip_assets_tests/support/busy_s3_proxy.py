"""A server in front of an S3 server that is too busy for the first tries of every request.

Belongs here: that. Does not belong here: what a client must make of it.
"""

import re
import threading
from collections import defaultdict
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BUSY = (
    b'<?xml version="1.0"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)


class BusyProxy:
    """Answers 503 SlowDown to the first `refusals` tries of a request, then hands it on."""

    def __init__(self, behind: str, refusals: int) -> None:
        tries: dict[str, list[str]] = defaultdict(list)
        # What the client says each time that it tries a request: which attempt of how many.
        self.tries, host = tries, behind.removeprefix("http://")

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = f"{self.command} {self.path}"
                said = self.headers.get("amz-sdk-request", "")
                tries[request].append(re.sub(r"ttl=\w+; ", "", said))
                if len(tries[request]) <= refusals:
                    self.reply(503, {"Content-Type": "application/xml"}, BUSY)
                    return
                connection = HTTPConnection(host, timeout=30)
                # The signature covers the name that the client has called: it is kept.
                connection.request(self.command, self.path, body, dict(self.headers.items()))
                found = connection.getresponse()
                self.reply(found.status, dict(found.getheaders()), found.read())
                connection.close()

            def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                left_out = {"transfer-encoding", "connection", "server", "date"}
                if self.command != "HEAD":
                    left_out.add("content-length")
                    self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    if name.lower() not in left_out:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Nothing: the tries are counted."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
