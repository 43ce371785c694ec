"""The texts of the snippets, with `$names` to fill in. Each says what the service answered."""

from __future__ import annotations

from string import Template
from typing import Final

MOSQUITTO: Final = Template("""\
# mosquitto_rr comes with mosquitto_pub; it also hears refusals
(${ca_file}said=$$(mosquitto_rr -V mqttv311 -h $host -p $port$secure -q 1 \\
  -i $client_id -u $username -P $token \\
  -t $topic -e $rejected -W 4 \\
  -m $payload 2>&1); code=$$?
case $$code in
  27) echo "Sent, and Insitu refused nothing within 4 s." ;;
  0) echo "Insitu refused it: $$said"; exit 1 ;;
  *) echo "$$said" >&2
    echo "Nothing was sent: is the token right, and does the broker run?" >&2; exit $$code ;;
esac)""")

CURL: Final = Template("""\
curl -sS --fail-with-body -w '\\n' -X POST $url \\
  -H $authorization -H 'Content-Type: application/json' \\
  -d $payload""")

PYTHON: Final = Template("""\
# pip install paho-mqtt
import json
import sys
import threading
from datetime import datetime, timezone

import paho.mqtt.client as mqtt

${ca}MESSAGE = {"time": datetime.now(timezone.utc).isoformat(), "results": $results}
answer, ready, refusals = [], threading.Event(), []


def on_connect(client, userdata, flags, reason, properties):
    answer.append(reason)
    if reason.is_failure:
        ready.set()
    else:
        client.subscribe($rejected)


def on_message(client, userdata, message):
    refusals.append(json.loads(message.payload))
    print(f"Insitu refused it: {refusals[-1]['reason']}: {refusals[-1]['detail']}")


def fail(text):
    client.disconnect()
    client.loop_stop()
    sys.exit(text)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, $client_id, reconnect_on_failure=False)
client.username_pw_set($username, $token)
${tls}client.on_connect = on_connect
client.on_subscribe = lambda *_: ready.set()
client.on_message = on_message
try:
    client.connect($host, $port)
except OSError as error:
    sys.exit(f"The broker does not answer: {error}")
client.loop_start()
if not ready.wait(10):
    fail("The broker does not answer.")
if answer[0].is_failure:
    fail(f"The broker refuses this device: {answer[0]}. Is the token right?")
sent = client.publish($topic, json.dumps(MESSAGE), qos=1)
try:
    sent.wait_for_publish(10)
except RuntimeError as error:
    fail(f"The message was not sent: {error}")
if not sent.is_published():
    fail("The broker has not acknowledged the message: send it again.")
print("The broker has the message.")
threading.Event().wait(3)  # a refusal comes within seconds
client.disconnect()
client.loop_stop()
sys.exit(1 if refusals else 0)""")

ARDUINO: Final = Template("""\
// Libraries: WiFi (ESP32), MQTT by Joel Gaehwiler (it publishes at QoS 1)
#include <WiFi.h>
#include <$client.h>
#include <MQTT.h>

${ca}const unsigned long EVERY_MS = ${every_ms}UL;  // between two messages
const unsigned long RETRY_MS = 10000UL;  // after a failure

$client net;
MQTTClient mqtt(1024);
unsigned long since = 0;  // the last attempt
unsigned long pause = 0;  // until the next one

void heard(String &topic, String &payload) {
  Serial.println("Insitu refused it: " + payload);
}

void setup() {
  Serial.begin(115200);
  WiFi.begin("NETWORK", "PASSWORD");
  while (WiFi.status() != WL_CONNECTED) delay(200);
${set_ca}  mqtt.begin($host, $port, net);$own_host
  mqtt.onMessage(heard);
}

bool connected() {
  if (mqtt.connected()) return true;
  if (!mqtt.connect($client_id, $username, $token)) {
    Serial.print("The broker refuses this device or does not answer, code ");
    Serial.println((int)mqtt.returnCode());  // 5: is the token right?
    return false;
  }
  mqtt.subscribe($rejected);
  return true;
}

void loop() {
  mqtt.loop();
  delay(10);
  if (millis() - since < pause) return;  // right also when millis() begins again at 0
  since = millis();
  pause = RETRY_MS;
  if (!connected()) return;
  if (mqtt.publish($topic, $payload, false, 1)) {
    Serial.println("The broker has the message.");
    pause = EVERY_MS;
  } else {
    Serial.println("The broker has not acknowledged the message: it is sent again.");
  }
}""")
