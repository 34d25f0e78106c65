"""Where the bridge keeps things, how long, and under which key."""

from __future__ import annotations

from pydantic import (
    Field,
    SecretStr,
    model_validator,
)

from bridge.config.base import FilePath, Section


class EncryptionSettings(Section):
    """Encryption at rest. Without a key content is stored as it is."""

    key_file: FilePath | None = Field(
        default=None, description="File with the master key: 32 random bytes. Keep a copy outside the store."
    )
    key: SecretStr | None = Field(
        default=None, description="The master key in base64, instead of a file: meant for the environment."
    )
    previous_key_file: FilePath | None = Field(
        default=None, description="While the key is being replaced: file with the former master key."
    )
    previous_key: SecretStr | None = Field(
        default=None, description="The former master key in base64, instead of a file."
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> EncryptionSettings:
        if self.key_file and self.key:
            raise ValueError("give key_file or key, not both")
        if self.previous_key_file and self.previous_key:
            raise ValueError("give previous_key_file or previous_key, not both")
        if (self.previous_key_file or self.previous_key) and not (self.key_file or self.key):
            raise ValueError("a former key goes with a key")
        return self


class StoreSettings(Section):
    url: str = Field(
        default="sqlite:///var/bridge.sqlite3",
        description="`sqlite:///file` (relative to this file) or `postgresql+psycopg://user@host/name`.",
    )
    encryption: EncryptionSettings = EncryptionSettings()


class RetentionSpans(Section):
    """How long each kind of content is kept after the last change of its exchange."""

    payload_days: float | None = Field(
        default=None, gt=0, description="Payloads, and the index of persons. Not given: for ever."
    )
    evidence_days: float | None = Field(
        default=None, gt=0, description="The exact octets received and sent. Acknowledgments always stay."
    )
    event_days: float | None = Field(default=None, gt=0, description="Bodies of events.")
    resource_days: float | None = Field(default=None, gt=0, description="Resources for lookup.")


class TypeRetention(RetentionSpans):
    """Other spans for the exchanges of one type; what is not given is as in general."""

    type: str = Field(description="Action of the message or type of the event; `*` at the end only.")


class RetentionSettings(RetentionSpans):
    """What is removed, and when. By default nothing is."""

    types: tuple[TypeRetention, ...] = Field(default=(), description="Types with spans of their own.")
    lookup_days: float = Field(
        default=90.0, ge=0, description="A resource stays at least so long after an event pointed at it."
    )
    job_days: float = Field(default=30.0, gt=0, description="Jobs that are done; they hold ids only.")
    interval_hours: float = Field(default=6.0, gt=0, description="Time between two runs of the purge.")
