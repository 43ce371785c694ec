"""A time-stamping authority: `openssl ts` behind HTTP on loopback, below a root of its own. It can lie."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

CONFIGURATION = """
[ tsa ]
default_tsa = own
[ own ]
serial = {folder}/serial
signer_cert = {folder}/signer.pem
certs = {folder}/root.pem
signer_key = {folder}/signer.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = yes
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@dataclass
class Authority:
    """`lie`: answers another request than the one that came. `is_away`: answers 503."""

    url: str
    root: Path
    folder: Path
    lie: str = ""
    is_away: bool = False
    asked: int = 0
    requests: list[bytes] = field(default_factory=list)

    def answer(self, query: bytes) -> bytes:
        self.asked += 1
        if self.lie == "nonce":
            query = _same_hash_other_nonce(query)
        elif self.lie == "hash":
            query = (
                TimestampRequestBuilder()
                .data(b"else")
                .hash_algorithm(HashAlgorithm.SHA256)
                .build()
                .as_bytes()
            )
        elif self.lie == "noise":
            return b"not a token"
        elif self.lie == "replay" and self.requests:
            query = self.requests[0]
        self.requests.append(query)
        return _reply(self.folder, query)


def _same_hash_other_nonce(query: bytes) -> bytes:
    """The nonce is the last integer of 8 bytes in a request with certReq; flip a bit of it."""
    changed = bytearray(query)
    changed[-5] ^= 1  # ... INTEGER nonce, BOOLEAN certReq (3 bytes)
    return bytes(changed)


def _reply(folder: Path, query: bytes) -> bytes:
    (folder / "query.tsq").write_bytes(query)
    done = subprocess.run(
        ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", "-out", "reply.tsr"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return (folder / "reply.tsr").read_bytes()


def make_authority(folder: Path, *, valid_from: datetime, valid_until: datetime) -> None:
    """A root of ten years and a signer that is valid in `[valid_from, valid_until]`."""
    now = datetime.now(UTC)
    root_key, signer_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name, signer_name = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("Own root", "Own authority")
    )
    root = (
        x509.CertificateBuilder()
        .subject_name(root_name)
        .issuer_name(root_name)
        .public_key(root_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2000))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    signer = (
        x509.CertificateBuilder()
        .subject_name(signer_name)
        .issuer_name(root_name)
        .public_key(signer_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from)
        .not_valid_after(valid_until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    for name, content in (
        ("root.pem", root.public_bytes(serialization.Encoding.PEM)),
        ("signer.pem", signer.public_bytes(serialization.Encoding.PEM)),
        (
            "signer.key",
            signer_key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        ),
        ("serial", b"01\n"),
        ("tsa.cnf", CONFIGURATION.format(folder=folder).encode()),
    ):
        (folder / name).write_bytes(content)


@contextmanager
def serve_authority(
    folder: Path, *, valid_from: datetime | None = None, valid_until: datetime | None = None
) -> Iterator[Authority]:
    now = datetime.now(UTC)
    make_authority(
        folder,
        valid_from=valid_from or now - timedelta(days=1),
        valid_until=valid_until or now + timedelta(days=365),
    )
    authority = Authority("", folder / "root.pem", folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            if authority.is_away:
                self.send_error(503)
                return
            body = authority.answer(query)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        authority.url = f"http://127.0.0.1:{server.server_port}/tsr"
        yield authority
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl")
    folder = tmp_path / "authority"
    folder.mkdir()
    with serve_authority(folder) as running:
        yield running
