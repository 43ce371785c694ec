"""MQTT (and, later, HTTP and files) in, observations out; receipts and refusals back to the device.

Imports `store` and `insitu`. Decoding and placing are pure; one transaction per batch; commit, then
acknowledge.
"""
