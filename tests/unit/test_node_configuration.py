import ipaddress
import json
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from embedded.errors import EmbeddedError
from embedded.images import contents
from embedded.node import addresses, certificates, containerd, control_plane, init, kubelet, programs
from embedded.node.cluster import RealCluster
from embedded.node.parts import Parts
from embedded.node.settings import Settings

KUBECONFIG = Path("/somewhere/kubeconfig")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    parts = Parts(
        control_plane=Path("/control-plane"), node=Path("/node"), istio=Path("/istio"), nft=Path("/deb/sbin/nft")
    )
    (tmp_path / "configuration").mkdir()
    return Settings(root=tmp_path, parts=parts, cgroup="embedded-1", relays={"api": 5, "http": 6})


def test_settings_come_back_as_they_were_written(settings: Settings, tmp_path: Path) -> None:
    settings.write(tmp_path / "settings.json")
    assert Settings.read(tmp_path / "settings.json") == settings


def test_the_ranges_of_pods_services_and_load_balancers_do_not_meet() -> None:
    ranges = [
        ipaddress.ip_network(each)
        for each in (addresses.POD_RANGE, addresses.SERVICE_RANGE, addresses.LOAD_BALANCER_RANGE)
    ]
    assert not [(a, b) for a in ranges for b in ranges if a is not b and a.overlaps(b)]
    assert ipaddress.ip_address(addresses.API_SERVICE) == ipaddress.ip_network(addresses.SERVICE_RANGE)[1]
    assert ipaddress.ip_address(addresses.DNS_SERVICE) in ipaddress.ip_network(addresses.SERVICE_RANGE)


def test_nobody_uses_the_api_server_or_etcd_without_saying_who(settings: Settings) -> None:
    assert "--anonymous-auth=false" in control_plane.apiserver_arguments(settings)
    assert "--authorization-mode=Node,RBAC" in control_plane.apiserver_arguments(settings)
    assert "--enable-admission-plugins=NodeRestriction" in control_plane.apiserver_arguments(settings)
    etcd = control_plane.etcd_arguments(settings)
    assert {"--client-cert-auth", "--peer-client-cert-auth"} <= set(etcd)
    assert not [each for each in etcd if "http://" in each]


def test_kubelet_asks_the_api_server_who_someone_is_and_what_they_may(settings: Settings) -> None:
    configuration = kubelet.kubelet_configuration(settings)
    assert configuration["authentication"] == {
        "anonymous": {"enabled": False},
        "webhook": {"enabled": True},
        "x509": {"clientCAFile": str(settings.certificates / "ca.crt")},
    }
    assert configuration["authorization"] == {"mode": "Webhook"}
    assert configuration["readOnlyPort"] == 0
    assert configuration["cgroupRoot"] == "/embedded-1"


def test_kube_proxy_leaves_the_machines_connection_tracking_alone() -> None:
    configuration = kubelet.proxy_configuration(KUBECONFIG)
    assert configuration["mode"] == "nftables"
    assert configuration["conntrack"] == {
        "maxPerCore": 0,
        "min": 0,
        "tcpEstablishedTimeout": "0s",
        "tcpCloseWaitTimeout": "0s",
    }


def test_each_controller_has_only_its_own_rights(settings: Settings) -> None:
    arguments = control_plane.controller_manager_arguments(settings, KUBECONFIG)
    assert "--use-service-account-credentials=true" in arguments


def test_identities_are_those_that_kubernetes_own_roles_are_bound_to() -> None:
    identities = {each.name: each for each in certificates.IDENTITIES}
    assert len(identities) == len(certificates.IDENTITIES)
    assert identities["kubelet"].commonName == "system:node:embedded"
    assert identities["kubelet"].organizations == ("system:nodes",)
    assert not [each for each in certificates.IDENTITIES if "system:masters" in each.organizations]
    assert {"127.0.0.1", addresses.NODE_ADDRESS, addresses.API_SERVICE} <= set(identities["apiserver"].hosts)


