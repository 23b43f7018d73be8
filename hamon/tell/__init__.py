"""Words for people, pure: headline, cause, timeline and next steps, in English and Japanese."""
