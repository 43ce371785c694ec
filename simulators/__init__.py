"""Devices with known truth: seeded signals, seeded faults, fleets that speak MQTT, and a manifest of what is
true.

Imports `insitu` only, so that it shares no code with what it tests.
"""
