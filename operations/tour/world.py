"""The running stack as the tour's steps see it: what they show, ask, and switch on."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from components.commands import UserError
from components.kube import Kube
from operations.access.page import Answer, asked
from operations.tour.texts import Texts

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 120.0
"""How long a change may take to reach every proxy."""

PREFIX = "istio-minikube:"


class NotHereError(Exception):
    """A step cannot be shown on this stack; says why, in the tour's language."""


@dataclass(kw_only=True)
class World:
    """A stack that is up.

    Attributes:
        stack: its name.
        settings: its configuration by bare key.
        kube: its cluster.
        environment: in which kubectl is the stack's.
        page: the product page's address on this machine; empty where pods are simulated.
        up: brings the stack up with these keys over its configuration.
        texts: what is said.
        say: receives it.
    """

    stack: str
    settings: Mapping[str, str]
    kube: Kube
    environment: Mapping[str, str]
    page: str
    up: Callable[[Mapping[str, str]], object]
    texts: Texts
    say: Callable[[str], None]
    switched: bool = field(default=False, init=False)

    @property
    def namespace(self) -> str:
        """Bookinfo's."""
        return self.settings["namespace"]

    def show(self, *words: str, excerpt: Callable[[str], str] = str.rstrip) -> str:
        """Run a command as a person would in `make shell`, and show it with what it prints, or an excerpt of that.

        Raises:
            UserError: it fails, with its own words.
        """
        self.say(f"$ {' '.join(words)}")
        done = subprocess.run(
            list(words),
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise UserError(f"`{' '.join(words)}` fails: {' '.join(done.stderr.split())}")
        shown = excerpt(done.stdout)
        self.say(f"{shown}\n")
        return shown

    def switch(self, key: str, value: object) -> None:
        """Bring the stack up with one more line of configuration, which is shown.

        Args:
            key: a key of the program.
            value: for a key that holds an object, what is added to the stack's own.
        """
        own = self.settings[key]
        written = value if isinstance(value, str) else json.dumps(value)
        self.say(self.texts.phrase("line"))
        self.say(f"    {PREFIX}{key}: {_as_yaml(value)}\n")
        merged = written if isinstance(value, str) else json.dumps({**json.loads(own), **json.loads(written)})
        self.say(f"$ python -m operations up --stack {self.stack} --config '{key}={merged}'")
        self.switched = True
        self.up({key: merged})
        self.say("")

    def needs(self, key: str, accepted: Callable[[str], bool]) -> None:
        """Go on where a step can switch on what it shows.

        Args:
            key: what it would set.
            accepted: whether the stack's own value of that leaves room for it.

        Raises:
            NotHereError: no request is answered here, the cluster is shared, or the stack has it already.
        """
        self.needs_answers()
        if self.settings["protect"] == "true":
            raise NotHereError(self.texts.phrase("protected"))
        if not accepted(self.settings[key]):
            raise NotHereError(self.texts.phrase("already", key=f"{PREFIX}{key}"))

    def needs_answers(self) -> None:
        """Go on where requests are answered.

        Raises:
            NotHereError: they are not, as pods are simulated, or only to who has a token.
        """
        if not self.page:
            raise NotHereError(self.texts.phrase("simulated"))
        if "jwt" in json.loads(self.settings["security"]):
            raise NotHereError(self.texts.phrase("token"))

    def ask(self, query: str = "") -> Answer:
        """One request to the page through the gateway."""
        return asked(f"{self.page}{query}")

    def until(self, what: str, done: Callable[[], bool]) -> None:
        """Wait until ``done``.

        Raises:
            UserError: it was not in time; names what was expected.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not done():
            if time.monotonic() > deadline:
                raise UserError(f"the tour expected {what}, and waited {PATIENCE_SECONDS:.0f} s for it")
            time.sleep(POLL_SECONDS)


def _as_yaml(value: object) -> str:
    """A value as it stands in a stack's file, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_as_yaml(entry)}" for key, entry in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)
