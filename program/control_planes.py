"""Which control planes the mesh has, and which of them each namespace uses: pure data, and how it is read.

Source: https://istio.io/latest/docs/setup/upgrade/canary/ and https://istio.io/latest/blog/2021/revision-tags/
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from program.config.values import INJECTABLE, RELEASE, Value

# What Istio calls the revision that has no name, and the tag behind the label istio-injection=enabled.
DEFAULT = "default"
# Helm takes 53 characters as the name of a release, of which `istiod-` is 7.
REVISION_NAME = r"[a-z0-9]([-a-z0-9]{0,44}[a-z0-9])?"


@dataclass(frozen=True, kw_only=True)
class ControlPlanes:
    """One istiod, or several side by side.

    Attributes:
        versions: version by revision, in the order of the configuration.
        base: the version of what they share: the CRDs, which never go back.
        selected: the revision or tag of every namespace that is not told another; empty is the default injection.
        tags: revision by tag.
        namespaces: the revision or tag of single namespaces; istio-system's is the ingress gateway's.
        side_by_side: they are listed by the key revisions.
    """

    versions: Mapping[str, str]
    base: str
    selected: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    namespaces: Mapping[str, str] = field(default_factory=dict)
    side_by_side: bool = False

    @property
    def share_versions(self) -> bool:
        """Whether two revisions are of one version, so that it does not tell whose a sidecar is."""
        return len(set(self.versions.values())) < len(self.versions)

    @property
    def istiods(self) -> dict[str, str]:
        """Version by the revision that Istio's chart is told: empty for the istiod without a name."""
        return {self.chart_revision(revision): version for revision, version in self.versions.items()}

    @property
    def default(self) -> str:
        """The revision of the default injection; empty where there is none."""
        return self.tags.get(DEFAULT, DEFAULT if DEFAULT in self.versions else "")

    def label(self, namespace: str) -> str:
        """The revision or tag that a namespace names; empty for the default injection."""
        return self.namespaces.get(namespace, self.selected)

    def revision(self, namespace: str) -> str:
        """The revision that serves a namespace."""
        name = self.label(namespace) or DEFAULT
        return self.tags.get(name, name)

    def istiod(self, namespace: str) -> str:
        """The same, as Istio's chart is told it: empty for the istiod without a name."""
        return self.chart_revision(self.revision(namespace))

    def chart_revision(self, revision: str) -> str:
        """A revision as Istio's chart is told it."""
        if not self.side_by_side:
            return self.selected
        return "" if revision == DEFAULT else revision


def read_revisions(value: Value) -> dict[str, str]:
    """Version by revision; empty for the one istiod of istioVersion.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    versions: dict[str, str] = {}
    for item in value.items("a list of revisions, such as [{name: 1-24-6, version: 1.24.6}]"):
        keys = item.keys("name", "version")
        name = keys["name"].text(
            REVISION_NAME,
            "a DNS-1123 label of up to 46 characters such as 1-24-6, or default for the istiod without a name",
        )
        version = keys["version"].text(RELEASE, "MAJOR.MINOR.PATCH, such as 1.24.6")
        if name in versions:
            raise keys["name"].error("a name that no other revision has")
        versions[name] = version
    return versions


def read_tags(value: Value, revisions: Mapping[str, str]) -> dict[str, str]:
    """Revision by tag.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    tags: dict[str, str] = {}
    for tag, entry in value.entries("an object of tags and revisions, such as {default: 1-23-0}").items():
        if not revisions:
            raise entry.error("no tag, as revisions lists nothing that it could stand for")
        Value(entry.path, tag).dns_label()
        if tag in revisions:
            raise entry.error(f"another tag than {tag}, as a revision has that name and injects for it")
        tags[tag] = entry.choice(*revisions)
    return tags


def read_selected(value: Value, revisions: Mapping[str, str], tags: Mapping[str, str]) -> str:
    """The revision or tag of every namespace that is not told another.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    selected = value.text(rf"({REVISION_NAME})?", "a DNS-1123 label of up to 46 characters such as 1-23-0, or empty")
    choices = [*revisions, *tags]
    if revisions and (selected or DEFAULT) not in choices:
        raise value.error(f"one of revisions and tags: {', '.join(choices)} (empty stands for {DEFAULT})")
    return selected


def read_namespaces(
    value: Value, revisions: Mapping[str, str], tags: Mapping[str, str], known: frozenset[str]
) -> dict[str, str]:
    """The revision or tag of single namespaces among those ``known``.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    namespaces: dict[str, str] = {}
    for namespace, entry in value.entries("an object of namespaces and revisions, such as {shop: 1-24-6}").items():
        if namespace not in known:
            raise Value(entry.path, namespace).error(f"one of this stack's namespaces: {', '.join(sorted(known))}")
        if not revisions:
            raise entry.error("no entry, as revisions lists nothing to choose from")
        namespaces[namespace] = entry.choice(*revisions, *tags)
    return namespaces


def read_rollout(value: Value, *, data_plane: str) -> tuple[str, ...]:
    """Namespaces where Deployments that are not the stack's are restarted when their proxies are old.

    Raises:
        pulumi.RunError: names the key path, the value seen and what is accepted.
    """
    items = value.items("a list of namespaces, such as [orders]")
    if items and data_plane == "ambient":
        raise value.error("an empty list with dataPlane ambient, whose pods have no proxy of their own")
    return tuple(dict.fromkeys(item.text(*INJECTABLE) for item in items))
