"""Background jobs: quality checks, nightly evaluations, signed heads of the audit log. Imports `trials`,
`store` and `insitu`.
"""
