"""Worlds in one process, by seed: the worker's logic against simulated brokers, databases and clocks,
thousands of times.
"""
