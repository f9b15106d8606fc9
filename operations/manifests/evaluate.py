"""Evaluates a program without the Pulumi CLI, under the SDK's own mocks: what it would register; nothing is created."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.runtime import mocks, rpc
from pulumi.runtime.config import set_all_config
from pulumi.runtime.settings import get_root_resource

from components.commands import UserError
from operations.manifests.stack_secrets import Config, masked

PROJECT = Path(__file__).resolve().parents[2]
# How many resources are made side by side. Most of their time is spent waiting for the cluster.
WORKERS = 32
COMMAND = "command:local:Command"


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A resource as the program registered it.

    Attributes:
        token: its type, such as ``kubernetes:core/v1:Namespace``.
        name: its logical name.
        parent: the logical name of its parent; empty under the stack.
        custom: whether a provider makes it; False for a component.
        inputs: its inputs, keys in the provider's own spelling.
        secrets: the inputs that hold a secret somewhere.
        provider: the logical name of its provider; empty for the default one.
        dependencies: logical names of what it waits for, by an option or through an input.
        protect: whether Pulumi refuses to delete it.
    """

    token: str
    name: str
    parent: str
    custom: bool
    inputs: Mapping[str, Any]
    provider: str
    dependencies: frozenset[str]
    protect: bool = False
    secrets: frozenset[str] = frozenset()


@dataclass(kw_only=True)
class Recorder(mocks.Mocks):
    """Mocks that make nothing: each resource answers with its inputs and is remembered in the order of creation.

    A subclass makes them for real by its ``create``.
    """

    registrations: list[Registration] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    requests: dict[tuple[str, str], Any] = field(default_factory=dict)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        """No provider function is called: what must be looked up is looked up before composition."""
        raise NotImplementedError(f"the program calls {args.token}, which nothing here can answer")

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Called by the SDK, in a thread of its own, once everything that the resource waits for is there."""
        request = self.requests[args.typ, args.name]
        registration = Registration(
            token=args.typ,
            name=args.name,
            parent=_name(request.parent),
            custom=bool(args.custom),
            inputs=_plain(args.inputs),
            provider=_provider(request),
            dependencies=frozenset(map(_name, request.dependencies)),
            protect=request.protect,
            # An input with a secret anywhere in it reaches the mocks as a secret itself.
            secrets=frozenset(key for key, value in args.inputs.items() if rpc.is_rpc_secret(value)),
        )
        outputs = self.create(registration)
        self.registrations.append(registration)
        return registration.name, outputs

    def create(self, registration: Registration) -> dict[str, Any]:
        """Make a resource and return its outputs; here, what a command that did not run has printed: nothing."""
        printed = {"stdout": ""} if registration.token == COMMAND else {}
        return {**registration.inputs, **printed}

    def named(self, name: str) -> Registration:
        """The resource with a logical name."""
        return next(registration for registration in self.registrations if registration.name == name)


class Monitor(mocks.MockMonitor):
    """The SDK's mock monitor, which tells mocks nothing of a resource's options; this one keeps them."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self._recorder = recorder

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 the SDK's name
        """Keep the request for the mocks, which are told its type, name and inputs only."""
        self._recorder.requests[request.type, request.name] = request
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


def stack_config(stack: str, overrides: Mapping[str, str] | None = None, project: Path = PROJECT) -> Config:
    """The configuration that the Pulumi CLI would hand to the program: Pulumi.yaml's defaults, then the stack's file.

    Secrets of the stack's file, which only the CLI can decrypt, are masked.

    Args:
        stack: the stack's name; its file is Pulumi.NAME.yaml.
        overrides: keys without the project's name, over both files.
        project: the folder with Pulumi.yaml.

    Raises:
        UserError: there is no such stack file, or it cannot be read.
    """
    description = yaml.safe_load((project / "Pulumi.yaml").read_text())
    file = project / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(path.suffixes[0][1:] for path in project.glob("Pulumi.*.yaml")))
        raise UserError(f"there is no stack {stack!r} here, as there is no file Pulumi.{stack}.yaml; accepted: {known}")
    # As the CLI has it: a key of this project's has a default, one of another namespace (pulumi:...) has a value.
    values = {
        key if ":" in key else f"{description['name']}:{key}": entry["value" if ":" in key else "default"]
        for key, entry in description["config"].items()
    }
    written = _written(file)
    values |= masked(written)
    values |= {f"{description['name']}:{key}": value for key, value in (overrides or {}).items()}
    config = Config({key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()})
    config.secrets = frozenset(key for key, value in written.items() if masked(value) != value)
    return config


