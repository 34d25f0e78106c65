"""What every section of the settings is built from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
)


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / path


FilePath = Annotated[Path, AfterValidator(_beside_the_file)]
"""A path, relative to the folder of the settings file."""


class Section(BaseModel):
    """One table of the file: unknown keys are refused, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class TlsSettings(Section):
    """Certificate, key and trust of one side of mutual TLS."""

    certificate: FilePath = Field(description="PEM file: our certificate, followed by its intermediates.")
    key: FilePath = Field(description="PEM file: our private key.")
    trust: FilePath = Field(
        description="PEM file: the authorities whose certificates we accept, roots and those below them."
    )
    crl: FilePath | None = Field(
        default=None,
        description="PEM file with revocation lists; checked when given, and read again when it changes.",
    )
