"""The HTTP API, one file per noun. Routes are synchronous and run on FastAPI's pool of threads."""