def test_a_kubeconfig_logs_in_with_the_identitys_certificate() -> None:
    content = json.loads(certificates.kubeconfig(Path("/pki"), "scheduler"))
    assert content["users"][0]["user"] == {
        "client-certificate": "/pki/scheduler.crt",
        "client-key": "/pki/scheduler.key",
    }
    assert content["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"


def test_users_that_only_this_cluster_has_are_bound_to_roles() -> None:
    bound = {
        subject["name"]
        for manifest in yaml.safe_load_all(init.ROLES.read_text())
        for subject in manifest.get("subjects", [])
    }
    assert bound == {certificates.KUBELET_CLIENT, certificates.LOAD_BALANCERS, certificates.NETWORK_POLICIES}


def test_everything_containerd_writes_is_the_clusters(settings: Settings) -> None:
    content = tomllib.loads(containerd.write(settings).read_text())
    assert content["root"] == str(settings.root / "containerd")
    assert content["state"].startswith("/run/")
    assert content["plugins"]["io.containerd.internal.v1.opt"]["path"].startswith(f"{settings.root}/")
    runtime = content["plugins"]["io.containerd.cri.v1.runtime"]
    assert runtime["containerd"]["runtimes"]["runc"]["options"]["BinaryName"] == "/node/runc"


def test_pods_networks_and_plugins_are_where_an_agent_such_as_istios_adds_its_own(settings: Settings) -> None:
    runtime = tomllib.loads(containerd.write(settings).read_text())["plugins"]["io.containerd.cri.v1.runtime"]
    assert runtime["cni"] == {"bin_dirs": ["/node/cni", "/opt/cni/bin"], "conf_dir": "/etc/cni/net.d"}
    (network,) = (settings.configuration / "cni" / "net.d").iterdir()
    assert [plugin["type"] for plugin in json.loads(network.read_text())["plugins"]] == ["ptp"]


def test_every_registry_is_the_one_on_the_nodes_loopback(settings: Settings) -> None:
    containerd.write(settings)
    hosts = tomllib.loads((settings.configuration / "registries/_default/hosts.toml").read_text())
    assert hosts["server"] == "http://127.0.0.1:5000"
    assert hosts["host"] == {"http://127.0.0.1:5000": {"capabilities": ["pull", "resolve"]}}


def test_the_images_of_the_cluster_itself_are_among_those_that_are_made() -> None:
    manifests = list(yaml.safe_load_all(init.DNS.read_text()))
    pods = [each["spec"]["template"]["spec"] for each in manifests if each["kind"] == "Deployment"]
    assert [pod["containers"][0]["image"] for pod in pods] == [contents.COREDNS]


def test_every_manifest_is_of_a_kind_whose_path_is_known() -> None:
    kinds = {each["kind"] for file in (init.ROLES, init.DNS) for each in yaml.safe_load_all(file.read_text())}
    assert kinds == set(init.PLURALS)


def test_dns_is_where_pods_are_told_it_is() -> None:
    manifests = list(yaml.safe_load_all(init.DNS.read_text()))
    assert [each["spec"]["clusterIP"] for each in manifests if each["kind"] == "Service"] == [addresses.DNS_SERVICE]


def test_the_relay_has_the_hosts_sockets_and_leads_to_the_api_server_and_to_what_is_published(
    settings: Settings,
) -> None:
    relay = programs.relay(settings)
    assert relay.descriptors == (5, 6)
    assert relay.command[2:] == (
        f"{addresses.DNS_SERVICE}:53",
        "5=127.0.0.1:6443",
        f"6=@{settings.published}:80",
    )


def test_only_what_runs_nft_gets_its_libraries(settings: Settings) -> None:
    parts = Parts(**{**vars(settings.parts), "libraries": "/deb/lib"})
    unpacked = Settings(**{**vars(settings), "parts": parts})
    environments = {each.name: each.environment for each in (*programs.first(unpacked), *programs.clients(unpacked))}
    # Istio's CNI plugin, which containerd runs, runs nft.
    assert environments["containerd"]["PATH"].startswith("/deb/sbin:")
    assert environments["kube-proxy"]["LD_LIBRARY_PATH"] == "/deb/lib"
    assert environments["kube-proxy"]["PATH"].startswith("/deb/sbin:")
    assert environments["network-policies"]["LD_LIBRARY_PATH"] == "/deb/lib"
    assert "LD_LIBRARY_PATH" not in environments["kubelet"]


def test_no_variable_of_the_users_reaches_a_program(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://somewhere")
    monkeypatch.setenv("ETCD_NAME", "mine")
    for program in (*programs.first(settings), *programs.clients(settings)):
        assert not {"HTTPS_PROXY", "ETCD_NAME"} & set(program.environment)


def test_a_disk_without_room_is_told_before_anything_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=5 << 20))
    with pytest.raises(EmbeddedError, match=r"needs 1024 MB in .*/root, where only 5 MB are free"):
        RealCluster(tmp_path / "root", say=lambda _: None).start()
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["lock"]
