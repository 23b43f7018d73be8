"""A real cluster on this machine, and hamon beside it: see README.md."""
