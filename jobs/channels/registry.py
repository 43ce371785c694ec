"""The channels, one line each. The page `/alerts` needs none: it shows the alerts themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from jobs.channels import mail, mqtt, webhook
from jobs.channels.channel import Letter, Outlets

CHANNELS: Final[dict[str, Callable[[Letter, Outlets], str]]] = {
    "mail": mail.send,
    "mqtt": mqtt.send,
    "webhook": webhook.send,
}
"""Kind of a channel → function that delivers one notice, returns what the receiver answered, and raises
NotDelivered.
"""
