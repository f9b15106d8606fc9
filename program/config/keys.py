"""The keys of a stack's configuration as the engine hands them over: which are there, and which may be secrets."""

import pulumi
from pulumi.runtime import config as runtime_config

from program.config.values import Value

# What any other key says decides names and structure, which stand in clear in the state, the cluster and messages.
SECRET_KEYS = ("istioValues", "cniValues", "ztunnelValues")


class Keys:
    """The stack's keys, one Value each, remembering which keys there are."""

    def __init__(self, config: pulumi.Config) -> None:
        self._config = config
        self._read: set[str] = set()
        self.secrets: frozenset[str] = frozenset()

    def __getitem__(self, key: str) -> Value:
        self._read.add(key)
        path = f"{self._config.name}:{key}"
        value = runtime_config.get_config(path)
        if value is None:
            raise pulumi.RunError(
                f"config key {path} is not set and Pulumi.yaml gives no default; "
                "restore Pulumi.yaml's config section, or set the key"
            )
        secret = runtime_config.is_config_secret(path)
        if secret and key not in SECRET_KEYS:
            raise Value(path, value, secret).error(
                "the value without --secret, as what it decides stands in clear in the state and in the cluster; "
                f"secrets are kept in {', '.join(SECRET_KEYS)}"
            )
        self.secrets |= {key} if secret else set()
        return Value(path, value, secret)

    def refuse_others(self) -> None:
        """Refuse keys of this project that nothing reads: a mistyped key must not pass for a default."""
        prefix = f"{self._config.name}:"
        present = {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}
        for path in sorted(path for path in present if path.startswith(prefix)):
            if path.removeprefix(prefix) not in self._read:
                raise Value(path, present[path], runtime_config.is_config_secret(path)).error(
                    f"one of these keys: {', '.join(sorted(self._read))}"
                )
