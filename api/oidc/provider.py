"""The provider of the other sign-in: its addresses and keys, kept for a while, and the steps of a sign-in."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import Key

from api.oidc.fetching import Answer, ProviderAway, fetch
from api.oidc.returning import Journey
from api.oidc.tokens import NotVouchedFor, UnknownKey, check_id_token, check_userinfo, read_keys, read_token
from insitu.settings import Settings, is_safe_address

_LOG: Final = logging.getLogger("insitu.api")
_FRESH_S: Final = 3600.0
_AWAY_S: Final = 10.0
"""After a failure nobody waits for the provider again for this long."""
_KEYS_S: Final = 5.0
"""Keys are fetched again for an unknown one, at most this often: a stranger's token costs no request."""
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_OPTIONAL: Final = ("userinfo_endpoint", "end_session_endpoint")


@dataclass(frozen=True, slots=True)
class Identity:
    """A person as the provider knows it. `claims`: of the id_token and of userinfo."""

    issuer: str
    subject: str
    claims: dict[str, Any]
    id_token: str


class Provider:
    """Shared by all threads. `wanted` are the settings `INSITU_OIDC_*`."""

    def __init__(self, wanted: Settings, ask: Callable[..., Answer] = fetch) -> None:
        assert wanted.oidc_issuer is not None
        assert wanted.oidc_client_id is not None
        self._issuer, self._client_id, self._wanted = wanted.oidc_issuer, wanted.oidc_client_id, wanted
        self._ask_once = ask
        self._lock = threading.Lock()
        self._metadata: dict[str, Any] = {}
        self._keys: list[Key] = []
        self._read_at = self._keys_at = self._away_at = -_FRESH_S

    @property
    def label(self) -> str:
        """The name of the provider for people."""
        return self._wanted.oidc_label or urlsplit(self._issuer).hostname or self._issuer

    @property
    def issuer(self) -> str:
        return self._issuer

    def start(self) -> None:
        """Ask for addresses and keys in the background, so that the first person does not wait for them."""
        threading.Thread(target=self._warm, name="insitu-oidc", daemon=True).start()

    def _warm(self) -> None:
        try:
            self._current()
        except ProviderAway as error:
            _LOG.warning("The other sign-in (INSITU_OIDC_ISSUER) is away: %s", error)

    def begin(self, journey: Journey, back: str, *, again: bool = False) -> str:
        """The address to which a browser goes to sign in; it comes back to `back`. `again`: the provider asks
        who it is, also if it knows.
        """
        metadata, acr = self._current(), self._wanted.oidc_acr.strip()
        essential = {"id_token": {"acr": {"essential": True, "values": acr.split()}}}
        asks_for_claims = bool(acr) and metadata.get("claims_parameter_supported") is True
        return str(
            prepare_grant_uri(
                metadata["authorization_endpoint"],
                self._client_id,
                "code",
                redirect_uri=back,
                scope=self._wanted.oidc_scopes,
                state=journey.state,
                nonce=journey.nonce,
                code_challenge=create_s256_code_challenge(journey.verifier),
                code_challenge_method="S256",
                prompt="login" if again else None,
                acr_values=acr or None,
                claims=json.dumps(essential) if asks_for_claims else None,
            )
        )

    def finish(self, journey: Journey, code: str, back: str, now: datetime) -> Identity:
        """Who came back with this code. Raises NotVouchedFor, or ProviderAway."""
        metadata = self._current()
        answer = self._redeem(metadata, journey, code, back)
        text, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(text, str) or not isinstance(access_token, str):
            raise NotVouchedFor("The provider sent no id_token.")
        claims = check_id_token(
            self._read(text),
            issuer=self._issuer,
            client_id=self._client_id,
            nonce=journey.nonce,
            access_token=access_token,
            acr=self._wanted.oidc_acr.strip(),
            now=now,
        )
        if self._lacks(claims) and "userinfo_endpoint" in metadata:
            claims = {**self._userinfo(metadata, access_token, claims["sub"], now), **claims}
        return Identity(self._issuer, claims["sub"], claims, text)

    def _lacks(self, claims: dict[str, Any]) -> bool:
        """True if a claim that is needed may be in userinfo."""
        needed = {self._wanted.oidc_login_claim}
        needed |= {"email_verified"} if self._wanted.oidc_require_verified_email else set()
        needed |= {"email"} if self._wanted.oidc_domains else set()
        return not needed <= claims.keys()

    def requires_issuer(self) -> bool:
        """True if the provider names itself in the address by which a browser comes back (RFC 9207)."""
        return self._current().get("authorization_response_iss_parameter_supported") is True

    def leave(self, id_token: str, back: str) -> str | None:
        """The address at which the provider ends its own session too; None if it has none, or was never
        reached.
        """
        address = self._metadata.get("end_session_endpoint")
        if address is None:
            return None
        asked = {
            "id_token_hint": id_token,
            "client_id": self._client_id,
            "post_logout_redirect_uri": back,
        }
        return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}"

    def _redeem(self, metadata: dict[str, Any], journey: Journey, code: str, back: str) -> dict[str, Any]:
        """The provider's answer to a code."""
        address = metadata["token_endpoint"]
        body = prepare_token_request(
            "authorization_code", redirect_uri=back, code=code, code_verifier=journey.verifier
        )
        secret = self._wanted.oidc_client_secret
        known = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "client_secret_basic" if "client_secret_basic" in known else "client_secret_post"
        who = ClientAuth(
            self._client_id, secret.get_secret_value() if secret else "", method if secret else "none"
        )
        _, headers, body = who.prepare("POST", address, {}, body)
        answer = self._ask(address, headers=headers, form=body)
        if answer.status != 200:
            raise NotVouchedFor(f"The provider refuses the code ({answer.status}): begin again.")
        return answer.document(address)

    def _userinfo(
        self, metadata: dict[str, Any], access_token: str, subject: str, now: datetime
    ) -> dict[str, Any]:
        """More claims about the same subject, as JSON or as a signed token (ProConnect)."""
        address = metadata["userinfo_endpoint"]
        answer = self._ask(address, headers={"Authorization": f"Bearer {access_token}"})
        if answer.status != 200:
            raise NotVouchedFor(f"The provider tells nothing about you ({answer.status}).")
        if answer.kind == "application/jwt":
            found = dict(self._read(answer.content.decode("ascii", "replace").strip()).claims)
        else:
            found = answer.document(address)
        check_userinfo(found, issuer=self._issuer, client_id=self._client_id, subject=subject, now=now)
        return found

    def _read(self, text: str) -> jwt.Token:
        """A token signed by a key of the provider. For an unknown key, asks once for the present ones."""
        try:
            return read_token(text, self._keys)
        except UnknownKey:
            with self._lock:
                if time.monotonic() - self._keys_at < _KEYS_S:
                    raise
                self._fetch_keys(self._metadata)
            return read_token(text, self._keys)

    def _current(self) -> dict[str, Any]:
        """The provider's description of itself, at most an hour old. One thread at a time asks for it."""
        with self._lock:
            if time.monotonic() - self._read_at > _FRESH_S:
                metadata = self._describe()
                self._fetch_keys(metadata)
                self._metadata, self._read_at = metadata, time.monotonic()
            return self._metadata

    def _describe(self) -> dict[str, Any]:
        address = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
        answer = self._ask(address)
        found = answer.document(address)
        if answer.status != 200 or found.get("issuer") != self._issuer:
            raise ProviderAway(
                f"{address} describes {found.get('issuer')!r}, not {self._issuer!r}: correct "
                "INSITU_OIDC_ISSUER."
            )
        for name in (*_ENDPOINTS, *(one for one in _OPTIONAL if one in found)):
            if not isinstance(found.get(name), str) or not is_safe_address(found[name]):
                raise ProviderAway(f"{address} gives no https address for {name}.")
        return found

    def _fetch_keys(self, metadata: dict[str, Any]) -> None:
        self._keys_at = time.monotonic()
        address = metadata["jwks_uri"]
        self._keys = read_keys(self._ask(address).document(address))

    def _ask(self, address: str, **request: Any) -> Answer:
        """A request, unless the provider was away a moment ago."""
        if time.monotonic() - self._away_at < _AWAY_S:
            raise ProviderAway()
        try:
            return self._ask_once(address, **request)
        except ProviderAway as error:
            self._away_at = time.monotonic()
            _LOG.warning("The other sign-in is away: %s", error)
            raise
