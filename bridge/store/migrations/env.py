"""Run by Alembic. The connection, with its transaction already open, comes from `bridge.store.migrate`."""

from alembic import context
from sqlalchemy import Connection

from bridge.store.tables import metadata


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transactional_ddl=True,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
