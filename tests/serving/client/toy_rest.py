"""An HTTP server of the toy model with the API's addresses, and with faults that tests ask for."""

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np


class ToyRest:
    """Serves a `ToyServed` under /v1/models/toy.

    Attributes:
        model: that answers; may be replaced.
        versions: what the status says, or None for a server without.
        faults: what becomes of the next requests of signatures, in order: None answers, a number
            is a status, a tuple (status, headers, body), "drop" ends the connection, and a
            callable gets the request's JSON and returns the answer's.
        requests: (path, JSON) of all.
        most: requests that were answered at one time.
    """

    def __init__(self, model, versions=(3,)):
        self.model, self.versions = model, versions
        self.faults, self.requests = deque(), []
        self.most = self._now = 0
        self._lock = threading.Lock()
        self._server = None
        self.port, self._scheme = 0, "http"
        self.start()

    def start(self) -> None:
        """Listen, on the port that it had if it listened before."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer._get(self)

            def do_POST(self):
                outer._post(self)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):  # a client that has gone
                pass

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def encrypt(self, context) -> None:
        """Take encrypted connections only."""
        self._scheme = "https"
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def _get(self, handler) -> None:
        path = handler.path
        self.requests.append((path, None))
        if path.endswith("/metadata"):
            return _send(handler, 404, {"error": "Not Found"})
        if self.versions is None:
            return _send(handler, 200, {"name": "toy", "ready": True})
        states = [
            {"version": str(v), "state": "AVAILABLE", "status": {"error_code": "OK"}}
            for v in self.versions
        ]
        states.append({"version": "99", "state": "END", "status": {"error_code": "OK"}})
        return _send(handler, 200, {"model_version_status": states})

    def _post(self, handler) -> None:
        request = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.requests.append((handler.path, request))
            free = request["signature_name"] == "describe" or not self.faults
            fault = None if free else self.faults.popleft()
        try:
            self._answer(handler, request, fault)
        finally:
            with self._lock:
                self._now -= 1

    def _answer(self, handler, request: dict, fault) -> None:
        if fault == "drop":
            handler.close_connection = True
            handler.connection.close()
            return
        if isinstance(fault, int):
            fault = (fault, {}, {"error": f"fault {fault}"})
        if isinstance(fault, tuple):
            _send(handler, fault[0], fault[2], fault[1])
            return
        if not handler.path.startswith("/v1/models/toy") or handler.path.partition(":")[2] == "":
            _send(handler, 404, {"error": "Servable not found for request"})
            return
        try:
            found = self.answered(request)
        except Exception as error:
            _send(handler, 400, {"error": str(error)})
            return
        _send(handler, 200, fault(found) if fault else found)

    def answered(self, request: dict) -> dict:
        """Return the JSON of an answer, in the form of the request."""
        rows = request.get("instances")
        inputs = request["inputs"] if rows is None else {k: [r[k] for r in rows] for k in rows[0]}
        found = self.model.answer(request["signature_name"], inputs)
        found = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in found.items()}
        alone = next(iter(found.values())) if len(found) == 1 else None
        if rows is None:
            return {"outputs": found if alone is None else alone}
        each = [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]
        return {"predictions": each if alone is None else alone}


def _send(handler, status: int, value, headers=()) -> None:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    handler.send_response(status)
    for name, header in dict(headers).items():
        handler.send_header(name, header)
    handler.send_header("Content-Length", str(len(text)))
    handler.end_headers()
    handler.wfile.write(text)
