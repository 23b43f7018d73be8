"""Deciding, pure: lines to events, events to incidents, transitions to deliveries."""
