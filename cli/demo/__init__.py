"""`demo`: the real service on a simulated clock: history through MQTT, checks, evaluations, reports, a live
fleet.
"""
