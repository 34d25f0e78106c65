"""The hub side: events and their rules, the hub's contract, and its HTTP client. All pure but `client.py`."""
