"""Signing in elsewhere (OpenID Connect): asks the provider within bounds, and checks each word it says."""
