"""A diary on disk, one JSON object per line, forced to disk before the next step: it survives kill -9."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Journal:
    """Appends to `path`; without a path it forgets everything."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def read(self) -> list[dict[str, Any]]:
        """Every whole line; a last line that was cut off by a kill never happened."""
        if self._path is None or not self._path.exists():
            return []
        *lines, cut = self._path.read_bytes().split(b"\n")
        if cut:
            os.truncate(self._path, self._path.stat().st_size - len(cut))
        return [json.loads(line) for line in lines]

    def write(self, **entry: Any) -> None:
        if self._path is None:
            return
        with self._path.open("ab") as file:
            file.write(json.dumps(entry).encode("utf-8") + b"\n")
            file.flush()
            os.fsync(file.fileno())
