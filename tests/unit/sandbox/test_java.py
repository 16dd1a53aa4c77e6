"""Java as the sandbox calls it, with a real one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from bus.sandbox.java import find_java, maven_options


def test_maven_leaves_its_files_where_it_is_told_even_if_the_path_has_a_space(tmp_path: Path) -> None:
    """A shell script hands the options on unquoted, as Maven's does; Java still reads the folder whole."""
    folder = tmp_path / "a folder of mine"
    folder.mkdir()
    done = subprocess.run(
        ["sh", "-c", '"$0" $MAVEN_OPTS -XshowSettings:properties -version', str(find_java())],
        env={**os.environ, **maven_options(folder)}, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert f"java.io.tmpdir = {folder}\n" in done.stderr
