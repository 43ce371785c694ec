"""The command line: the composition root, which builds, starts and stops everything; nobody imports it."""
