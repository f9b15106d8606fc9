"""Reads configuration of any depth as the types it should have; a mistake is told by its full key path."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

# Names in the DNS: a label; a name, which an object of Kubernetes may have too; one of two labels or more.
DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
DNS_NAME = rf"{DNS_LABEL}(\.{DNS_LABEL})*"
DOMAIN = rf"{DNS_LABEL}(\.{DNS_LABEL})+"
# What the API server takes as the name of a Service, which is a name in the DNS too.
SERVICE_NAME = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"
NAME_LENGTH = 63
LABEL_VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
LABEL_KEY = rf"({DNS_NAME}/)?{LABEL_VALUE[:-1]}"
# A namespace that may be in the mesh, and how it is described: the control planes' own may not.
INJECTABLE = (
    rf"(?!istio-system$|kube-){DNS_LABEL}",
    "a DNS-1123 label such as default, but not istio-system and not kube-*",
)
NUMBER = "(0|[1-9][0-9]{0,8})"
RELEASE = rf"{NUMBER}\.{NUMBER}\.{NUMBER}"
# In the place of a secret that cannot be decrypted where a stack's file is read without the Pulumi CLI.
MASK = "(masked)"
# What the Gateway API takes, and Istio too: https://gateway-api.sigs.k8s.io/geps/gep-2257/
DURATION = r"(?=.*[1-9])([0-9]{1,5}(h|ms|m|s)){1,4}"


@dataclass(frozen=True)
class Value:
    """One value of the configuration, and where it stands.

    Each reader returns the value as a checked Python value, or ``default`` where the value is not set and there is
    one; otherwise it raises a pulumi.RunError that names the path, the value seen and what is accepted. Text that
    says the same (``"5"``, ``"true"``, JSON) is taken too, as the stack's own configuration is text.

    Attributes:
        path: the full key path, such as ``istio-minikube:traffic.reviews.routes[1].weight``.
        seen: the value; None for one that is not set.
        secret: it is, or is part of, a secret, which no message shows.
    """

    path: str
    seen: Any
    secret: bool = False

    @property
    def is_set(self) -> bool:
        """Whether the configuration says anything here."""
        return self.seen is not None

    @property
    def is_masked(self) -> bool:
        """Whether it stands for a secret that is not known here."""
        return bool(self.seen == MASK)

    def text(self, pattern: str, accepted: str, *, default: str | None = None) -> str:
        """Text that matches ``pattern`` as a whole."""
        if not self.is_set and default is not None:
            return default
        if not isinstance(self.seen, str) or not re.fullmatch(pattern, self.seen):
            raise self.error(accepted)
        return self.seen

    def choice(self, *choices: str, accepted: str = "", default: str | None = None) -> str:
        """One of ``choices``."""
        return self.text("|".join(map(re.escape, choices)), accepted or " or ".join(choices), default=default)

    def dns_label(self) -> str:
        """A name that Kubernetes takes for a namespace, or as a label's value."""
        return self.text(DNS_LABEL, "a DNS-1123 label such as reviews")

    def service_name(self) -> str:
        """A name that Kubernetes takes for a Service."""
        return self.text(SERVICE_NAME, "a DNS-1035 label such as reviews, which begins with a letter")

    def duration(self, *, default: str | None = None) -> str:
        """A length of time above zero; in whole numbers, so half a second is ``500ms``."""
        return self.text(DURATION, "a duration above zero such as 500ms, 2s or 1m30s", default=default)

    def port(self, *, default: int | None = None) -> int:
        """A port's number."""
        return self.integer("a port's number", least=1, most=65535, default=default)

    def integer(self, what: str, *, least: int, most: int | None = None, default: int | None = None) -> int:
        """A whole number; ``what`` says of what, such as ``a whole number of MiB``."""
        if not self.is_set and default is not None:
            return default
        shown = f"{least} or more" if most is None else f"{least} to {most}"
        text = str(self.seen) if type(self.seen) in (int, str) else ""
        if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or not least <= int(text) <= (most or int(text)):
            raise self.error(f"{what}, {shown}")
        return int(text)

    def number(self, what: str, *, least: float, most: float, default: float | None = None) -> float:
        """A number, which may have decimals; ``what`` says of what, such as ``a percentage``."""
        if not self.is_set and default is not None:
            return default
        text = str(self.seen) if type(self.seen) in (int, float, str) else ""
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text, re.ASCII) or not least <= float(text) <= most:
            raise self.error(f"{what}, {least:g} to {most:g}")
        return float(text)

    def boolean(self, *, default: bool | None = None) -> bool:
        """True or false."""
        if isinstance(self.seen, bool):
            return self.seen
        return self.choice("true", "false", default=None if default is None else str(default).lower()) == "true"

    def mapping(self, accepted: str = "an object") -> dict[str, Any]:
        """An object as it stands, its values unread; not set is empty."""
        value = self._tree({})
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise self.error(accepted)
        return dict(value)

    def entries(self, accepted: str = "an object") -> dict[str, "Value"]:
        """The values of an object whose keys are the user's to name; not set is empty."""
        return {key: self.below(f".{key}", value) for key, value in self.mapping(accepted).items()}

    def keys(self, *known: str) -> dict[str, "Value"]:
        """The values of an object whose keys are known, set or not; any other key is refused."""
        present = self.entries(f"an object with keys of {', '.join(known)}")
        for key, value in present.items():
            if key not in known:
                raise value.error(f"one of these keys: {', '.join(known)}")
        return {key: present.get(key, self.below(f".{key}", None)) for key in known}

    def items(self, accepted: str = "a list") -> list["Value"]:
        """The values of a list; not set is empty."""
        value = self._tree([])
        if not isinstance(value, list):
            raise self.error(accepted)
        found = [self.below(f"[{index}]", item) for index, item in enumerate(value)]
        for item in found:
            if not item.is_set:
                # An object without a key may mean everything: a rule that fits any request.
                raise item.error("a value, or {} for an object without a key: an empty entry of a list is none")
        return found

    def below(self, step: str, seen: Any) -> "Value":
        """A value that is part of this one; ``step`` is what leads to it, such as ``.KEY``."""
        return Value(f"{self.path}{step}", seen, self.secret)

    def error(self, accepted: str) -> pulumi.RunError:
        """The refusal of this value, to be raised."""
        shown = "a secret" if self.secret else repr(self.seen)
        seen = f"is {shown}" if self.is_set else "is not set"
        return pulumi.RunError(f"config key {self.path} {seen}; accepted: {accepted}")

    def _tree(self, default: Any) -> Any:
        if not isinstance(self.seen, str):
            return self.seen if self.is_set else default
        try:
            return json.loads(self.seen)
        except ValueError:
            return None
