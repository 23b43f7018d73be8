"""What tests of the running program share."""

from tests.postgresql import PostgresqlServer, postgresql_server

__all__ = ["PostgresqlServer", "postgresql_server"]
