"""Background jobs: alerts, quality checks, nightly evaluations, signed heads of the audit log. Imports
`ingest`, `trials`, `store` and `insitu`.
"""
