"""Receivers of alerts on this machine: an https server and a mail server that keep what they get."""

from __future__ import annotations

import email
import email.policy
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from insitu.embedded.certificates import TLS


@dataclass
class Received:
    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def key(self) -> str:
        return self.headers["Idempotency-Key"]

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class WebSink:
    """Answers with `status` and `headers`. `pause_s` between the bytes of a slow answer."""

    port: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    received: list[Received] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"https://localhost:{self.port}/hook?x=1"

    @contextmanager
    def listening(self, tls: TLS) -> Iterator[WebSink]:
        """On the port that it had before, if it had one."""
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                sink.received.append(Received(dict(self.headers), body, self.path))
                if sink.pause_s:
                    try:
                        for letter in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200:
                            self.wfile.write(bytes([letter]))
                            self.wfile.flush()
                            time.sleep(sink.pause_s)
                    except OSError:
                        return
                self.send_response(sink.status)
                for name, value in sink.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing: the test looks at what was received."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_: object) -> None:
                """A client that refuses our certificate, or goes away, is part of a test."""

        server = Server(("127.0.0.1", self.port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.cert, tls.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@dataclass
class MailSink:
    """Keeps mails as a reader's program would read them."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 kept"

    @contextmanager
    def listening(self, tls: TLS | None = None) -> Iterator[MailSink]:
        """With `tls` it offers STARTTLS, and takes nothing without."""
        more: dict[str, Any] = {}
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.cert, tls.key)
            more = {"tls_context": context, "require_starttls": True}
        controller = Controller(self, hostname="127.0.0.1", port=self.port or free_port(), **more)
        controller.start()
        self.port = controller.port
        try:
            yield self
        finally:
            controller.stop()


def free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
