"""Ready-to-run snippets for a device, with the actual address, port and certificate authority of this
installation.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Final

from insitu.wire import OBS, PREFIX

CA_FILE: Final = "insitu-ca.pem"
TOKEN_PLACE: Final = "TOKEN"  # noqa: S105 - a placeholder
"""Placeholder for the token, which was shown only once, at enrolment."""


@dataclass(frozen=True, slots=True)
class PublicAddress:
    """Address of the broker for devices; `ca_pem` is the authority that signed its certificate."""

    host: str
    port: int
    tls: bool = False
    ca_pem: str | None = None


@dataclass(frozen=True, slots=True)
class _Device:
    public: PublicAddress
    topic: str
    username: str
    token: str
    payload: str
    """JSON."""

    @property
    def client_id(self) -> str:
        """Without dots, which the embedded broker refuses in client ids."""
        return self.username.replace(".", ":")

    @property
    def own_ca(self) -> bool:
        return self.public.tls and self.public.ca_pem is not None


def snippets(
    public: PublicAddress,
    *,
    trial: str,
    device: str,
    username: str,
    token: str,
    names: list[str],
    http: str | None = None,
) -> dict[str, str]:
    """Title → text. `names` are those of the device's datastreams; `http` is the address of the pages (for
    curl).
    """
    results = dict.fromkeys(names or ["temperature"], 12.3)
    it = _Device(
        public, f"{PREFIX}/{trial}/{device}/{OBS}", username, token, json.dumps({"results": results})
    )
    texts = {"mosquitto_pub": _mosquitto(it), "Python": _python(it), "Arduino": _arduino(it)}
    if http is not None:
        texts["curl"] = _curl(it, f"{http.rstrip('/')}/api/v1/trials/{trial}/devices/{device}/observations")
    return texts


def _mosquitto(it: _Device) -> str:
    lines = []
    if it.own_ca:
        lines += [f"cat > {CA_FILE} <<'PEM'", (it.public.ca_pem or "").strip(), "PEM"]
    secure = f" --cafile {CA_FILE}" if it.own_ca else (" --tls-use-os-certs" if it.public.tls else "")
    lines += [
        f"mosquitto_pub -V mqttv311 -h {shlex.quote(it.public.host)} -p {it.public.port}{secure} -q 1 \\",
        f"  -i {shlex.quote(it.client_id)} -u {shlex.quote(it.username)} -P {shlex.quote(it.token)} \\",
        f"  -t {shlex.quote(it.topic)} \\",
        f"  -m {shlex.quote(it.payload)}",
    ]
    return "\n".join(lines)


def _python(it: _Device) -> str:
    lines = ["# pip install paho-mqtt", "import json", "from datetime import datetime, timezone", ""]
    lines += ["import paho.mqtt.client as mqtt", ""]
    if it.own_ca:
        lines += [
            f'CA = """{(it.public.ca_pem or "").strip()}"""',
            f'with open("{CA_FILE}", "w") as file:',
            "    file.write(CA)",
            "",
        ]
    lines += [
        f"client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, {it.client_id!r})",
        f"client.username_pw_set({it.username!r}, {it.token!r})",
    ]
    if it.public.tls:
        lines.append(f'client.tls_set("{CA_FILE}")' if it.own_ca else "client.tls_set()")
    lines += [
        f"client.connect({it.public.host!r}, {it.public.port})",
        "client.loop_start()",
        f"message = {{'time': datetime.now(timezone.utc).isoformat(), **json.loads({it.payload!r})}}",
        f"client.publish({it.topic!r}, json.dumps(message), qos=1).wait_for_publish(10)",
        "client.disconnect()",
        "client.loop_stop()",
    ]
    return "\n".join(lines)


def _arduino(it: _Device) -> str:
    """Uses arduino-mqtt by Joël Gähwiler: unlike other libraries it publishes at QoS 1, the only level with
    guaranteed delivery.
    """
    text = json.dumps  # a JSON string is a valid C string for these texts
    secure = it.public.tls
    lines = [
        "// Libraries: WiFi (ESP32), MQTT by Joel Gaehwiler (it publishes at QoS 1)",
        "#include <WiFi.h>",
        f"#include <WiFiClient{'Secure' if secure else ''}.h>",
        "#include <MQTT.h>",
        "",
    ]
    if it.own_ca:
        lines += [f'const char CA[] = R"PEM({(it.public.ca_pem or "").strip()}\n)PEM";', ""]
    lines += [
        f"WiFiClient{'Secure' if secure else ''} net;",
        "MQTTClient mqtt(1024);",
        "",
        "void setup() {",
        '  WiFi.begin("NETWORK", "PASSWORD");',
        "  while (WiFi.status() != WL_CONNECTED) delay(200);",
    ]
    if it.own_ca:
        lines.append("  net.setCACert(CA);")
    lines += [
        f"  mqtt.begin({text(it.public.host)}, {it.public.port}, net);",
        "}",
        "",
        "void loop() {",
        f"  if (!mqtt.connected()) mqtt.connect({text(it.client_id)}, {text(it.username)}, "
        f"{text(it.token)});",
        f"  mqtt.publish({text(it.topic)}, {text(it.payload)}, false, 1);",
        "  for (unsigned long until = millis() + 900000; millis() < until;) { mqtt.loop(); delay(10); }",
        "}",
    ]
    return "\n".join(lines)


def _curl(it: _Device, url: str) -> str:
    return "\n".join(
        [
            f"curl -X POST {shlex.quote(url)} \\",
            f"  -H {shlex.quote('Authorization: Bearer ' + it.token)} -H 'Content-Type: application/json' \\",
            f"  -d {shlex.quote(it.payload)}",
        ]
    )
