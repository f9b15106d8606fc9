"""Reviews: Open Liberty of Maven with only what the application needs of it, and as much of a Java of Debian's."""

import hashlib
import shutil
import subprocess
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from embedded.errors import EmbeddedError
from embedded.images.contents import BOOKINFO_ENVIRONMENT, workload_names
from embedded.images.libraries import needed
from embedded.images.oci import Folder, Image, Layer
from embedded.images.upstream.files import SYSTEM, tree
from embedded.toolchain import cache, debian, maven
from embedded.toolchain.progress import Say

LIBERTY = "io.openliberty:openliberty-runtime:24.0.0.12:zip"
"""The release of upstream's image."""

JAVA = "default-jdk-headless"
MODULES = (
    *("java.se", "jdk.attach", "jdk.crypto.ec", "jdk.management.agent", "jdk.naming.dns", "jdk.naming.rmi"),
    *("jdk.unsupported", "jdk.zipfs"),
)
"""Of Java: what Liberty names in its options, and what applications may expect."""

FOR_A_SCREEN = ("libawt_xawt.so", "libjawt.so", "libsplashscreen.so")
SERVER = "defaultServer"
APPLICATION = "reviews-application-1.0.war"
"""The name by which upstream's server.xml knows it; a folder does as well as an archive."""

INTERFACES = ("com.ibm.websphere.javaee.jaxrs.2.0_*.jar", "com.ibm.websphere.javaee.jsonp.1.0_*.jar")
"""In Liberty's dev/api/spec, what the application is compiled against."""

COMMAND = (
    *("/jre/bin/java", "@/opt/ol/wlp/lib/platform/java/java9.options", "-Xmx128m", "-XX:+UseSerialGC"),
    *("-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true", "-javaagent:/opt/ol/wlp/bin/tools/ws-javaagent.jar"),
    *("-jar", "/opt/ol/wlp/bin/tools/ws-server.jar", SERVER),
)
"""What upstream's script `server run` comes to, for three of them on one machine: little memory, a quick start."""


def images(source: Path, say: Say) -> Iterator[Image]:
    """One image for each version, of the same layers.

    Raises:
        Unreachable: Maven's repository or the distribution's packages cannot be reached.
        EmbeddedError: One of them lacks something, or a step fails; quotes its last words.
    """
    root = debian.complete(JAVA, purpose="Bookinfo's reviews", say=say)
    built = _built(source, _home(root), say)
    java, liberty = _java(root, built / "jre"), tree(built / "wlp", "/opt/ol/wlp")
    scratch: Layer = {"/logs": Folder(mode=0o1777), "/opt/ibm/wlp/output": Folder(mode=0o1777)}
    for version in ("v1", "v2", "v3"):
        stars = {"ENABLE_RATINGS": "false", "STAR_COLOR": "black", **BOOKINFO_ENVIRONMENT.get(f"reviews-{version}", {})}
        variables = {
            "PATH": "/jre/bin",
            "SERVICE_VERSION": version,
            "WLP_OUTPUT_DIR": "/opt/ibm/wlp/output",
            "LOG_DIR": "/logs",
            **stars,
        }
        yield Image(
            names=workload_names(f"reviews-{version}"),
            layers=[SYSTEM, java, liberty, scratch],
            config={
                "Cmd": list(COMMAND),
                "Env": [f"{name}={value}" for name, value in variables.items()],
                "User": "1001:1001",
                "WorkingDir": "/opt/ibm/wlp/output",
            },
        )


def _home(root: Path) -> Path:
    """The JDK in a folder of packages."""
    homes = [each.parent for each in sorted((root / "usr" / "lib" / "jvm").glob("*/jmods")) if not each.is_symlink()]
    found = [home for home in homes if not home.is_symlink()]
    if len(found) != 1:
        message = f"{JAVA} is to bring one JDK, and {root} has {len(found)}."
        raise EmbeddedError(message)
    return found[0]


def _java(root: Path, jre: Path) -> Layer:
    """The JRE and the libraries that it loads, those of the packages first."""
    binaries = [jre / "bin" / "java", *jre.rglob("*.so")]
    folders = [str(jre / "lib"), str(jre / "lib" / "server"), debian.library_path(root)]
    loaded = needed([each for each in binaries if each.name not in FOR_A_SCREEN], ":".join(folders))
    others = {path: library for path, library in loaded.items() if not library.is_relative_to(jre)}
    return {**tree(jre, "/jre", ("legal", *FOR_A_SCREEN)), **others}


def _built(source: Path, jdk: Path, say: Say) -> Path:
    """A folder with ``wlp``, the server with the application, and ``jre``."""
    recipe = hashlib.sha256(Path(__file__).read_bytes())  # what is built, and how
    for path in sorted(each for each in source.rglob("*") if each.is_file()):
        recipe.update(str(path.relative_to(source)).encode() + b"\0" + path.read_bytes() + b"\0")
    folder = cache.cache_folder() / "liberty" / f"reviews-{jdk.name}-{recipe.hexdigest()[:16]}"

    def build(draft: Path) -> None:
        say("Bookinfo's reviews is built: Open Liberty of Maven, the application, a small Java, once")
        with cache.workshop(draft.with_name("unpacked")) as scratch:
            _extract(maven.fetched(LIBERTY, scratch), scratch)
            _compile(source, scratch / "wlp", jdk)
            _minify(scratch, draft, jdk)
        words = ("--strip-debug", "--no-header-files", "--no-man-pages", "--output", str(draft / "jre"))
        _run([str(jdk / "bin" / "jlink"), "--add-modules", ",".join(MODULES), *words], jdk)

    return cache.filled(folder, build, say)


def _compile(source: Path, liberty: Path, jdk: Path) -> None:
    """Put the server's configuration and the application's folder where Liberty has its servers."""
    server = liberty / "usr" / "servers" / SERVER
    application = server / "apps" / APPLICATION
    shutil.copytree(source / "reviews-application" / "src" / "main" / "webapp", application)
    shutil.copyfile(
        source / "reviews-wlpcfg" / "servers" / "LibertyProjectServer" / "server.xml", server / "server.xml"
    )
    interfaces = [str(jar) for pattern in INTERFACES for jar in (liberty / "dev" / "api" / "spec").glob(pattern)]
    sources = sorted(map(str, (source / "reviews-application" / "src" / "main" / "java").rglob("*.java")))
    classes = ("-d", str(application / "WEB-INF" / "classes"))
    _run([str(jdk / "bin" / "javac"), "--release", "8", "-cp", ":".join(interfaces), *classes, *sources], jdk)


def _minify(scratch: Path, target: Path, jdk: Path) -> None:
    """Have Liberty pack what the server needs of it, without the day on which it did, and without manuals."""
    small = scratch / "small.zip"
    words = ("package", SERVER, "--include=minify", f"--archive={small}")
    _run(["sh", str(scratch / "wlp" / "bin" / "server"), *words], jdk)
    _extract(small, target)
    for packed in (target / "wlp" / "lib" / "versions").glob("package_*"):
        packed.unlink()
    for manual in (target / "wlp" / "dev").rglob("javadoc"):
        shutil.rmtree(manual)


def _extract(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)


def _run(command: Sequence[str], jdk: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "JAVA_HOME": str(jdk), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = " / ".join((done.stdout + done.stderr).strip().splitlines()[-3:])
        message = f"`{Path(command[0]).name} {command[1]}` fails: {reason}."
        raise EmbeddedError(message)
