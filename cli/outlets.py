"""Where alerts leave this installation: mail server, broker, and the networks that webhooks may reach."""

from __future__ import annotations

from urllib.parse import unquote

from cli.addresses import broker_address, pages_url
from insitu.settings import Settings, is_loopback, parse_networks
from insitu.urls import parse_smtp
from jobs.channels.channel import MailServer, Outlets


def outlets_of(settings: Settings) -> Outlets:
    return Outlets(
        pages=pages_url(None),
        time_zone=settings.time_zone,
        mail=mail_server_of(settings),
        broker=broker_address(settings) if settings.mqtt_url is not None else None,
        networks=tuple(parse_networks(settings.webhook_networks)),
        ca=settings.alerts_ca,
    )


def mail_server_of(settings: Settings) -> MailServer | None:
    """None without INSITU_SMTP_URL. Mail to another machine is never sent in the clear."""
    if settings.smtp_url is None:
        return None
    parts = parse_smtp(settings.smtp_url.get_secret_value())
    host, tls = parts.hostname or "", parts.scheme == "smtps"
    return MailServer(
        host=host,
        port=parts.port or (465 if tls else 587),
        sender=settings.mail_from or f"insitu@{settings.public_host or 'localhost'}",
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=tls,
        plain=not tls and is_loopback(host),
    )
