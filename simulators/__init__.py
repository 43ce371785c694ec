"""Devices with known truth: seeded signals, seeded faults, fleets that speak MQTT, and a manifest of the true
values.

Imports `insitu` only, so that it shares no code with what it tests.
"""
