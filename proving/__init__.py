"""The workshop: what breaks and measures the whole. It sees every room; only the command line sees it."""
