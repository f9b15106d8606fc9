import pytest

from operations.manifests import graph
from operations.manifests.evaluate import Registration
from operations.manifests.graph import diagram, reduced


def registration(name: str, kind: str, parent: str = "", *needs: str, provider: str = "") -> Registration:
    return Registration(
        token=f"istio-minikube:components:{kind}",
        name=name,
        parent=parent,
        custom=bool(parent),
        inputs={},
        provider=provider,
        dependencies=frozenset(needs),
    )


STACK = (
    registration("istio", "IstioBase"),
    registration("istio-istiod", "Release", "istio"),
    registration("bookinfo", "Bookinfo"),
    registration("bookinfo-web", "Deployment", "bookinfo", "istio-istiod", "bookinfo-account"),
    registration("bookinfo-account", "ServiceAccount", "bookinfo"),
    registration("check", "MeshCheck"),
    registration("check-command", "Command", "check", "bookinfo-web", "istio-istiod"),
)


def test_a_component_is_a_box_with_its_class_and_the_kinds_it_makes() -> None:
    assert 'bookinfo["<b>Bookinfo</b><br/>Deployment, ServiceAccount"]' in diagram(STACK)


def test_an_arrow_leads_to_each_component_whose_resources_wait_and_none_to_itself() -> None:
    assert [line.strip() for line in diagram(STACK).splitlines() if "-->" in line] == [
        "istio --> bookinfo",
        "bookinfo --> check",
    ]


def test_resources_of_nested_components_are_in_the_outermost_box() -> None:
    nested = (*STACK, registration("inner", "Inner", "bookinfo"), registration("deep", "Job", "inner"))
    assert "Job" in diagram(nested)
    assert "deep" not in diagram(nested)


def test_a_component_waits_for_its_provider() -> None:
    provider = Registration(
        token="pulumi:providers:kubernetes",  # noqa: S106 a type token
        name="cluster",
        parent="",
        custom=True,
        inputs={},
        provider="",
        dependencies=frozenset(),
    )
    drawn = diagram((provider, registration("istio", "IstioBase", provider="cluster")))
    assert 'cluster["<b>cluster</b><br/>providers:kubernetes"]' in drawn
    assert "cluster --> istio" in drawn


def test_what_follows_from_other_arrows_is_left_out() -> None:
    assert reduced({"a": set(), "b": {"a"}, "c": {"a", "b"}, "d": {"a", "c"}}) == {
        "a": set(),
        "b": {"a"},
        "c": {"b"},
        "d": {"c"},
    }


def test_components_that_wait_for_each_other_keep_their_arrows() -> None:
    assert reduced({"a": {"b"}, "b": {"a"}}) == {"a": {"b"}, "b": {"a"}}


@pytest.mark.parametrize("stack", ["dev", "staging", "prod", "embedded"])
def test_every_stack_can_be_drawn_without_a_download(stack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was fetched")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    assert "IstioBase" in graph.picture(stack)
