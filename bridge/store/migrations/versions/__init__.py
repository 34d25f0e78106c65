"""One module per revision, oldest first by number; a released revision is never changed."""
