#include "sketch.ino"

int main() {
  setup();
  const uint64_t end = clock_ms() + strtoull(getenv("HOURS"), nullptr, 10) * 3600000ULL;
  while (clock_ms() < end) loop();
}
