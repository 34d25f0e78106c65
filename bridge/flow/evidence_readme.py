"""The README of an evidence archive: how to verify it with standard tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_HEAD = """\
EVIDENCE OF ONE ebMS MESSAGE

{action} from {sender} to {receiver}
MessageId {message_id}
Exported {exported_at}

wire/         what went over the wire, exactly: HTTP headers and body, and the SOAP envelope in the body
payload/      the parts as they were signed: decrypted, without transfer encoding
agreement/    the CPA that both parties agreed on
certificate/  the certificates that stand in the envelopes and in the CPA
timeline.json what the bridge did, with the place of each step in its hash chain
manifest.json what each file is, with its digest

1. NOTHING CHANGED SINCE THE EXPORT

   sha256sum -c SHA256SUMS

2. WHO SIGNED

   The certificates, and in which files they stand, are listed in manifest.json. Look at one, and check it with
   the root and intermediate certificates of its authority (PKIoverheid), which are not in this archive:

   openssl x509 -in certificate/NAME.pem -noout -subject -issuer -dates -fingerprint -sha256
   openssl verify -CAfile ROOTS.pem -untrusted INTERMEDIATES.pem certificate/NAME.pem

   The signer's certificate must also stand in the CPA: its file in manifest.json names agreement/... too.

3. WHAT WAS SIGNED
"""

_RECEIPT = """
4. THE RECEIPT

   A signed acknowledgment repeats the ds:Reference elements of the message that it acknowledges. When its own
   signature verifies and the DigestValues in its eb:Acknowledgment are those of the message, the receiver has
   confirmed the receipt of exactly these octets. Compare:

   grep -o 'DigestValue>[^<]*' wire/*/envelope.xml
"""

_PURGED = """
SOME CONTENT IS NO LONGER THERE

   It was removed when its retention ended; manifest.json says what and when. What is left still proves that
   the message existed and was acknowledged.
"""


def write_readme(manifest: Mapping[str, Any]) -> str:
    """Instructions with the file names of this very archive."""
    message = manifest["message"]
    head = _HEAD.format(
        action=message["action"],
        sender=message["from"],
        receiver=message["to"],
        message_id=message["messageId"],
        exported_at=manifest["exportedAt"],
    )
    signatures = "".join(_commands(manifest)) or "\n   Nothing in this archive is signed.\n"
    return head + signatures + _RECEIPT + (_PURGED if manifest["purged"] else "")


def _commands(manifest: Mapping[str, Any]) -> Iterator[str]:
    """For each signed envelope: xmlsec1 for the signature, openssl for one part by hand."""
    files = manifest["files"]
    payloads = {file["uri"]: file["path"] for file in files if file.get("what") == "payload"}
    for file in files:
        if not file.get("signed"):
            continue
        path = file["path"]
        signers = [f["path"] for f in files if f.get("what") == "certificate" and path in f["in"]]
        parts = [uri for uri in file["signed"] if uri in payloads]
        lines = ["xmlsec1 --verify \\"]
        lines += [f"  --pubkey-cert-pem {signers[0] if signers else 'certificate/NAME.pem'} \\"]
        lines += [f"  --url-map:{_quoted(uri)} {payloads[uri]} \\" for uri in parts]
        lines += [f"  {path}"]
        lines += [
            f"openssl dgst -sha256 -binary {payloads[uri]} | base64   # the DigestValue of {_quoted(uri)}"
            for uri in parts
        ]
        yield "\n" + "".join(f"   {line}\n" for line in lines)


def _quoted(text: str) -> str:
    """A peer chose the Content-ID, and somebody will paste this into a shell."""
    return "".join(c if c.isalnum() or c in ":@._-" else f"\\{c}" for c in text if c.isprintable())
