"""Launchers of the two servers that come as wheels: PostgreSQL and the NATS server as MQTT broker.

Imports the shared words only. Servers are direct children that end with their supervisor, run as an
unprivileged account when started by root, and touch nothing outside the data directory.
"""
