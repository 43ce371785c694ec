"""The plan of a trial: its protocol and published targets. Imports nothing of `trials`."""
