"""`demo`: the main job for real, on a simulated clock: history through MQTT, checks, evaluations, reports, a
live fleet.
"""
