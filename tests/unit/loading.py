"""Settings as the stack dev has them, with other values for some keys."""

import re
from typing import Any

from pulumi.runtime import settings as runtime
from pulumi.runtime.config import set_all_config

from operations.manifests.evaluate import stack_config
from program.settings import Settings

PROJECT_NAME = "istio-minikube"
DEV = stack_config("dev")


def load(config: dict[str, str], *secrets: str) -> Settings:
    """Load a whole configuration, as the Pulumi CLI would hand it over; ``secrets`` are keys of secret values."""
    runtime.configure(runtime.Settings(project=PROJECT_NAME, stack="dev"))
    set_all_config(config, [f"{PROJECT_NAME}:{key}" for key in secrets])
    try:
        return Settings.load()
    finally:
        set_all_config({}, [])
        runtime.reset_options()


def loaded(**overrides: str) -> Settings:
    """Load stack dev with these keys."""
    return load({**DEV, **{f"{PROJECT_NAME}:{key}": value for key, value in overrides.items()}})


def refusal(key: str, path: str, value: Any, accepted: str) -> str:
    """A pattern of the refusal of what stands at a path below a key whose value this is, or of the path's last key."""
    steps = re.findall(r"[^.\[\]]+", path)
    for step in steps:
        value = value[int(step)] if isinstance(value, list) else (value or {}).get(step)
    shown = "is not set" if value is None else f"is {value!r}"
    seen = "|".join(map(re.escape, (shown, f"is {steps[-1]!r}")))
    return f"^{re.escape(f'config key istio-minikube:{key}{path}')} ({seen}); accepted: {re.escape(accepted)}"
