"""Ready-to-run snippets for a device, with the actual address, port and certificate authority of this
installation.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from api.snippet_texts import ARDUINO, CURL, MOSQUITTO, PYTHON
from insitu.wire import OBS, PREFIX, REJECTED
from store.read.streams import Stream

CA_FILE: Final = "insitu-ca.pem"
TOKEN_PLACE: Final = "TOKEN"  # noqa: S105 - a placeholder
"""Placeholder for the token, which was shown only once, at enrolment."""
USUAL_S: Final = 900.0
LONGEST_S: Final = 2_000_000.0
"""23 days: `millis()` of an Arduino begins again after 49."""
EXAMPLES: Final[Mapping[str, float]] = MappingProxyType(
    {
        "Cel": 21.4,
        "K": 294.6,
        "%": 45.2,
        "hPa": 1013.2,
        "Pa": 101320.0,
        "[ppb]": 18.5,
        "[ppm]": 620.0,
        "dB": 52.3,
        "dB[SPL]": 52.3,
        "W": 120.5,
        "kW.h": 3.2,
        "lx": 310.0,
        "m/s": 2.4,
        "V": 3.7,
        "Bq/m3": 60.0,
    }
)
"""A plausible result by unit."""
USUAL: Final = 12.3

_OWN_HOST: Final = (
    "  // this is the board itself: name the machine, see INSITU_PUBLIC_HOST and INSITU_MQTT_LISTEN"
)


@dataclass(frozen=True, slots=True)
class PublicAddress:
    """Address of the broker for devices; `ca_pem` is the authority that signed its certificate."""

    host: str
    port: int
    tls: bool = False
    ca_pem: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A field that the device sends, in the device's own unit."""

    name: str
    unit: str = ""
    is_boolean: bool = False
    every_s: float | None = None

    @property
    def example(self) -> float | bool:
        """A result that its datastream accepts."""
        return True if self.is_boolean else EXAMPLES.get(self.unit, USUAL)


@dataclass(frozen=True, slots=True)
class _Device:
    public: PublicAddress
    own: str
    """Its topics are below this."""
    username: str
    token: str
    client_id: str
    results: Mapping[str, float | bool]
    every_s: float

    @property
    def topic(self) -> str:
        return f"{self.own}/{OBS}"

    @property
    def rejected(self) -> str:
        return f"{self.own}/{REJECTED}"

    @property
    def payload(self) -> str:
        return json.dumps({"results": self.results})

    @property
    def ca(self) -> str | None:
        """The authority to trust, if it is the installation's own."""
        return self.public.ca_pem.strip() if self.public.tls and self.public.ca_pem else None


def client_id_of(trial: str, device: str, seed: bytes) -> str:
    """A client id that stays with the device, so that its session survives, and that nobody can guess: with
    the id of another client one can end its connections. Without dots, which the embedded broker refuses.

    `seed`: known here and to nobody else.
    """
    secret = hashlib.sha256(b"client id\0" + seed).hexdigest()[:12]
    return f"{trial}-{device}-{secret}"


def snippets(
    public: PublicAddress,
    *,
    trial: str,
    device: str,
    username: str,
    token: str,
    client_id: str,
    fields: Sequence[Sent],
    http: str | None = None,
) -> dict[str, str]:
    """Title → text. `fields` are those of the device's datastreams; `http` is the address of the pages (for
    curl). Without fields there is none: every result would be refused.
    """
    if not fields:
        return {}
    intervals = [one.every_s for one in fields if one.every_s]
    it = _Device(
        public,
        f"{PREFIX}/{trial}/{device}",
        username,
        token,
        client_id,
        {one.name: one.example for one in fields},
        min([*intervals, LONGEST_S]) if intervals else USUAL_S,
    )
    texts = {"mosquitto_pub": _mosquitto(it), "Python": _python(it), "Arduino": _arduino(it)}
    if http is not None:
        texts["curl"] = _curl(it, f"{http.rstrip('/')}/api/v1/trials/{trial}/devices/{device}/observations")
    return texts


def _mosquitto(it: _Device) -> str:
    quoted = {
        name: shlex.quote(getattr(it, name))
        for name in ("client_id", "username", "token", "topic", "rejected", "payload")
    }
    file = f"cat > {CA_FILE} <<'PEM'\n{it.ca}\nPEM\n" if it.ca else ""
    secure = f" --cafile {CA_FILE}" if it.ca else " --tls-use-os-certs" if it.public.tls else ""
    return MOSQUITTO.substitute(
        quoted, host=shlex.quote(it.public.host), port=it.public.port, secure=secure, ca_file=file
    )


def _python(it: _Device) -> str:
    ca = f'with open("{CA_FILE}", "w") as file:\n    file.write("""{it.ca}\n""")\n\n' if it.ca else ""
    file = f'"{CA_FILE}"' if it.ca else ""
    names = ("client_id", "username", "token", "topic", "rejected", "results")
    return PYTHON.substitute(
        {name: repr(getattr(it, name)) for name in names},
        ca=ca,
        tls=f"client.tls_set({file})\n" if it.public.tls else "",
        host=repr(it.public.host),
        port=it.public.port,
    )


def _arduino(it: _Device) -> str:
    """Uses arduino-mqtt by Joël Gähwiler: unlike other libraries it publishes at QoS 1, the only level with
    guaranteed delivery.
    """
    names = ("client_id", "username", "token", "topic", "rejected", "payload")
    return ARDUINO.substitute(
        # a JSON string is a valid C string for these texts
        {name: json.dumps(getattr(it, name)) for name in names},
        ca=f'const char CA[] = R"PEM({it.ca}\n)PEM";\n\n' if it.ca else "",
        set_ca="  net.setCACert(CA);\n" if it.ca else "",
        client=f"WiFiClient{'Secure' if it.public.tls else ''}",
        every_ms=round(it.every_s * 1000),
        host=json.dumps(it.public.host),
        own_host=_OWN_HOST if it.public.host in ("127.0.0.1", "localhost", "::1") else "",
        port=it.public.port,
    )


def _curl(it: _Device, url: str) -> str:
    return CURL.substitute(
        url=shlex.quote(url),
        authorization=shlex.quote(f"Authorization: Bearer {it.token}"),
        payload=shlex.quote(it.payload),
    )


def sent_of(streams: Sequence[Stream]) -> list[Sent]:
    """The fields of a device, from its datastreams."""
    return [
        Sent(one.name, one.sent_unit, one.result_type == "boolean", one.expected_interval_s)
        for one in streams
    ]
