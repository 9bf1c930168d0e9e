from __future__ import annotations

import re
import tomllib
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest
from PIL import features

import licences

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
BROUGHT = licences.closure(
    [*PROJECT["dependencies"], *(line for one in EXTRAS.values() for line in one)]
)


def planted(folder: Path, metadata: str = "", **files: str) -> Distribution:
    """Lay out a distribution as pip would, with the files given by their paths."""
    about = folder / "planted-1.0.dist-info"
    files = {**files, f"{about.name}/METADATA": f"Name: planted\nVersion: 1.0\n{metadata}"}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (about / "RECORD").write_text("".join(f"{name},,\n" for name in files))
    return Distribution.at(about)


@pytest.mark.parametrize("name", sorted(BROUGHT))
def test_an_installation_brings_no_gpl_part(name: str) -> None:
    assert licences.problems(BROUGHT[name]) == []


def test_pillow_is_compiled_without_its_gpl_part() -> None:
    # Pillow lists libimagequant among its components, but its wheels leave it out.
    assert not features.check_feature("libimagequant")


def test_the_closure_goes_past_the_direct_dependencies() -> None:
    named = {re.split(r"[<>=;\[]", line)[0].strip() for line in PROJECT["dependencies"]}
    assert {"httpcore", "rpds-py", "cffi"} <= BROUGHT.keys() - named
    assert BROUGHT.keys() >= named - {"uvloop"}


def test_a_wheel_that_says_bsd_and_holds_x265_is_refused(tmp_path: Path) -> None:
    # So does pillow-heif, which encodes HEIF.
    dist = planted(
        tmp_path,
        "License: BSD-3-Clause\n",
        **{
            "_planted.cpython-311-x86_64-linux-gnu.so": "",
            "planted.libs/libheif-e72ea93c.so.1.23.6": "",
            "planted.libs/libx265-4883ecb5.so.217": "",
        },
    )
    assert licences.problems(dist) == ["holds planted.libs/libx265-4883ecb5.so.217"]


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("libx265-4883ecb5.so.217", "x265"),
        ("libx265.217.dylib", "x265"),
        ("libx264-165-aa0625e0aec56a9d4310a2447674dd8a.dll", "x264"),
        ("libxavs2.so", "xavs2"),
        ("libde265-90fb0ce1.so.0.2.0", "de265"),
        ("_pi_heif.cpython-311-x86_64-linux-gnu.so", "_pi_heif"),
    ],
)
def test_a_library_is_known_by_its_bare_name(name: str, bare: str) -> None:
    assert licences.library(name) == bare


@pytest.mark.parametrize(
    "metadata",
    [
        "License-Expression: GPL-3.0-or-later\n",
        "License-Expression: MIT AND (GPL-2.0-only OR AGPL-3.0-only)\n",
        "License: GPLv2\n",
        "License: GNU General Public License v3\n",
        "License: MIT\nClassifier: License :: OSI Approved :: GNU Affero General Public License\n",
    ],
)
def test_a_wheel_that_says_gpl_is_refused(tmp_path: Path, metadata: str) -> None:
    (problem,) = licences.problems(planted(tmp_path, metadata))
    assert problem.startswith("says ")


@pytest.mark.parametrize(
    "text",
    [
        'License for "planted" binary wheels: GPLv2, due to base library licenses.\n',
        "Name: x265\nLicense: GPLv2\n",
        "SPDX-License-Identifier: AGPL-3.0-only\n",
        "          GNU GENERAL PUBLIC LICENSE\n             Version 2, June 1991\n",
    ],
)
def test_a_wheel_whose_bundled_licences_hold_the_gpl_is_refused(tmp_path: Path, text: str) -> None:
    bundled = {"planted-1.0.dist-info/licenses/LICENSES_bundled.txt": text}
    (problem,) = licences.problems(planted(tmp_path, "License: BSD-3-Clause\n", **bundled))
    assert problem.startswith("bundles ")


def test_a_wheel_that_says_no_licence_is_refused(tmp_path: Path) -> None:
    assert licences.problems(planted(tmp_path)) == ["says no licence"]


@pytest.mark.parametrize(
    "metadata",
    [
        "License-Expression: MIT OR GPL-2.0-only\n",
        "License-Expression: (GPL-2.0-only OR MIT) AND BSD-3-Clause\n",
        "License-Expression: GPL-3.0-or-later WITH GCC-exception-3.1\n",
        "License-Expression: LGPL-2.1-or-later\n",
        "Classifier: License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)\n",
    ],
)
def test_other_choices_exceptions_and_the_lgpl_pass(tmp_path: Path, metadata: str) -> None:
    assert licences.problems(planted(tmp_path, metadata)) == []


def test_an_lgpl_library_passes_as_a_file_of_its_own_alone(tmp_path: Path) -> None:
    says = "License: LGPLv3\n"
    files = {"_planted.so": "", "planted.libs/libheif-7a3e919c.so.1": ""}
    assert licences.problems(planted(tmp_path / "apart", says, **files)) == []
    inside = planted(tmp_path / "inside", says, **{"_planted.so": ""})
    assert licences.problems(inside) == ["says 'LGPLv3', and holds no shared library apart"]
