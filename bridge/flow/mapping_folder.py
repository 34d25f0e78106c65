"""A mappings folder on disk: its texts by name, as the mapping language takes them."""

from __future__ import annotations

from pathlib import Path

_SUFFIXES = frozenset({".yaml", ".csv", ".json", ".structure"})
_CASE_SUFFIXES = _SUFFIXES | {".xml"}


def read_mapping_files(folder: Path, *, cases: bool = False) -> dict[str, str]:
    """Name below the folder → text, of every file that a mapping set may hold; cases only when asked for.

    Raises OSError, and UnicodeDecodeError for a file that is not UTF-8.
    """
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in mapping_paths(folder, cases=cases)
    }


def mapping_paths(folder: Path, *, cases: bool = False) -> tuple[Path, ...]:
    """The files of a mappings folder, by name."""
    return tuple(
        path for path in sorted(folder.rglob("*")) if path.is_file() and _belongs(path, folder, cases)
    )


def _belongs(path: Path, folder: Path, cases: bool) -> bool:
    is_case = any(part.endswith(".cases") for part in path.relative_to(folder).parts[:-1])
    return path.suffix in (_CASE_SUFFIXES if is_case else _SUFFIXES) and (cases or not is_case)
