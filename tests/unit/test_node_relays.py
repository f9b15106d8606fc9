import os
import socket
from pathlib import Path

from embedded.node.relays import listening, ports


def test_ports_stay_the_same_from_one_start_to_the_next(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    with listening(["api", "http"], file) as listeners:
        assert {listener.getsockname()[0] for listener in listeners.values()} == {"127.0.0.1"}
        assert all(os.get_inheritable(listener.fileno()) for listener in listeners.values())
    before = ports(file)
    with listening(["api", "http"], file):
        assert ports(file) == before


def test_a_port_that_was_taken_meanwhile_is_replaced_by_another(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    with listening(["api"], file):
        before = ports(file)
    with socket.create_server(("127.0.0.1", before["api"])), listening(["api"], file):
        assert ports(file) != before


def test_a_file_that_makes_no_sense_is_none(tmp_path: Path) -> None:
    for content in ("", "[1]", '{"api": "x"}', '{"api": null}'):
        (tmp_path / "ports.json").write_text(content)
        assert ports(tmp_path / "ports.json") == {}
