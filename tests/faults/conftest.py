"""The PostgreSQL server of the store's tests, for the harness too, and its makers of stores and rows."""

from tests.store.conftest import emptied, make, open_store, postgres_server, postgres_template, postgres_url

__all__ = ["emptied", "make", "open_store", "postgres_server", "postgres_template", "postgres_url"]
