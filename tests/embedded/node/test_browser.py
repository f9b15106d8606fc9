"""Bookinfo's page in a real browser: which stars a person sees there."""

import json
import shutil
import struct
import subprocess
import zlib
from collections import Counter
from pathlib import Path

import pytest

from embedded.errors import EmbeddedError
from embedded.toolchain import debian
from tests.embedded.node.mesh import Mesh
from tests.embedded.node.visits import settle

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium-headless-shell", "fonts-dejavu-core")
"""Of Debian's: without a font there is no text, which moves the stars."""

WIDTH, HEIGHT = 600, 1300
SIGNATURE = b"\x89PNG\r\n\x1a\n"
Colour = tuple[int, int, int]
COLOURS: dict[str, Colour] = {"red": (0xEF, 0x44, 0x44), "black": (0, 0, 0)}


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The beginning of a command of a browser: the machine's, or Debian's, which is unpacked and not installed."""
    environment: list[str] = []
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        try:
            folder = debian.unpacked(*PACKAGES)
        except EmbeddedError as reason:
            pytest.skip(f"no browser here: {reason}")
        fonts = tmp_path_factory.mktemp("fonts") / "fonts.conf"
        # Fonts that are installed already are not unpacked.
        places = "".join(f"<dir>{top}/usr/share/fonts</dir>" for top in (folder, ""))
        fonts.write_text(f"<fontconfig>{places}<cachedir>{fonts.parent}</cachedir></fontconfig>")
        environment = ["env", f"LD_LIBRARY_PATH={debian.library_path(folder)}", f"FONTCONFIG_FILE={fonts}"]
        found = str(next(folder.glob("usr/lib/chromium/chromium-headless-shell")))
    return [*environment, found, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


def pixels(png: bytes) -> Counter[Colour]:
    """How often each colour is in a picture of 8 bits per channel: https://www.w3.org/TR/png-3/"""
    assert png.startswith(SIGNATURE)
    data, position, channels, width = b"", len(SIGNATURE), 0, 0
    while position < len(png):
        (length,) = struct.unpack(">I", png[position : position + 4])
        kind, content = png[position + 4 : position + 8], png[position + 8 : position + 8 + length]
        position += length + 12
        if kind == b"IHDR":
            width, _, depth, colours = struct.unpack(">IIBB", content[:10])
            channels = {2: 3, 6: 4}[colours]
            assert depth == 8
        elif kind == b"IDAT":
            data += content
    return _counted(zlib.decompress(data), width * channels, channels)


def _counted(raw: bytes, size: int, channels: int) -> Counter[Colour]:
    found: Counter[Colour] = Counter()
    above = bytes(size)
    for start in range(0, len(raw), size + 1):
        above = _line(raw[start], bytearray(raw[start + 1 : start + 1 + size]), above, channels)
        found.update(zip(above[::channels], above[1::channels], above[2::channels], strict=True))
    return found


def _line(kind: int, line: bytearray, above: bytes, channels: int) -> bytes:
    """A line of pixels of what is stored: differences from those to the left, above or both."""
    for index in range(len(line)) if kind else ():
        left = line[index - channels] if index >= channels else 0
        if kind == 1:
            predicted = left
        elif kind == 2:
            predicted = above[index]
        elif kind == 3:
            predicted = (left + above[index]) // 2
        else:
            corner = above[index - channels] if index >= channels else 0
            estimate = left + above[index] - corner
            predicted = min((left, above[index], corner), key=lambda each: abs(estimate - each))
        line[index] = (line[index] + predicted) & 0xFF
    return bytes(line)


def looked_at(browser: list[str], mesh: Mesh, folder: Path) -> Counter[Colour]:
    """The page's colours in the browser's window."""
    picture = folder / "page.png"
    url = f"http://{mesh.node.address('http')}/productpage"
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [*browser, profile, f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={picture}", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return pixels(picture.read_bytes())


@pytest.mark.parametrize(("version", "stars"), [("v1", "none"), ("v2", "black"), ("v3", "red")])
def test_a_person_sees_the_stars_of_the_version(
    browser: list[str], mesh: Mesh, tmp_path: Path, version: str, stars: str
) -> None:
    mesh.up(traffic=json.dumps({"reviews": {"routes": [{"subset": version}]}}))
    settle(mesh, stars)
    colours = looked_at(browser, mesh, tmp_path)
    # Nine stars of more than 80 pixels each; nothing else on the page has their colours.
    assert {name for name, colour in COLOURS.items() if colours[colour] > 500} == {stars} - {"none"}
