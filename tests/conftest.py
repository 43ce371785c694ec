"""Fixtures, split by subject."""

from tests.fix_broker import broker
from tests.fix_catalogue import catalogue
from tests.fix_database import conn, database_server, database_url, migrated_template
from tests.fix_stack import stack

__all__ = ["broker", "catalogue", "conn", "database_server", "database_url", "migrated_template", "stack"]
