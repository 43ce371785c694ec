"""The command line: builds, starts and stops everything. It may import every room; no room imports it."""
