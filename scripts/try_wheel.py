"""Build the wheel and use it as a stranger would: alone, in a clean environment."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import urllib.request
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
# What it may bring into an environment with all that it needs, in MB.
MOST = 109
# What the vendored documents and overlays may take of the wheel, in bytes.
MOST_CATALOGUE = 2**20
PACKAGES = {
    *("falkit", "falkit_spec", "falkit_fixtures", "falkit_client", "falkit_mock"),
    "falkit_contract",
}
# Takes part of its output from each package, so that nothing it needs can be missing.
USE = """
from falkit import Client, Mock
from falkit_fixtures import images
from falkit_spec import Catalog
import base64, sys

endpoint = Catalog.vendored().get("fal-ai/ltx-2/image-to-video/fast")
image = "data:image/png;base64," + base64.b64encode(images.sample("png")).decode()
with Client(key="falkit", base_url=sys.argv[1]) as client:
    result = client.run(endpoint.id, {"prompt": "a quiet harbour", "image_url": image})
    print(result.output["video"]["url"])
with Mock(timing="instant") as mock, Client(key="falkit", base_url=mock.url) as client:
    client.run(endpoint.id, {"prompt": "a quiet harbour", "image_url": image})
    assert [job.status for job in mock.jobs] == ["COMPLETED"]
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        wheel = build(Path(folder))
        print(f"{wheel.name}: {wheel.stat().st_size / 1024:.0f} kB")
        use(wheel, Path(folder) / "venv")


def build(folder: Path) -> Path:
    """Build the wheel; fail unless it holds the packages and nothing of the tests."""
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    files = zipfile.ZipFile(wheel).infolist()
    names = [file.filename for file in files]
    tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == PACKAGES, f"the wheel holds {sorted(tops)}, not {sorted(PACKAGES)}"
    for package in PACKAGES:
        assert f"{package}/py.typed" in names, f"{package} lacks its py.typed"
    assert "falkit_contract/vectors/deliveries.json" in names, "the vectors are missing"
    known = ("falkit_spec/openapi/", "falkit_spec/overlays/")
    catalogue = sum(file.compress_size for file in files if file.filename.startswith(known))
    print(f"of it the documents and overlays: {catalogue / 1024:.0f} kB")
    assert catalogue <= MOST_CATALOGUE, f"documents and overlays take {catalogue:,} bytes"
    return wheel


def use(wheel: Path, folder: Path) -> None:
    """Install the wheel alone and send a request through server and client."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    before = size(folder)
    install = [str(python), "-m", "pip", "install", "--quiet", str(wheel)]
    subprocess.run([*install, "--constraint", str(ROOT / "constraints.txt")], check=True)
    brought = size(folder) - before
    print(f"with all that it needs: {brought:.1f} MB")
    assert brought <= MOST, f"more than {MOST} MB"
    falkit = [str(python.with_name("falkit"))]
    subprocess.run([*falkit, "--version"], check=True)
    listed = subprocess.check_output([*falkit, "spec", "list"], text=True)
    assert "fal-ai/ltx-2/image-to-video/fast" in listed, listed
    explained = subprocess.check_output([*falkit, "explain", "whole-id-url"], text=True)
    assert "{app}/requests/{rid}" in explained, "the pages of docs/ are missing"
    serve = [*falkit, "serve", "--port", "0", "--timing", "instant"]
    with subprocess.Popen(
        serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            url = json.loads(server.stdout.readline())["url"]
            made = subprocess.check_output([str(python), "-c", USE, url], text=True).strip()
            with urllib.request.urlopen(made) as reply:
                clip = reply.read()
            only = ["--only", "queue.result.done", "--only", "webhook.signature"]
            subprocess.run([*falkit, "conform", "--target", url, *only], check=True)
        finally:
            server.terminate()
    assert clip[4:8] == b"ftyp", clip[:16]
    print(f"installed alone, it served {made.rpartition('_')[2]}, {len(clip)} bytes")


def size(folder: Path) -> float:
    """Return the sum of the lengths of a folder's files, in MB."""
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1_000_000


if __name__ == "__main__":
    main()
