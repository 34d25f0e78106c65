"""`bridge certs dev`: a PKI to test with."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.cli.main import main


def test_test_pki_is_never_written_over_certificates_that_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "bridge.key.pem"
    kept.write_text("the key of production")
    assert main(["certs", "dev", "--out", str(tmp_path)]) == 2
    assert "bridge.key.pem" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
        ("bridge.key.pem", "the key of production")
    ]
