"""What runs by itself: quality checks, nights. Imports `trials`, `store` and `insitu`."""
