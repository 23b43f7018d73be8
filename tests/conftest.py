"""What all tests share: one PostgreSQL server for the whole run."""

from tests.postgresql import postgresql_server

__all__ = ["postgresql_server"]
