"""Where alerts go, one file a channel: each has a `send` that delivers one notice or raises NotDelivered."""
