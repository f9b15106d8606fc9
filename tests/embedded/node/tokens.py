"""An issuer of JSON Web Tokens, whose key is made where it is needed and never leaves the test."""

import base64
import json
import subprocess
import time
from pathlib import Path
from typing import Any

HOUR = 3600
# What `openssl genrsa` gives every key.
EXPONENT = "AQAB"


def _url_safe(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _openssl(*words: str, content: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=content, capture_output=True, check=True).stdout


class Issuer:
    """An issuer with an RSA key of its own; https://www.rfc-editor.org/rfc/rfc7515 and rfc7517."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._key = folder / f"{len(list(folder.iterdir()))}.pem"
        self._key.write_bytes(_openssl("genrsa", "2048"))

    @property
    def jwks(self) -> dict[str, Any]:
        """Its public key."""
        printed = _openssl("rsa", "-in", str(self._key), "-noout", "-modulus").decode()
        modulus = bytes.fromhex(printed.strip().removeprefix("Modulus="))
        key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.name, "n": _url_safe(modulus), "e": EXPONENT}
        return {"keys": [key]}

    def token(self, **claims: Any) -> str:
        """A token, good for an hour, with these claims."""
        header = {"alg": "RS256", "typ": "JWT", "kid": self.name}
        body = {"iss": self.name, "exp": int(time.time()) + HOUR, **claims}
        signed = ".".join(_url_safe(json.dumps(each).encode()) for each in (header, body))
        return f"{signed}.{_url_safe(_openssl('dgst', '-sha256', '-sign', str(self._key), content=signed.encode()))}"

    def bearer(self, **claims: Any) -> dict[str, str]:
        """The header of a request that carries such a token."""
        return {"Authorization": f"Bearer {self.token(**claims)}"}