def _written(file: Path) -> dict[str, Any]:
    """The keys and values of a stack's file."""
    try:
        content = yaml.safe_load(file.read_text()) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: bytes that are no text
        raise UserError(f"{file.name} cannot be read: {' '.join(str(error).split())}") from error
    config = (content.get("config") or {}) if isinstance(content, dict) else content
    accepted = "accepted: keys with a namespace, such as istio-minikube:namespace, each with its value"
    if not isinstance(config, dict):
        raise UserError(f"{file.name} has config {config!r}; {accepted}")
    if bare := [key for key in config if ":" not in str(key)]:
        raise UserError(f"{file.name} has the config key {bare[0]!r}; {accepted}")
    return config


def evaluate(recorder: Recorder, stack: str, config: Mapping[str, str], declare: Callable[[], object]) -> None:
    """Call ``declare`` once as the program of the stack named ``stack``; ``recorder`` is told what it registers.

    Args:
        recorder: what answers in the place of providers.
        stack: the stack's name.
        config: its whole configuration, by keys with their namespace.
        declare: registers resources and exports outputs.

    Raises:
        pulumi.RunError: the program refuses its configuration or the cluster.
        Exception: whatever ``recorder`` raised.
    """
    with _clean_runtime():
        set_all_config(dict(config), list(config.secrets) if isinstance(config, Config) else [])
        name = next(iter(config)).split(":")[0]
        # Not a preview: with one, outputs that mocks leave out are unknown and `apply` never runs.
        mocks.set_mocks(recorder, project=name, stack=stack, preview=False, logger=LOG, monitor=Monitor(recorder))

        def program() -> pulumi.Output[None]:
            declare()
            exported = get_root_resource().outputs  # type: ignore[union-attr] # set_mocks made the stack
            return pulumi.Output.from_input(exported).apply(recorder.outputs.update)

        mocks.test(program)()


LOG = logging.getLogger("pulumi")


@contextmanager
def _clean_runtime() -> Iterator[None]:
    """An event loop with enough threads, and none of the last program's root stack or configuration."""
    loops: list[asyncio.AbstractEventLoop] = []

    def own_loop() -> None:
        loops.append(asyncio.new_event_loop())
        asyncio.set_event_loop(loops[-1])

    pulumi.runtime.reset_options()
    own_loop()
    # The SDK's mocks make a loop in each thread that has none, and leave it open: Python then complains at its exit.
    loops[0].set_default_executor(ThreadPoolExecutor(max_workers=WORKERS, initializer=own_loop))
    try:
        yield
    finally:
        loops[0].run_until_complete(loops[0].shutdown_default_executor())
        for loop in loops:
            loop.close()
        asyncio.set_event_loop(None)
        set_all_config({}, [])


def _name(urn: str) -> str:
    """A URN's logical name; empty for the stack, which is no resource of the program."""
    return "" if "::pulumi:pulumi:Stack::" in urn or not urn else urn.split("::", 3)[3]


def _plain(value: Any) -> Any:
    """Inputs with each secret as the value that it guards, which is what a provider is given."""
    if rpc.is_rpc_secret(value):
        return _plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    # On its way to a resource every whole number becomes a float.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _provider(request: Any) -> str:
    reference = request.provider or next(iter(request.providers.values()), "")
    return _name(reference.rsplit("::", 1)[0]) if reference else ""
