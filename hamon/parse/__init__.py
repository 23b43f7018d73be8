"""Reading formats, pure: bytes or text to records."""
