"""What Pulumi's engine would do to each resource, read from the events of a preview."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands in an event for a text that the update alone will tell.

Source: https://github.com/pulumi/pulumi/blob/v3.274.1/sdk/go/common/resource/plugin/rpc.go (UnknownStringValue).
"""

CREATE, UPDATE, DELETE, REPLACE, SAME = "create", "update", "delete", "replace", "same"
REPLACING = frozenset({"create-replacement", REPLACE})


@dataclass(frozen=True, kw_only=True)
class Step:
    """What becomes of a resource.

    Attributes:
        token: its type.
        name: its logical name.
        verb: CREATE, UPDATE, DELETE, REPLACE or SAME; any other of the engine's, such as read, as it is.
        before: its inputs so far, secrets masked; empty where it is new.
        after: its inputs from then on, with UNKNOWN in places; empty where it goes.
    """

    token: str
    name: str
    verb: str
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


Steps = Mapping[tuple[str, str], Step]
"""By type and logical name."""


def read(events: Path) -> Steps | None:
    """The steps of a preview; None where the CLI has written no events."""
    if not events.exists():
        return None
    found: dict[tuple[str, str], Step] = {}
    for line in events.read_text().splitlines():
        metadata = json.loads(line).get("resourcePreEvent", {}).get("metadata")
        # Of a replacement's steps the one that deletes has only half of it.
        if metadata and metadata["op"] != "delete-replaced":
            step = _step(metadata)
            found[step.token, step.name] = step
    return found


def _step(metadata: Mapping[str, Any]) -> Step:
    verb = metadata["op"]
    before, after = ((metadata.get(key) or {}).get("inputs") or {} for key in ("old", "new"))
    return Step(
        token=metadata["type"],
        name=metadata["urn"].split("::", 3)[3],
        verb=REPLACE if verb in REPLACING else verb,
        before=before,
        after={} if verb == DELETE else after,
    )
