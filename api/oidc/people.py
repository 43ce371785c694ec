"""Which person here an identity of the provider is."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from api.oidc.provider import Identity
from insitu.errors import NotAcceptedHere
from insitu.logins import LONGEST_LOGIN, fold_login
from insitu.settings import Settings, parse_names
from store.database import Connection
from store.linked import Disabled, KnownOtherwise, find_elsewhere, find_unlinked, link
from store.people import Account

UNKNOWN: Final = "unknown"
DISABLED: Final = "disabled"
OTHERWISE: Final = "otherwise"
UNVERIFIED: Final = "unverified"
DOMAIN: Final = "domain"


class NotOurs(NotAcceptedHere):
    """The provider knows this person, and we do not let it in. `reason` is one of the words above."""

    def __init__(self, reason: str, login: str) -> None:
        super().__init__(f"{reason}: {login}")
        self.reason, self.login = reason, login


def find_person(conn: Connection, identity: Identity, settings: Settings, now: datetime) -> Account:
    """The person whom the provider knows under this subject. For a new subject, the person with this login,
    who is linked from then on. Raises NotOurs.
    """
    login = _text(identity, settings.oidc_login_claim)
    try:
        _require_domain(identity, settings, login)
        account = find_elsewhere(conn, identity.issuer, identity.subject)
        if account is not None:
            return account
        if settings.oidc_require_verified_email and identity.claims.get("email_verified") is not True:
            raise NotOurs(UNVERIFIED, login)
        account = find_unlinked(conn, fold_login(login)) if login else None
        if account is None:
            raise NotOurs(UNKNOWN, login)
        link(conn, account, issuer=identity.issuer, subject=identity.subject, now=now)
    except Disabled as error:
        raise NotOurs(DISABLED, login) from error
    except KnownOtherwise as error:
        raise NotOurs(OTHERWISE, login) from error
    return account


def _text(identity: Identity, claim: str) -> str:
    """A claim that can be a login; empty for anything else."""
    found = identity.claims.get(claim)
    is_login = isinstance(found, str) and len(found) <= LONGEST_LOGIN and found.isprintable()
    return found if isinstance(found, str) and is_login else ""


def _require_domain(identity: Identity, settings: Settings, login: str) -> None:
    domains = [one.lower() for one in parse_names(settings.oidc_domains)]
    if domains and _text(identity, "email").rpartition("@")[2].lower() not in domains:
        raise NotOurs(DOMAIN, login)
