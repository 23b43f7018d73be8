"""The vocabulary: what was seen (observation), what happened (event), the story (incident), what is told (delivery)."""
