"""One TOML file, environment variables over it: reading, and every fault in words."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import (
    ValidationError,
)
from pydantic_core import ErrorDetails

from bridge.config.base import Section
from bridge.config.settings import Settings
from bridge.errors import ConfigError

ENVIRONMENT_PREFIX = "BRIDGE__"


def load_settings(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings file and lay the environment over it.

    Raises ConfigError with one line for each wrong, missing or unknown key.
    """
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror})"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: is not valid TOML: {error}"]) from error
    _lay_over(table, os.environ if environment is None else environment)
    for name, field in Settings.model_fields.items():
        # A section that is not there is read as an empty one, so that its default paths are found too.
        if not field.is_required() and _section_of(field.annotation) and field.default != ():
            table.setdefault(name, {})
    folder = path.resolve().parent
    try:
        settings = Settings.model_validate(table, context={"folder": folder})
    except ValidationError as error:
        raise ConfigError([_explain(path, fault) for fault in error.errors()]) from error
    return settings.model_copy(
        update={
            "store": settings.store.model_copy(update={"url": _absolute_sqlite(settings.store.url, folder)})
        }
    )


def _lay_over(table: dict[str, Any], environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        *sections, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        place = table
        for section in sections:
            inner = place.setdefault(section, {})
            if not isinstance(inner, dict):
                raise ConfigError([f"environment {name}: {section} is not a table of settings"])
            place = inner
        place[key] = value


def _absolute_sqlite(url: str, folder: Path) -> str:
    prefix = "sqlite:///"
    if not url.startswith(prefix):
        return url
    return prefix + str(folder / url.removeprefix(prefix))


def _explain(path: Path, fault: ErrorDetails) -> str:
    place = ".".join(str(step) for step in fault["loc"])
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(fault["loc"][-1]), _keys_at(fault["loc"][:-1]), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"{path}: {place}: there is no such setting{hint}"
    if fault["type"] == "missing":
        return f"{path}: {place}: is missing"
    text = fault["msg"].removeprefix("Value error, ")
    return f"{path}: {place}: {text[0].lower()}{text[1:]}" if place else f"{path}: {text}"


def _keys_at(loc: tuple[int | str, ...]) -> list[str]:
    model: Any = Settings
    for step in loc:
        if isinstance(step, int):
            continue
        field = model.model_fields.get(step)
        if field is None:
            return []
        model = _section_of(field.annotation)
        if model is None:
            return []
    return list(model.model_fields)


def _section_of(annotation: Any) -> type[Section] | None:
    candidates = [annotation, *getattr(annotation, "__args__", ())]
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, Section)), None)
