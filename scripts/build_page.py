"""Copy the libraries of the page from npm packages, as modules that import one another by path.

A browser finds no bare name such as `preact` without an import map, which is an inline script, and
the page's policy allows none. What is copied is the packages' own builds, at the versions of
contract_tests/tests/page/package-lock.json.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ROOT / "contract_tests/tests/page/node_modules"
VENDOR = ROOT / "mockserver/falkit_mock/page/files/vendor"
# What is imported by which name, the file that it is, and the name that it gets.
MODULES = {
    "preact": ("preact/dist/preact.module.js", "preact.js"),
    "preact/hooks": ("preact/hooks/dist/hooks.module.js", "hooks.js"),
    "@preact/signals-core": ("@preact/signals-core/dist/signals-core.module.js", "signals-core.js"),
    "@preact/signals": ("@preact/signals/dist/signals.module.js", "signals.js"),
    "htm": ("htm/dist/htm.module.js", "htm.js"),
}
LICENCES = "licences.txt"
_IMPORTED = re.compile(r'\bfrom ?"([^".][^"]*)"')


def build(packages: Path = PACKAGES) -> dict[str, str]:
    """Return the files by their names; raises KeyError for an import of another package."""
    files = {
        name: _relative((packages / path).read_text("utf-8")) for path, name in MODULES.values()
    }
    return {**files, LICENCES: "\n\n".join(map(_licence, _names(), [packages] * len(_names())))}


def _names() -> list[str]:
    return [name for name in MODULES if name.count("/") == name.startswith("@")]


def _relative(text: str) -> str:
    """Return a module that imports by path, without the line that names its source map."""
    text = _IMPORTED.sub(lambda found: f'from"./{MODULES[found[1]][1]}"', text)
    return re.sub(r"\n?//# sourceMappingURL=.*\s*$", "\n", text)


def _licence(name: str, packages: Path) -> str:
    about = json.loads((packages / name / "package.json").read_text("utf-8"))
    text = (packages / name / "LICENSE").read_text("utf-8").strip()
    return f"{name} {about['version']}, {about['license']}\n\n{text}\n"


if __name__ == "__main__":
    VENDOR.mkdir(parents=True, exist_ok=True)
    for old in VENDOR.iterdir():
        old.unlink()
    for name, text in build().items():
        (VENDOR / name).write_text(text, encoding="utf-8")
    print(f"written: {VENDOR}")
