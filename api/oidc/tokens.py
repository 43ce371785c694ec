"""Signed tokens of the provider: which signatures count, and what an id_token must say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key

from insitu.errors import NotAcceptedHere

ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "Ed25519",
    "EdDSA",
)
"""Signatures with a key that only the provider has. Not `none`, nor HS256, whose key the client shares."""
LEEWAY_S: Final = 60
"""The provider's clock may differ by this much."""
_MOST_KEYS: Final = 32
_LONGEST_SUBJECT: Final = 255


class NotVouchedFor(NotAcceptedHere):
    """The other sign-in did not vouch for you: begin again."""


class UnknownKey(NotVouchedFor):
    """The token is signed with a key that the provider does not publish."""


def read_keys(document: Mapping[str, Any]) -> list[Key]:
    """The keys of a JWKS document that can sign; others are left out."""
    found: list[Key] = []
    entries = document.get("keys")
    for entry in entries[:_MOST_KEYS] if isinstance(entries, list) else []:
        try:
            key = import_key(entry) if entry.get("use", "sig") == "sig" else None
        except (JoseError, ValueError, TypeError, AttributeError, KeyError):
            continue  # a kind of key that is not known here signs nothing for us
        if isinstance(key, RSAKey | ECKey | OKPKey):
            found.append(key)
    return found


def read_token(text: str, keys: Sequence[Key]) -> jwt.Token:
    """The token, if one of these keys signed it. Raises UnknownKey if the token names a key that is not among
    them, NotVouchedFor for any other signature.
    """
    try:
        header = jws.extract_compact(text.encode()).headers()
    except (JoseError, ValueError) as error:
        raise NotVouchedFor(f"The provider sent no signed token ({error}).") from error
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in ALGORITHMS:
        raise NotVouchedFor(f"The provider signs with {algorithm!r}, which proves nothing here.")
    candidates = [key for key in keys if kid is None or key.kid == kid]
    for key in candidates:
        try:
            return jwt.decode(text, key, algorithms=[algorithm])
        except (JoseError, ValueError, TypeError):
            continue  # another key may fit
    if not candidates:
        raise UnknownKey()
    raise NotVouchedFor("The signature of the provider's token is wrong.")


def check_id_token(
    token: jwt.Token, *, issuer: str, client_id: str, nonce: str, access_token: str, acr: str, now: datetime
) -> dict[str, Any]:
    """The claims of an id_token for this client and this sign-in. Raises NotVouchedFor otherwise. `acr`:
    levels of assurance, separated by blanks; the token must state one of them. Empty: any.
    """
    claims = CodeIDToken(
        token.claims,
        token.header,
        options={
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": client_id},
            "nonce": {"essential": True, "value": nonce},
        },
        params={"client_id": client_id, "nonce": nonce, "access_token": access_token},
    )
    try:
        claims.validate(now=int(now.timestamp()), leeway=LEEWAY_S)
    except (JoseError, ValueError, TypeError) as error:
        raise NotVouchedFor(f"The token of the provider is not for this sign-in ({error}).") from error
    if (
        token.claims["iss"] != issuer or token.claims["nonce"] != nonce
    ):  # Authlib also takes a list that holds it
        raise NotVouchedFor("The token of the provider is not for this sign-in.")
    if acr and token.claims.get("acr") not in acr.split():
        raise NotVouchedFor(
            f"The provider signed you in at the level {token.claims.get('acr')!r}; {acr} is needed."
        )
    require_subject(token.claims.get("sub"))
    return dict(token.claims)


def check_userinfo(
    claims: Mapping[str, Any], *, issuer: str, client_id: str, subject: str, now: datetime
) -> None:
    """Raises NotVouchedFor unless userinfo is about this subject, and, where it says so, from this issuer,
    for this client, and of this moment.
    """
    audience = claims.get("aud", client_id)
    ends = claims.get("exp", now.timestamp())
    if (
        claims.get("sub") != subject
        or claims.get("iss", issuer) != issuer
        or client_id not in (audience if isinstance(audience, list) else [audience])
        or not isinstance(ends, int | float)
        or ends < now.timestamp() - LEEWAY_S
    ):
        raise NotVouchedFor("The provider told about somebody else, or not to us.")


def require_subject(subject: object) -> str:
    """The subject, a text of 1 to 255 characters; raises NotVouchedFor otherwise."""
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        raise NotVouchedFor("The provider does not say who you are.")
    return subject
