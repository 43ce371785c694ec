"""E-mail over the installation's SMTP server."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from insitu.errors import CorrectInput
from jobs.channels.channel import Letter, MailServer, NotDelivered, Outlets
from trials.alerting.addresses import parse_mail
from trials.alerting.words import plain

WITHIN_S: Final = 10.0
_LONGEST_SUBJECT: Final = 200


def make_mail(letter: Letter, outlets: Outlets, server: MailServer) -> EmailMessage:
    """The message. Its Message-ID is the same at each attempt."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = server.sender
    mail["To"] = letter.address
    mail["Subject"] = plain(f"[Insitu] {letter.text.subject}", _LONGEST_SUBJECT)
    mail["Date"] = format_datetime(letter.made_at)
    mail["Message-ID"] = f"<{letter.key}@{server.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["Insitu-Event"] = letter.event
    mail.set_content("\n".join([*letter.text.lines, "", outlets.pages + letter.text.path, ""]))
    return mail


def send(letter: Letter, outlets: Outlets) -> str:
    """Deliver; returns the server's answer. Raises NotDelivered."""
    server = outlets.mail
    if server is None:
        raise NotDelivered("This installation has no mail server (INSITU_SMTP_URL).")
    try:
        parse_mail(letter.address)
        mail = make_mail(letter, outlets, server)
        with _connected(server, outlets) as link:
            link.send_message(mail, server.sender, [letter.address])
    except (OSError, smtplib.SMTPException, ValueError, CorrectInput) as error:
        raise NotDelivered(f"The mail server does not take it: {plain(str(error), 200)}") from error
    return "accepted by the mail server"


def _connected(server: MailServer, outlets: Outlets) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if outlets.ca is not None:
        context.load_verify_locations(str(outlets.ca))
    if server.tls:
        link: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=WITHIN_S, context=context)
    else:
        link = smtplib.SMTP(server.host, server.port, timeout=WITHIN_S)
    try:
        if not server.tls and not server.plain:
            link.starttls(context=context)
        if server.username:
            link.login(server.username, server.password)
    except BaseException:
        link.close()
        raise
    return link
