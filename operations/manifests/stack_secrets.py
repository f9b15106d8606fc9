"""Secrets in a stack's file: masked where it is read without the Pulumi CLI, or decrypted by the CLI."""

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from components.commands import UserError
from program.config.values import MASK

SECURE = "secure"


class Config(dict[str, str]):
    """A stack's configuration by full key, as the CLI hands it over. secrets: the keys that are, or hold, a secret."""

    secrets: frozenset[str] = frozenset()


def masked(value: Any) -> Any:
    """``value`` with every secret in it masked."""
    if isinstance(value, Mapping):
        return MASK if set(value) == {SECURE} else {key: masked(entry) for key, entry in value.items()}
    return [masked(entry) for entry in value] if isinstance(value, list) else value


def decrypted(stack: str, config: Config, binary: Path, folder: Path, environment: Mapping[str, str]) -> Config:
    """The configuration with its secrets, by the Pulumi CLI.

    Args:
        stack: the stack's name.
        config: its configuration, masked.
        binary: the CLI.
        folder: the project's.
        environment: the CLI's, with the backend and what decrypts.

    Raises:
        UserError: they cannot be decrypted; says which keys hold them, and why.
    """
    keys = ", ".join(sorted(config.secrets))
    words = [str(binary), "config", "--show-secrets", "--json", "--stack", stack, "--non-interactive"]
    done = subprocess.run(words, cwd=folder, env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(
            f"stack {stack} has secrets ({keys}), which `pulumi config --show-secrets` cannot decrypt: "
            f"{' '.join(done.stderr.split())}. Set PULUMI_CONFIG_PASSPHRASE, or log in, as for `up`"
        )
    known = json.loads(done.stdout)
    found = Config({**config, **{key: known[key]["value"] for key in config.secrets}})
    found.secrets = config.secrets
    return found


def secret_texts(hidden: Config, known: Config) -> list[str]:
    """What is masked in ``hidden``, from ``known``, longest first: not to be shown."""
    found: set[str] = set()
    for key in hidden.secrets:
        found |= set(_texts(_tree(hidden[key]), _tree(known[key])))
    return sorted(found, key=len, reverse=True)


def _tree(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _texts(hidden: Any, known: Any) -> Iterator[str]:
    if hidden == MASK:
        yield str(known)
    elif isinstance(hidden, Mapping):
        for key, value in hidden.items():
            yield from _texts(value, known[key])
    elif isinstance(hidden, list):
        for here, there in zip(hidden, known, strict=True):
            yield from _texts(here, there)


def without(text: str, secrets: Iterable[str]) -> str:
    """``text`` with each secret in it masked, also as it stands within JSON or Python's quotes."""
    for secret in filter(None, secrets):
        inside = json.dumps(secret)[1:-1]
        for spelled in {secret, repr(secret)[1:-1], inside, repr(inside)[1:-1]}:
            text = text.replace(spelled, MASK)
    return text
