"""The history in a database: the only package that imports SQLAlchemy."""
