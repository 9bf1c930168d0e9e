"""docs/findings.md: what it shows is run, and what it lists is compared with the code."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from falkit_mock import findings
from falkit_spec.findings import finding_kinds
from finding_codes import kinds_in, row_of, rows_of

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "findings.md").read_text("utf-8")


def test_each_code_is_in_the_table_as_it_is_explained() -> None:
    kinds = kinds_in(Path(findings.__file__).parent)
    assert rows_of(PAGE) == [row_of(kind) for kind in kinds], "\n".join(map(row_of, kinds))


def test_every_code_is_on_this_page_or_the_doctors() -> None:
    listed = {*rows_of(PAGE), *rows_of((DOCS / "doctor.md").read_text("utf-8"))}
    assert [kind.code for kind in finding_kinds().values() if row_of(kind) not in listed] == []


def test_the_example_prints_what_is_shown() -> None:
    (example, shown) = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", PAGE, re.DOTALL)[0]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(example, "docs/findings.md", "exec"), {})
    assert printed.getvalue() == shown
