import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from operations import __main__ as command
from operations import reachability
from operations.reachability import Answer, ask, ask_all
from program.addresses import HERE, NODES, Address, addresses
from tests.unit.loading import loaded

SERVICES = json.dumps([{"name": "orders", "image": "registry.example/orders:1.4", "port": 80}])
EVERYTHING = json.dumps(dict.fromkeys(("prometheus", "grafana", "jaeger", "kiali"), True))


@pytest.fixture
def server() -> Iterator[str]:
    """A server whose answer's code is the path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(int(self.path.strip("/")))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        threading.Thread(target=served.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


def an_address(url: str, by: str = HERE) -> Address:
    return Address(url=url, what="charts", by=by, otherwise="set a key")


@pytest.mark.parametrize("code", [200, 401, 405])
def test_an_address_that_answers_is_reached_also_where_it_asks_for_a_login(server: str, code: int) -> None:
    assert ask(an_address(f"{server}/{code}")).why == ""


@pytest.mark.parametrize("code", [403, 404, 503])
def test_an_address_that_has_nothing_for_us_is_told_with_its_code(server: str, code: int) -> None:
    assert f"HTTP Error {code}" in ask(an_address(f"{server}/{code}")).why


@pytest.mark.parametrize(
    ("url", "why"), [("http://127.0.0.1:1/", "Connection refused"), ("nothing", "unknown url type")]
)
def test_an_address_that_cannot_be_reached_says_why(url: str, why: str) -> None:
    assert why in ask(an_address(url)).why


def test_the_answers_come_in_the_order_of_the_addresses(server: str) -> None:
    urls = [f"{server}/{code}" for code in (200, 404, 401)]
    assert [answer.address.url for answer in ask_all([an_address(url) for url in urls])] == urls


def test_an_answer_tells_who_needs_the_address_and_what_to_do() -> None:
    address = an_address("https://charts.example/index.yaml")
    assert str(Answer(address=address)) == "answers  https://charts.example/index.yaml  (charts)"
    assert str(Answer(address=address, why="timed out")) == (
        "no answer  https://charts.example/index.yaml  (charts): timed out. This machine needs it: set a key"
    )


def test_the_tutorials_stack_has_these_addresses() -> None:
    assert {each.url: each.by for each in addresses(loaded())} == {
        "https://blob.istio.io/istio-release/charts/index.yaml": HERE,
        "https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.1.0/standard-install.yaml": HERE,
        "https://registry-1.docker.io/v2/": NODES,
    }


def test_addons_services_tokens_and_oci_charts_have_theirs() -> None:
    settings = loaded(
        observability=EVERYTHING,
        services=SERVICES,
        istioChartRepository="oci://charts.example:5000/mesh",
        security=json.dumps({"jwt": {"issuer": "i", "jwksUri": "https://keys.example/jwks"}}),
    )
    assert {each.url for each in addresses(settings)} == {
        "https://charts.example:5000/v2/",
        "https://prometheus-community.github.io/helm-charts/index.yaml",
        "https://grafana-community.github.io/helm-charts/index.yaml",
        "https://jaegertracing.github.io/helm-charts/index.yaml",
        "https://kiali.org/helm-charts/index.yaml",
        "https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.1.0/standard-install.yaml",
        "https://registry-1.docker.io/v2/",
        "https://quay.io/v2/",
        "https://registry.example/v2/",
        "https://grafana.com/api/dashboards",
        "https://keys.example/jwks",
    }


def test_with_a_mirror_and_folders_the_mirror_is_all_that_must_answer(tmp_path: Path) -> None:
    settings = loaded(
        imageRegistry="mirror.example/hub",
        istioChartRepository=str(tmp_path),
        gatewayApiManifest=str(tmp_path),
        observability=json.dumps({"prometheus": True, "chartRepository": str(tmp_path)}),
    )
    (only,) = addresses(settings)
    assert (only.url, only.by) == ("https://mirror.example/v2/", NODES)


def test_an_embedded_clusters_node_pulls_nothing() -> None:
    settings = replace(loaded(gatewayApiManifest="folder"), cluster_mode="embedded", istio_chart_repository="folder")
    assert addresses(settings) == []


@pytest.mark.parametrize(("by", "code"), [(HERE, 1), (NODES, 0)])
def test_doctor_asks_where_it_is_told_to_and_fails_where_nothing_can_be_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], by: str, code: int
) -> None:
    silent = Answer(address=an_address("https://charts.example/index.yaml", by), why="timed out")
    asked: list[str] = []

    def of_stack(stack: str) -> list[Answer]:
        asked.append(stack)
        return [silent]

    monkeypatch.setattr("operations.doctor.obstacles", lambda *_, **__: [])
    monkeypatch.setattr(reachability, "of_stack", of_stack)
    assert command.main(["doctor", "--stack", "dev"]) == 0
    assert asked == []
    capsys.readouterr()
    assert command.main(["doctor", "--stack", "dev", "--online"]) == code
    said = capsys.readouterr().out
    assert f"(charts): timed out. {by[0].upper()}{by[1:]} needs it: set a key" in said
    assert ("`make up` cannot work: https://charts.example/index.yaml does not answer" in said) == bool(code)
    assert command.main(["doctor", "--stack", "dev", "--online", "--output", "json"]) == code
    assert json.loads(capsys.readouterr().out)["addresses"] == {"https://charts.example/index.yaml": "timed out"}


def test_the_addresses_are_those_of_the_stacks_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability, "ask", lambda address: Answer(address=address))
    urls = [answer.address.url for answer in reachability.of_stack("prod")]
    assert "https://github.com/kubernetes-sigs/gateway-api/releases/download/v1.6.1/standard-install.yaml" in urls
