#pragma once
#include "WiFi.h"

struct MQTTClient {
  bool open = false;
  void (*heard)(String &, String &) = nullptr;
  explicit MQTTClient(int) {}
  template <class Net> void begin(const char *, int, Net &) {}
  void onMessage(void (*callback)(String &, String &)) { heard = callback; }
  bool connected() { return open; }
  bool connect(const char *, const char *, const char *) {
    printf("CONNECT\n");
    open = getenv("WRONG_TOKEN") == nullptr;
    return open;
  }
  int returnCode() { return 5; }
  bool subscribe(const char *topic) { printf("SUBSCRIBE %s\n", topic); return true; }
  bool publish(const char *topic, const char *payload, bool, int qos) {
    printf("PUBLISH %s qos %d %s\n", topic, qos, payload);
    if (getenv("OUTAGE")) { open = false; return false; }
    if (getenv("REFUSED") && heard) {
      String where = "rejected", why = "{\"reason\": \"wrong_type\"}";
      heard(where, why);
    }
    return true;
  }
  bool loop() { return open; }
};
