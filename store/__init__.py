"""PostgreSQL/TimescaleDB, and the only SQL of the project.

Imports `insitu` only. Functions take a connection; the caller owns the transaction. No other room imports
psycopg.
"""
