"""The fault harness: starts Insitu as a user does, hurts it from outside, and compares what was acknowledged with what is there.

It imports nothing of Insitu. It speaks MQTT and HTTP by itself, reads the database with psql, and knows of the product only what
the documentation says, so that it shares no mistake with what it judges.
"""
