"""The PostgreSQL server of the store's tests, for the harness too."""

from tests.store.conftest import postgres_server, postgres_template, postgres_url

__all__ = ["postgres_server", "postgres_template", "postgres_url"]
