// The parts of the Arduino core that the snippet uses, on a clock that the test moves. Commands of the test
// come from the environment: WRONG_TOKEN, OUTAGE (the broker acknowledges nothing), START_MS, HOURS.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

using String = std::string;
#define WL_CONNECTED 3

inline uint64_t &clock_ms() {
  static uint64_t now = getenv("START_MS") ? strtoull(getenv("START_MS"), nullptr, 10) : 0;
  return now;
}
inline uint32_t millis() { return (uint32_t)clock_ms(); }
inline void delay(unsigned long ms) { clock_ms() += ms; }

struct SerialPort {
  void begin(long) {}
  void print(const char *text) { printf("%s", text); }
  void println(const String &text) { printf("%s\n", text.c_str()); }
  void println(int number) { printf("%d\n", number); }
};
inline SerialPort Serial;

struct WiFiNetwork {
  void begin(const char *, const char *) {}
  int status() { return WL_CONNECTED; }
};
inline WiFiNetwork WiFi;
