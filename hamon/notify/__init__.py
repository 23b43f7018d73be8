"""Shells that hand notifications to people and programs."""
