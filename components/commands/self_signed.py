"""Makes a self-signed certificate, for a pulumi-command `local.Command`: python -m commands.self_signed --host=NAME.

Standard output is one JSON object: {"certificate": PEM, "key": PEM}. The key is nowhere else when the program ends.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from . import UserError, run

DAYS = 825
"""The most that Apple's systems take: https://support.apple.com/103769"""


def arguments(host: str, certificate: Path, key: Path) -> list[str]:
    """The openssl command for a P-256 key and a certificate for one DNS name."""
    return [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-days", str(DAYS), "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"),
        *("-out", str(certificate), "-keyout", str(key)),
    ]


def make(host: str) -> dict[str, str]:
    """Return a new certificate and its key, both PEM.

    Raises:
        UserError: openssl is missing or fails; says what to do instead.
    """
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder) / "tls.crt", Path(folder) / "tls.key"
        try:
            subprocess.run(arguments(host, certificate, key), check=True, capture_output=True, text=True)
        except FileNotFoundError:
            raise UserError(
                "openssl is not on PATH, and security.tls.selfSigned needs it. Install it, or give security.tls.secret "
                "the name of a Secret that exists."
            ) from None
        except subprocess.CalledProcessError as error:
            raise UserError(f"openssl made no certificate for {host}: {error.stderr.strip()}") from None
        return {"certificate": certificate.read_text(), "key": key.read_text()}


def main(words: list[str] | None = None) -> int:
    """Print a certificate for --host; return the exit code."""
    parser = argparse.ArgumentParser("python -m commands.self_signed", description=__doc__)
    parser.add_argument("--host", required=True, help="the DNS name that the certificate is for")
    host = parser.parse_args(words).host
    return run(lambda: print(json.dumps(make(host))))


if __name__ == "__main__":
    sys.exit(main())
