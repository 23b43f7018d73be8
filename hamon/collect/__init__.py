"""Shells that read one source each and put what they saw into the inbox."""
