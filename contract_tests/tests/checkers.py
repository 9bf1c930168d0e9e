"""What mypy and basedpyright say of users' files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def by_mypy(*files: Path) -> set[int]:
    """Return the lines that mypy refuses."""
    settings = ["--config-file", str(ROOT / "pyproject.toml"), "--follow-imports=silent"]
    # A cache of its own, kept between runs: mypy's caches aren't for two at once.
    cache = ["--cache-dir", str(ROOT / ".mypy_cache" / "users")]
    command = [str(BIN / "mypy"), *settings, *cache, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode in (0, 1), done.stderr
    return {int(line) for line in re.findall(r":(\d+): error:", done.stdout)}


def by_basedpyright(*files: Path) -> set[int]:
    """Return the lines that basedpyright refuses in the folder of the first file."""
    folder = files[0].parent
    settings = {
        "venvPath": str(ROOT),
        "venv": ".venv",
        "extraPaths": [str(ROOT / "client"), str(ROOT / "spec")],
        "typeCheckingMode": "strict",
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [str(BIN / "basedpyright"), "--project", str(folder), "--outputjson"]
    done = subprocess.run(command, capture_output=True, text=True)
    found = json.loads(done.stdout)["generalDiagnostics"]
    # Expressions whose value nobody uses are the example's brevity.
    return {
        one["range"]["start"]["line"] + 1
        for one in found
        if one["rule"] != "reportUnusedExpression"
    }
