"""The API listener: offering and following events, lookup at the source, health, and the documents that say so."""
