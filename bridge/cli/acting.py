"""Who works at the command line."""

import getpass


def acting() -> str:
    """Its name for the timeline and the audit log."""
    try:
        return f"{getpass.getuser()} (command)"
    except (KeyError, OSError):
        return "unknown (command)"
