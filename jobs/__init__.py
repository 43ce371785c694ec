"""Background jobs: quality checks and nightly evaluations. Imports `trials`, `store` and `insitu`."""
