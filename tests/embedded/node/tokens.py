"""JSON Web Tokens of an issuer of the tests' own, signed by openssl."""

import base64
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ISSUER, AUDIENCE = "https://accounts.example.com", "bookinfo"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """Whoever has a key may sign; the key is a file. ``name`` is the claim iss."""

    key: Path
    name: str = ISSUER

    @classmethod
    def in_folder(cls, folder: Path, name: str = ISSUER) -> Self:
        """One with a key of its own, a folder for each."""
        key = folder / "key.pem"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        return cls(key=key, name=name)

    @property
    def jwks(self) -> dict[str, Any]:
        """The key's public half, as the configuration takes it."""
        command = ["openssl", "rsa", "-in", str(self.key), "-noout", "-modulus"]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        modulus = bytes.fromhex(printed.strip().removeprefix("Modulus="))
        return {"keys": [{"kty": "RSA", "alg": "RS256", "e": "AQAB", "n": _encoded(modulus)}]}

    def token(self, *, lasts: int = 3600, **claims: Any) -> str:
        """A signed token for an hour, or one that has expired with ``lasts`` below zero."""
        payload = {"iss": self.name, "aud": AUDIENCE, "sub": "somebody", "exp": int(time.time()) + lasts, **claims}
        parts = (json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, payload))
        said = ".".join(map(_encoded, parts))
        command = ["openssl", "dgst", "-sha256", "-sign", str(self.key)]
        signed = subprocess.run(command, input=said.encode(), check=True, capture_output=True).stdout
        return f"{said}.{_encoded(signed)}"

    def bearer(self, **claims: Any) -> dict[str, str]:
        """The header of a request with such a token."""
        return {"Authorization": f"Bearer {self.token(**claims)}"}
