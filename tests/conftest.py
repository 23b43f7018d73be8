"""What all tests share: one PostgreSQL server for the whole run, and how hypothesis chooses its examples."""

import os

from hypothesis import settings

from tests.postgresql import postgresql_server

__all__ = ["postgresql_server"]

# `make test` tries the same examples each time, `make test-full` others each time; no machine is too slow.
settings.register_profile("seeded", derandomize=True, deadline=None)
settings.register_profile("wide", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "seeded"))
