"""The trial package: files with which anyone can recompute an evaluation. Knows no database."""
