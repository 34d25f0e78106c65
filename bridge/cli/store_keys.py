"""The master key of an encrypting store, from its file or the environment."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from pydantic import SecretStr

from bridge.config import EncryptionSettings
from bridge.errors import ConfigError
from bridge.store.sealing import KEY_SIZE, MasterKeys


def load_master_keys(settings: EncryptionSettings) -> MasterKeys | None:
    """None when content is not encrypted. Raises ConfigError."""
    current = _load("key", settings.key_file, settings.key)
    if current is None:
        return None
    return MasterKeys(
        current=current, previous=_load("previous_key", settings.previous_key_file, settings.previous_key)
    )


def _load(name: str, file: Path | None, text: SecretStr | None) -> bytes | None:
    if text is not None:
        return _decoded(text.get_secret_value(), name)
    if file is None:
        return None
    try:
        octets = file.read_bytes()
    except OSError as error:
        raise ConfigError([f"store.encryption.{name}_file: {file.name} cannot be read"]) from error
    return octets if len(octets) == KEY_SIZE else _decoded(octets.decode("ascii", "replace"), f"{name}_file")


def _decoded(text: str, name: str) -> bytes:
    try:
        octets = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if len(octets) != KEY_SIZE:
        raise ConfigError([f"store.encryption.{name}: is not {KEY_SIZE} bytes, plain or in base64"])
    return octets
