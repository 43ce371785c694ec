"""Turns messages (MQTT, HTTP, files) into observations, and answers devices with receipts and refusals.

Imports `store` and `insitu`. Decoding and placing are pure; each batch is one transaction; commit, then
acknowledge.
"""
