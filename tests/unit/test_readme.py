from pathlib import Path

import pytest

from components.commands import UserError
from operations.manifests.readme import config_table, inserted, markers, update

START, END = markers("graph")
PLACES = "\n".join([*markers("graph"), *markers("config"), ""])


def test_a_part_goes_between_its_markers_and_the_rest_stays() -> None:
    readme = f"# Title\n{START}\nold\n{END}\nrest\n"
    assert inserted(readme, "graph", "new") == f"# Title\n{START}\nnew\n{END}\nrest\n"


@pytest.mark.parametrize("readme", ["", f"{START}\n", f"{END}\n{START}\n"])
def test_a_readme_without_markers_is_an_error_that_says_which(readme: str) -> None:
    with pytest.raises(UserError, match=f"no lines {START} and {END}"):
        inserted(readme, "graph", "new")


def test_a_key_is_a_row_with_its_type_default_and_description() -> None:
    cpus = "{type: integer, default: 4, description: How many.}"
    name = '{type: string, default: "", description: Its name.}'
    of_pulumi = "pulumi:disable-default-providers: {value: []}"
    schema = f"config: {{cpus: {cpus}, name: {name}, {of_pulumi}}}"
    assert config_table(schema).splitlines() == [
        "| key | type | default | what it is |",
        "|---|---|---|---|",
        "| `cpus` | integer | `4` | How many. |",
        '| `name` | string | `""` | Its name. |',
    ]


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    file = tmp_path / "README.md"
    file.write_text(PLACES)
    return file


def test_a_stale_readme_fails_the_check_and_is_left_as_it_is(readme: Path) -> None:
    with pytest.raises(UserError, match="run `make graph`"):
        update("dev", check=True, readme=readme)
    assert readme.read_text() == PLACES


def test_a_readme_once_written_passes_the_check(readme: Path) -> None:
    made = update("dev", check=False, readme=readme)
    assert made in readme.read_text()
    assert "`istioVersion`" in readme.read_text()
    update("dev", check=True, readme=readme)
