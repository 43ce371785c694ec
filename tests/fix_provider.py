"""A provider of OpenID Connect: `oidc-provider-mock` as a process of its own, behind a gate in this process
that can do what a broken or hostile provider does. The gate also checks PKCE, which the mock does not.
"""

from __future__ import annotations

import hmac
import json
import re
import subprocess
import sys
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jws, jwt
from joserfc.jwk import RSAKey

Claims = dict[str, Any]


@dataclass
class Gate:
    """`change` gets the claims of each id_token before the gate signs them, with `sign` if it is given.
    `answers`: path → (status, headers, body) instead of the provider's answer. `describe`: more about it.
    `asked`: each path that was asked for. `proofs`: Authorization and body of each request for a token.
    `challenges`: code → PKCE challenge.
    """

    behind: str
    address: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    change: Callable[[Claims], Claims] = lambda claims: claims
    sign: Callable[[Claims, RSAKey], str] | None = None
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    userinfo_signed: bool = False
    describe: Claims = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    proofs: list[tuple[str | None, dict[str, list[str]]]] = field(default_factory=list)
    challenges: dict[str, str] = field(default_factory=dict)
    trickles: bool = False

    def rotate(self, kid: str) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": kid})

    def signed(self, claims: Claims) -> str:
        if self.sign is not None:
            return self.sign(claims, self.key)
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)


def _plain(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def _written(header: Claims, claims: Claims) -> str:
    return ".".join(_plain(json.dumps(one).encode()) for one in (header, claims))


def without_signature(claims: Claims, key: RSAKey) -> str:
    return _written({"alg": "none"}, claims) + "."


def with_the_public_key_as_secret(claims: Claims, key: RSAKey) -> str:
    """Made by hand, because the library refuses to."""
    text = _written({"alg": "HS256", "kid": key.kid}, claims)
    return f"{text}.{_plain(hmac.digest(key.as_pem(private=False), text.encode(), 'sha256'))}"


def with_a_stranger_s_key(claims: Claims, key: RSAKey) -> str:
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, RSAKey.generate_key(2048, {"kid": key.kid}))


class _Handler(BaseHTTPRequestHandler):
    gate: Gate
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        return

    def do_GET(self) -> None:
        self._pass_on(b"")

    def do_POST(self) -> None:
        self._pass_on(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _pass_on(self, body: bytes) -> None:
        path, gate = urlsplit(self.path).path, self.gate
        gate.asked.append(path)
        if gate.trickles:
            self._trickle()
            return
        if path in gate.answers:
            self._answer(*gate.answers[path])
            return
        headers = {name: text for name, text in self.headers.items() if name.lower() != "accept-encoding"}
        if path == "/oauth2/token" and not self._proves(body):
            self._answer(400, {"Content-Type": "application/json"}, b'{"error": "invalid_grant"}')
            return
        found = httpx.request(
            self.command, gate.behind + self.path, content=body, headers=headers, timeout=20, trust_env=False
        )
        self._remember(path, found)
        kept = ("content-type", "location", "set-cookie")
        passed = {name: text for name, text in found.headers.items() if name in kept}
        self._answer(found.status_code, *self._changed(path, found, passed))

    def _remember(self, path: str, found: httpx.Response) -> None:
        """Which challenge belongs to a code."""
        if path == "/oauth2/authorize" and "location" in found.headers:
            code = parse_qs(urlsplit(found.headers["location"]).query).get("code", [""])[0]
            asked = parse_qs(urlsplit(self.path).query)
            assert asked["code_challenge_method"] == ["S256"]
            self.gate.challenges[code] = asked["code_challenge"][0]

    def _proves(self, body: bytes) -> bool:
        """RFC 7636, section 4.6."""
        given = parse_qs(body.decode())
        self.gate.proofs.append((self.headers.get("Authorization"), given))
        digest = sha256(given.get("code_verifier", [""])[0].encode()).digest()
        challenge = self.gate.challenges.get(given.get("code", [""])[0])
        return challenge == _plain(digest)

    def _changed(
        self, path: str, found: httpx.Response, headers: dict[str, str]
    ) -> tuple[dict[str, str], bytes]:
        gate = self.gate
        if found.status_code == 200 and path == "/oauth2/token":
            document = found.json()
            claims = json.loads(jws.extract_compact(document["id_token"].encode()).payload)
            document["id_token"] = gate.signed(gate.change(claims))
            return headers, json.dumps(document).encode()
        if path == "/jwks":
            return headers, json.dumps({"keys": [gate.key.as_dict(private=False)]}).encode()
        if path == "/.well-known/openid-configuration":
            return headers, json.dumps({**found.json(), **gate.describe}).encode()
        if path == "/userinfo" and gate.userinfo_signed and found.status_code == 200:
            claims = {"iss": gate.address, "aud": "insitu", "exp": int(time.time()) + 60, **found.json()}
            return {"content-type": "application/jwt"}, gate.signed(claims).encode()
        return headers, found.content

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _trickle(self) -> None:
        """A byte now and then, so that no single read takes too long."""
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(200):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            return  # the other side has had enough
        finally:
            self.close_connection = True


@contextmanager
def running_mock() -> Iterator[str]:
    """The address of the mock, which a gate stands before."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "oidc_provider_mock",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            if found is not None:
                break
        else:
            raise AssertionError("".join(lines))
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def open_gate(behind: str) -> Iterator[Gate]:
    gate = Gate(behind)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"gate": gate}))
    server.daemon_threads = True
    gate.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield gate
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def set_claims(gate: Gate, subject: str, **claims: Any) -> None:
    """How the provider knows a person."""
    answer = httpx.put(f"{gate.behind}/users/{subject}", json=claims, trust_env=False)
    assert answer.status_code == 204, answer.text
