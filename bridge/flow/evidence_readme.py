"""The README of an evidence archive: how to verify it with standard tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
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

   Look at each certificate, and check it with the root and intermediate certificates of its authority
   (PKIoverheid), which are not in this archive; -attime is when the message was stored, since the certificate
   may have ended after that. Whether it was revoked by then only its authority can tell.

   openssl x509 -in certificate/NAME.pem -noout -subject -issuer -dates -fingerprint -sha256
   openssl verify -attime {stored_at} -CAfile ROOTS.pem -untrusted INTERMEDIATES.pem certificate/NAME.pem

{certificates}
   A certificate proves nothing about a party unless it stands in the CPA that this party agreed on. Compare the
   CPA with the copy that the other party has.

3. WHAT WAS SIGNED

   Each command must say OK and end with exit code 0. It takes the certificate of this archive and no key or
   certificate that the file itself brings along (--enabled-key-data key-name): otherwise whoever changes the
   file could sign it anew with a key of his own. From version 1.3 on, xmlsec1 needs --lax-key-search as well.
   When: eb:Timestamp in an envelope is the signer's own clock, "at" in manifest.json that of the bridge.
"""

_RECEIPT = """
4. THE RECEIPT

   A signed acknowledgment repeats the ds:Reference elements of the message that it acknowledges. When its own
   signature verifies and the DigestValues in its eb:Acknowledgment are those of the message, the receiver has
   confirmed the receipt of exactly these octets. (It has one more in its signature, of itself.) Compare:

   grep -o 'DigestValue>[^<][^<]*' wire/*/envelope.xml
"""

_PURGED = """
SOME CONTENT IS NO LONGER THERE

   It was removed when its retention ended; manifest.json says what and when. What is left still proves that
   the message existed and was acknowledged.
"""

_CHANGED = """
THE TIMELINE WAS CHANGED

   Step {numbers} in timeline.json is not what was sealed in the hash chain: somebody changed it afterwards. What
   went over the wire and its signatures do not rest on it.
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
        stored_at=int(datetime.fromisoformat(message["at"]).timestamp()),
        certificates="".join(_certificates(manifest["files"])),
    )
    signatures = "".join(_commands(manifest)) or "\n   Nothing in this archive is signed.\n"
    changed = ", ".join(str(number) for number in manifest["changedSteps"])
    warning = _CHANGED.format(numbers=changed) if changed else ""
    return head + signatures + _RECEIPT + (_PURGED if manifest["purged"] else "") + warning


def _certificates(files: list[Mapping[str, Any]]) -> Iterator[str]:
    """Whose each one is, what it signed, and whether the parties agreed on it."""
    for file in files:
        if file.get("what") == "certificate":
            yield f"   {file['path']}\n     {file['subject']}\n"
            for place in file["in"]:
                yield f"     {'agreed on in' if place.startswith('agreement/') else 'signed'} {place}\n"
            if not any(place.startswith("agreement/") for place in file["in"]):
                yield "     NOT in an agreement of this archive\n"


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
        lines = ["xmlsec1 --verify --enabled-key-data key-name \\"]
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
