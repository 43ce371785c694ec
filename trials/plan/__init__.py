"""What a trial intends: its protocol and published targets. Imports nothing of `trials`."""
