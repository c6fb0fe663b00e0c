"""What starts, tests and serves the console from a checkout; nothing in `backups` imports it."""
