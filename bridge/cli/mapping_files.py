"""Which mappings folder a command is about, its texts, and its problems with paths that a person can click on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge.cli.options import DEFAULT_CONFIG
from bridge.config import load_settings
from bridge.errors import ConfigError
from bridge.flow.mapping_folder import read_mapping_files
from bridge.mapping.diagnostics import Diagnostic, Severity
from bridge.mapping.load import VOCABULARY, MappingSet, read_mapping_set
from bridge.mapping.program import Program

DEFAULT_FOLDER = Path("mappings")

Folder = Annotated[
    Path | None,
    typer.Option(
        "--mappings",
        metavar="DIR",
        help="Mappings folder. Default: ./mappings, else the folder of the settings file, if there is one.",
    ),
]
Paths = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[DIR|FILE...]",
        help="Only what stands here: a mappings folder, a folder in it, or files. Default: the whole folder.",
    ),
]
Config = Annotated[
    Path,
    typer.Option(
        "--config", envvar="BRIDGE_CONFIG", help="Settings file; only read for its mappings folder."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A mappings folder with everything in it, cases too."""

    root: Path
    files: Mapping[str, str]

    def compiled(self) -> MappingSet:
        """Raises MappingError with every error."""
        return read_mapping_set(self.files)

    def shown(self, name: str) -> str:
        """The name of a file as a person finds it from here."""
        return (self.root / name).as_posix()

    def shown_files(self) -> dict[str, str]:
        return {self.shown(name): text for name, text in self.files.items()}

    def placed(self, found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        """With the files named as a person finds them."""
        return tuple(replace(one, span=replace(one.span, file=self.shown(one.span.file))) for one in found)


def load_folder(given: Path | None, config: Path = DEFAULT_CONFIG) -> Loaded:
    """Raises ConfigError when there is no such folder or a file cannot be read."""
    root = find_root(given) if given else _default_folder(config)
    try:
        return Loaded(root=root, files=read_mapping_files(root, cases=True))
    except UnicodeDecodeError as error:
        raise ConfigError(
            [f"{root}: a file is not UTF-8, and mapping files are; save it as UTF-8"]
        ) from error
    except OSError as error:
        raise ConfigError([f"{error.filename}: cannot be read ({error.strerror})"]) from error


def load_paths(paths: list[Path] | None, config: Path) -> tuple[Loaded, tuple[str, ...]]:
    """The folder in which the paths stand, and the beginnings of the names that are meant (empty: everything)."""
    if not paths:
        return load_folder(None, config), ()
    roots = {find_root(path) for path in paths}
    if len(roots) > 1:
        raise typer.BadParameter("give paths of one mappings folder at a time", param_hint="DIR|FILE")
    loaded = load_folder(roots.pop())
    names = [path.resolve().relative_to(loaded.root.resolve()).as_posix() for path in paths]
    return loaded, () if "." in names else tuple(names)


def find_root(path: Path) -> Path:
    """The mappings folder in which a path stands: the nearest with vocabulary.yaml. Raises ConfigError."""
    if not path.exists():
        raise ConfigError([f"{path}: there is no such file or folder"])
    start = path if path.is_dir() else path.parent
    for up in range(4):
        folder = start / Path(*[".."] * up) if up else start
        if (folder / VOCABULARY).is_file():
            return folder if not up else _short(folder)
    return start


def meant(name: str, wanted: tuple[str, ...]) -> bool:
    """Whether a file is one of those asked for."""
    return not wanted or any(name == one or name.startswith(f"{one}/") for one in wanted)


def pick_mapping(mappings: MappingSet, name: str) -> Program:
    """By its name, or wrong use with the names that there are."""
    program = mappings.named(name)
    if program is None:
        known = ", ".join(p.name for p in mappings.programs) or "none"
        raise typer.BadParameter(f"there is no mapping {name!r}; there are: {known}", param_hint="NAME")
    return program


def diagnostic_document(found: Diagnostic) -> dict[str, Any]:
    """A problem as scripts read it."""
    document: dict[str, Any] = {
        "file": found.span.file,
        "line": found.span.line,
        "column": found.span.column,
        "length": found.span.length,
        "rule": found.code,
        "level": str(found.severity),
        "text": found.text,
        "hint": found.hint,
    }
    return document | ({} if found.replacement is None else {"replacement": found.replacement})


def is_error(found: Diagnostic) -> bool:
    return found.severity is Severity.ERROR


def _default_folder(config: Path) -> Path:
    if DEFAULT_FOLDER.is_dir():
        return DEFAULT_FOLDER
    if config.is_file():
        folder = load_settings(config).mappings.folder
        if folder.is_dir():
            return folder
    raise ConfigError(
        [f"there is no folder {DEFAULT_FOLDER} here; give the mappings folder with --mappings DIR"]
    )


def _short(folder: Path) -> Path:
    """Without the steps back, and from here when it is below here."""
    resolved, here = folder.resolve(), Path.cwd()
    return resolved.relative_to(here) if resolved.is_relative_to(here) else resolved
