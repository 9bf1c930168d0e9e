"""The tables of docs/clients.md: which operations of which client are tested, and how they end.

`PYTHONPATH=contract_tests/tests python contract_tests/tests/clients/table.py` runs all clients and
writes them again; nothing is written if one fails in another way than its row says.
"""

from __future__ import annotations

import ast
import json
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "clients.md"
IN_PROCESS, UNCHANGED = "table", "unchanged"
SUITES = ("test_javascript.py", "test_python.py", "test_python_async.py")
# What a test function is called, without `test_`, and what its row says.
OPERATIONS = {
    "run": "run: call a model and wait",
    "start_timeout_and_hint": "start timeout and runner hint, as headers",
    "submit": "submit",
    "status": "status, with logs",
    "status_without_logs": "status, without logs",
    "stream_status": "status as a stream",
    "iter_events": "status by iteration",
    "get": "wait for the result",
    "result": "result",
    "result_before_the_end": "result before the end: 400",
    "cancel": "cancel; then 499, and 400 the second time",
    "subscribe_by_polling": "subscribe by polling, with logs and callbacks",
    "subscribe_by_streaming": "subscribe by streaming, with logs and callbacks",
    "subscribe_that_runs_out_of_time_cancels": "subscribe with a time limit: cancels",
    "stream": "stream: partial events and the output",
    "stream_on_an_app_that_has_none": "stream, of a model that has none: an error",
    "validation_errors": "validation errors, field by field",
    "unknown_endpoint": "unknown model: 404",
    "unknown_path_of_a_known_app": "unknown path of a known app: 404 with the result",
    "unknown_request": "unknown request: 404",
    "no_credentials": "no credentials: an error",
    "wrong_credentials": "wrong credentials: 401",
    "upload": "upload a file, and use it as input",
}


def operations_of(suite: str) -> set[str]:
    """Return the operations that a suite has a test of."""
    module = ast.parse((HERE / suite).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = {node.name for node in module.body if isinstance(node, functions)}
    return {name.removeprefix("test_") for name in names if name.startswith("test_")}


def table() -> str:
    """Return the table as Markdown."""
    package = json.loads((HERE / "javascript" / "package.json").read_text())
    javascript, python = package["dependencies"]["@fal-ai/client"], version("fal-client")
    heads = (
        "operation",
        f"`@fal-ai/client` {javascript}",
        f"`fal-client` {python}",
        f"`fal-client` {python}, async",
    )
    found = [operations_of(suite) for suite in SUITES]
    rows = [
        (label, *("works" if name in operations else "" for operations in found))
        for name, label in OPERATIONS.items()
    ]
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def marks(name: str) -> tuple[str, str]:
    """Return what stands before and after a table."""
    return f"<!-- {name}: start -->", f"<!-- {name}: end -->"


def page_with(text: str, rows: str, name: str = IN_PROCESS) -> str:
    """Return a page with a table between its marks."""
    start, end = marks(name)
    before, _, rest = text.partition(start)
    return f"{before}{start}\n{rows}\n{end}{rest.partition(end)[2]}"


def rewrite() -> None:
    """Write both tables anew."""
    import tempfile

    from clients import unchanged

    with tempfile.TemporaryDirectory() as home:
        rows = unchanged.table(Path(home))
    PAGE.write_text(page_with(page_with(PAGE.read_text(), table()), rows, UNCHANGED))


if __name__ == "__main__":
    rewrite()
