"""The rules as records, pure: their form, how they are loaded and checked. The rules themselves are data in /rules."""
