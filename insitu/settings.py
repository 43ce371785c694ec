"""One frozen `Settings` from INSITU_* variables, passed as an argument; never read at import."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from insitu.errors import CorrectInput
from insitu.model import Role
from insitu.urls import parse_mqtt, parse_smtp, require_database

Network = IPv4Network | IPv6Network
_NO_SETTINGS: Final = {
    "INSITU_URL",
    "INSITU_TOKEN",
    "INSITU_COMPLETE",
    "INSITU_FAILPOINT",
    "INSITU_FAULTS_DUMP",
}
"""Variables of ours that are no settings, or that programs of readers use."""
_SIMILARITY: Final = 0.7


def default_data_dir() -> Path:
    """$XDG_STATE_HOME/insitu, or /var/lib/insitu for root, because other accounts cannot enter root's own
    folders.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/insitu")
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "insitu"


class Settings(BaseSettings):
    """Effective settings. Each `INSITU_X` can also come as `INSITU_X_FILE`, a file that holds the value."""

    model_config = SettingsConfigDict(env_prefix="INSITU_", frozen=True, extra="ignore")

    data_dir: Path = Field(default_factory=default_data_dir)
    run_as: str | None = None
    """Account of the embedded servers when started by root; else `insitu` if it exists, else `nobody`."""

    database_url: SecretStr | None = None
    owner_database_url: SecretStr | None = None
    """Account that owns the tables, for `insitu migrate` alone; without it `database_url`."""
    mqtt_url: SecretStr | None = None
    """mqtt[s]://user:password@host:port of an external broker."""
    mqtt_ca: Path | None = None
    mqtt_devices: str | None = None
    """mqtt[s]://host:port where devices reach an external broker, if that is another listener than the
    service's; `check` tries takeovers there.
    """
    broker_life_file: Path | None = None
    """File in which the owner of the broker writes a new, never used name before each start of the broker."""
    mqtt_log: Path | None = None
    """Log file of an external broker on the ingestor's machine; from it the ingestor counts what the broker
    denies.
    """
    broker_monitor_file: Path | None = None
    """File in which the owner of a NATS server writes where it says which user a connection has."""
    mqtt_listen: str = "127.0.0.1:1883"
    http_listen: str = "127.0.0.1:8080"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    allow_plaintext: bool = False
    metrics_token: SecretStr | None = None
    """Bearer token with which Prometheus reads /metrics; without it only a signed-in member of the lab
    can.
    """
    things_stack_key: SecretStr | None = None
    """API key with which `insitu pull` reads The Things Stack's storage integration."""
    public_host: str | None = None
    """Name or address in snippets and QR labels; default: the listening address. Also a name of the pages."""
    allowed_hosts: str = ""
    """Further names of the pages, separated by commas; a request with another Host is refused."""
    trusted_proxies: str = ""
    """Addresses and networks of reverse proxies, separated by commas; they name the client's address."""
    security_contact: str | None = None
    """mailto: or https: address for /.well-known/security.txt; without it there is no such file."""
    map_file: Path | None = None
    """GeoJSON or a PMTiles archive of vector tiles: the ground of maps. Without it there are only a grid, a
    scale and coarse outlines of Île-de-France.
    """
    accessibility_name: str | None = None
    """Name of the body that publishes these pages, for their accessibility statement."""
    accessibility_contact: str | None = None
    """mailto:, tel: or https: address for people who cannot reach a content."""
    accessibility_audit: Path | None = None
    """JSON file with the result of an accessibility audit; without it the statement knows of none."""

    oidc_issuer: str | None = None
    """Address of another sign-in (OpenID Connect) whose people may enter; without it there is none."""
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_label: str | None = None
    """Name of the other sign-in on the button; default: the host of its address."""
    oidc_scopes: str = "openid email"
    oidc_login_claim: str = "email"
    """The claim that must be a login here when a person comes for the first time."""
    oidc_require_verified_email: bool = True
    """A first sign-in needs `email_verified`."""
    oidc_domains: str = ""
    """Domains of e-mail addresses that may enter, separated by commas; empty: all."""
    oidc_acr: str = ""
    """Levels of assurance, separated by blanks: one of them is asked for and must be confirmed."""
    totp_required: str = ""
    """Roles, separated by commas, whose people need a second factor."""
    factor_key: SecretStr | None = None
    """Secret that encrypts second factors in the database; default: `factor.key` in the data directory."""

    postgres_bin: Path | None = None
    """Folder with initdb and postgres of another PostgreSQL (with TimescaleDB, say)."""
    nats_server: Path | None = None
    max_file_store: int = 2 * 1024**3
    """Bytes the embedded broker may keep for devices while the database is away."""
    sync_always: bool = False
    """fsync before each PUBACK: survives a power cut, at about a tenth of the speed."""

    batch_messages: int = Field(default=2000, ge=1, le=20_000)
    batch_ms: int = Field(default=20, ge=1, le=10_000)
    window: int = Field(default=4000, ge=1, le=20_000)
    """Messages that the broker sends before it waits for an acknowledgement (max_ack_pending)."""

    device_bytes_per_s: int = Field(default=512 * 1024, ge=1024)
    """Sustained limit of one device; messages beyond it are refused unread."""
    device_burst_bytes: int = Field(default=8 * 1024**2, ge=1024**2)
    """Burst limit of one device."""
    reject_bytes_per_hour: int = Field(default=1024**2, ge=0)
    """Bytes of refused messages kept for each device and hour; the rest is only counted."""
    reject_bytes: int = Field(default=2 * 1024**3, ge=0)
    """Bytes of refused messages kept for all devices together."""

    timestamp_urls: str | None = None
    """Time-stamping authorities (RFC 3161) that vouch for the audit log, separated by commas."""
    timestamp_roots: Path | None = None
    """Root certificates (PEM) of these authorities; default: those that the system trusts."""

    smtp_url: SecretStr | None = None
    """smtp[s]://user:password@host:port of the server that takes alerts by mail; without it there are none.
    `smtp` means STARTTLS, except on this machine.
    """
    mail_from: str | None = None
    """Address from which mail comes; default: `insitu@` and INSITU_PUBLIC_HOST."""
    webhook_networks: str = ""
    """Networks to which webhooks may go beside public addresses, separated by commas."""
    alerts_ca: Path | None = None
    """Root certificates (PEM) of receivers of alerts, beside those that the system trusts."""

    backup_dir: Path | None = None
    """Folder in which `insitu up` makes backups, and receives every change since; without it there are
    none.
    """
    backup_hours: float = Field(default=24, ge=0.01, le=24 * 31)
    """Hours between two backups."""
    backup_keep: int = Field(default=7, ge=1, le=1000)
    """Backups that are kept; older ones are removed, with the changes that only they need."""
    database_disk: Path | None = None
    """Folder on the disk of a database on this machine, whose free space the ingestor watches."""
    least_free_bytes: int = Field(default=512 * 1024**2, ge=0)
    """With less free space there the ingestor takes nothing, and the broker keeps the messages."""

    language: Literal["fr", "en"] = "fr"
    time_zone: str = "Europe/Paris"
    nightly_hour: int = Field(default=3, ge=0, le=23)
    """Hour of `time_zone` from which trials with changed inputs are evaluated again, once a day."""
    pack_after_days: int = Field(default=2, ge=1, le=36_500)
    """Age from which results are packed: a tenth of the bytes, and the same for every reader."""
    log_level: str = "info"
    test_timescale_url: SecretStr | None = None

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, text: str) -> str:
        try:
            ZoneInfo(text)
        except (KeyError, ValueError, OSError) as error:  # OSError: "Europe" is a folder
            raise ValueError(f"{text!r} is not a time zone, use a name such as Europe/Paris") from error
        return text

    @field_validator("smtp_url")
    @classmethod
    def _smtp(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            parse_smtp(secret.get_secret_value())
        return secret

    @field_validator("database_url", "owner_database_url")
    @classmethod
    def _database(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            require_database(secret.get_secret_value())
        return secret

    @field_validator("mqtt_url")
    @classmethod
    def _broker(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            parse_mqtt(secret.get_secret_value())
        return secret

    @field_validator("mqtt_devices")
    @classmethod
    def _broker_of_devices(cls, text: str | None) -> str | None:
        if text is not None:
            parse_mqtt(text)
        return text

    @field_validator("mail_from")
    @classmethod
    def _sender(cls, text: str | None) -> str | None:
        if text and not re.fullmatch(r"[^\s<>,@]+@[A-Za-z0-9.-]+", text):
            raise ValueError(f"{text!r} is no e-mail address, write one such as insitu@example.org")
        return text or None

    @field_validator("trusted_proxies", "webhook_networks")
    @classmethod
    def _networks(cls, text: str) -> str:
        parse_networks(text)
        return text

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, text: str | None) -> str | None:
        if text and not is_safe_address(text):
            raise ValueError(f"{text!r} is not an https address such as https://accounts.example.org")
        return text or None

    @field_validator("totp_required")
    @classmethod
    def _roles(cls, text: str) -> str:
        parse_roles(text)
        return text

    @model_validator(mode="after")
    def _known_elsewhere(self) -> Settings:
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("INSITU_OIDC_ISSUER needs INSITU_OIDC_CLIENT_ID, which the provider gives")
        return self

    @field_validator("security_contact", "accessibility_contact")
    @classmethod
    def _contact(cls, text: str | None) -> str | None:
        if text and (not text.startswith(("mailto:", "https://", "tel:")) or any(ord(c) < 33 for c in text)):
            raise ValueError(f"{text!r} is no contact, write mailto:security@example.org or an https address")
        return text or None

    @field_validator("mqtt_listen", "http_listen")
    @classmethod
    def _host_and_port(cls, text: str) -> str:
        parse_listen(text)
        return text


def parse_listen(text: str) -> tuple[str, int]:
    """('127.0.0.1', 1883) of '127.0.0.1:1883'; `[::1]:1883` for IPv6; port 0 asks for a free one."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"{text!r} is not host:port")
    return host.strip("[]"), int(port)


def parse_names(text: str) -> list[str]:
    """The parts of a text between commas, without blanks."""
    return [part.strip() for part in text.split(",") if part.strip()]


def parse_roles(text: str) -> frozenset[Role]:
    """'lab, auditor' as roles; raises ValueError for anything else."""
    try:
        return frozenset(Role(part) for part in parse_names(text))
    except ValueError as error:
        raise ValueError(f"{error}, use roles such as {', '.join(Role)}") from error


def is_safe_address(address: str) -> bool:
    """True for an https address with a host, and for http on this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.username is not None or any(ord(letter) < 33 for letter in address):
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def is_loopback(host: str) -> bool:
    """True for `localhost`, names below it, and loopback addresses."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def parse_networks(text: str) -> list[Network]:
    """'127.0.0.1, 10.0.0.0/8' as networks; raises ValueError for anything else."""
    try:
        return [ip_network(part, strict=False) for part in parse_names(text)]
    except ValueError as error:
        raise ValueError(f"{error}, use addresses and networks such as 127.0.0.1, 10.0.0.0/8") from error


def _from_files() -> dict[str, str]:
    values: dict[str, str] = {}
    for name, path in os.environ.items():
        if name.startswith("INSITU_") and name.endswith("_FILE"):
            field = name[len("INSITU_") : -len("_FILE")].lower()
            if field in Settings.model_fields:
                try:
                    values[field] = Path(path).read_text(encoding="utf-8").strip()
                except OSError as error:
                    raise CorrectInput(f"{name}: cannot read {path} ({error.strerror}).") from error
                except UnicodeDecodeError as error:
                    raise CorrectInput(f"{name}: {path} is no text in UTF-8: write it again.") from error
    return values


def load(**overrides: object) -> Settings:
    """Settings from the environment and `overrides`; raises a CorrectInput that names each wrong variable."""
    try:
        return Settings(**{**_from_files(), **overrides})  # type: ignore[arg-type]
    except ValidationError as error:
        said = [(e["loc"], e["msg"].removeprefix("Value error, ")) for e in error.errors()]
        lines = [f"INSITU_{str(loc[0]).upper()}: {text}" if loc else text for loc, text in said]
        raise CorrectInput("Settings: " + "; ".join(lines)) from error


def misspelt(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that looks like a setting and is none: it would change nothing, without
    a word.
    """
    known = {f"INSITU_{name.upper()}" for name in Settings.model_fields}
    known |= {f"{name}_FILE" for name in known}
    found = []
    for name in sorted(environment):
        if not name.upper().startswith("INSITU_") or name.upper() in known | _NO_SETTINGS:
            continue
        for meant in get_close_matches(name.upper(), known - environment.keys(), 1, _SIMILARITY):
            found.append(f"{name} is no setting of Insitu and changes nothing; is {meant} meant?")
    return found


def portable_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` for a child with another working directory: paths in settings become absolute."""
    paths = {
        f"INSITU_{name.upper()}"
        for name, field in Settings.model_fields.items()
        if field.annotation in (Path, Path | None)
    }
    return {
        name: str(Path(text).absolute())
        if text and (name in paths or (name.startswith("INSITU_") and name.endswith("_FILE")))
        else text
        for name, text in environment.items()
    }


def shown(settings: Settings) -> dict[str, str | None]:
    """Effective settings for printing; None for unset ones; secrets stay hidden."""
    return {
        f"INSITU_{name.upper()}": None if value is None else str(value)
        for name, value in settings.model_dump().items()
    }
