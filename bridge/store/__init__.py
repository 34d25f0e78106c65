"""Tables and transactions: `Store` runs functions over a connection, one module of them per noun."""

from bridge.store.keys import KeyMaker, new_key
from bridge.store.unit import Store, upgrade

__all__ = ["KeyMaker", "Store", "new_key", "upgrade"]
