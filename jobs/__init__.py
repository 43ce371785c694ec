"""Background jobs: alerts, quality checks, nightly evaluations, signed heads of the audit log, packed days.
Imports `ingest`, `trials`, `store` and `insitu`.
"""
