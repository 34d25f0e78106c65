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
    model_validator,
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


_LINE = r"^[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"


class ContactSettings(Section):
    """Whom to call. It stands on pages behind the login, and in no log, metric or event."""

    name: str | None = Field(
        default=None, max_length=100, pattern=_LINE, description="The desk or the person to ask for."
    )
    phone: str | None = Field(
        default=None,
        pattern=r"^\+?[0-9][0-9 ()-]{2,30}$",
        description="Telephone number, such as `+31 70 123 45 67`.",
    )
    email: str | None = Field(
        default=None, max_length=200, pattern=r"^[^@\s<>?&]+@[^@\s<>?&]+$", description="Mail address."
    )
    hours: str | None = Field(
        default=None,
        max_length=100,
        pattern=_LINE,
        description="When somebody answers, and what holds at other times.",
    )

    @model_validator(mode="after")
    def _reaches_somebody(self) -> ContactSettings:
        if not (self.phone or self.email):
            raise ValueError("give a phone or an email: without these nobody is reached")
        return self
