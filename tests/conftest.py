"""Fixtures, split by subject."""

from tests.fix_database import conn, database_server, database_url, migrated_template

__all__ = ["conn", "database_server", "database_url", "migrated_template"]
