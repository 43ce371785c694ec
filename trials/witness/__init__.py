"""Statements about the audit log, and the time stamps that others give them (RFC 3161). Knows no database."""
