from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from insitu.embedded.certificates import fingerprint, issue
from insitu.errors import CorrectInput


def test_a_client_that_trusts_the_authority_reaches_the_named_addresses_and_no_other(tmp_path: Path) -> None:
    tls = issue(tmp_path / "tls", ["localhost", "127.0.0.1"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tls.cert, tls.key)
    client = ssl.create_default_context(cafile=str(tls.ca))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            for _ in range(2):
                link, _ = listener.accept()
                try:
                    with server.wrap_socket(link, server_side=True) as secure:
                        secure.recv(1)
                except (ssl.SSLError, ConnectionError):
                    link.close()

        thread = threading.Thread(target=serve)
        thread.start()
        with (
            socket.create_connection(("127.0.0.1", port)) as link,
            client.wrap_socket(link, server_hostname="localhost") as ok,
        ):
            assert ok.version() in ("TLSv1.3", "TLSv1.2")
            ok.send(b"x")
        with (
            socket.create_connection(("127.0.0.1", port)) as link,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            client.wrap_socket(link, server_hostname="elsewhere.example")
        thread.join(5)


def test_the_authority_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    first = issue(tmp_path / "tls", ["a.example"])
    before = fingerprint(first.ca)
    second = issue(tmp_path / "tls", ["b.example"])
    assert fingerprint(second.ca) == before
    assert (tmp_path / "tls" / "ca.key").stat().st_mode & 0o777 == 0o600
    assert second.key.stat().st_mode & 0o777 == 0o600


def test_a_certificate_for_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorrectInput, match="Name the hosts"):
        issue(tmp_path, [])
