"""`falkit doctor` on mocks as people write them: all that is wrong at its line, and no more."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from falkit_contract import doctor
from falkit_contract.doctor import diagnose
from finding_codes import kinds_in

HERE = Path(__file__).parent
# They aren't Python or JavaScript of ours: so that nobody lints or runs them, they are text here.
MOCKS = sorted((HERE / "mocks").glob("*.txt"))
RIGHT = sorted((HERE / "right").glob("*.txt"))


def copied(files: list[Path], folder: Path) -> list[Path]:
    made = [folder / file.name.removesuffix(".txt") for file in files]
    for file, copy in zip(files, made, strict=True):
        copy.write_text(file.read_text("utf-8"), "utf-8")
    return made


def expected(file: Path) -> set[tuple[int, str]]:
    """Return the codes that a file's comments name, with their lines."""
    return {
        (number, code)
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if (found := re.search(r"(?:#|//) expect: ([\w -]+)$", line))
        for code in found[1].split()
    }


def found(*paths: Path) -> list[tuple[str, int, str]]:
    diagnosis = diagnose(paths)
    assert diagnosis.problems == []
    return [(Path(one.path).name, one.line, one.kind.code) for one in diagnosis.findings]


@pytest.mark.parametrize("file", MOCKS, ids=lambda file: file.name)
def test_all_that_is_wrong_is_found_at_its_line_and_nothing_else(
    file: Path, tmp_path: Path
) -> None:
    (copy,) = copied([file], tmp_path)
    assert {(line, code) for _, line, code in found(copy)} == expected(copy)


def test_the_ten_mocks_have_all_that_can_be_wrong() -> None:
    assert len(MOCKS) == 10
    known = {kind.code for kind in kinds_in(Path(doctor.__file__).parent)}
    assert {code for file in MOCKS for _, code in expected(file)} == known


@pytest.mark.parametrize("file", RIGHT, ids=lambda file: file.name)
def test_nothing_is_found_in_a_mock_that_is_right(file: Path, tmp_path: Path) -> None:
    (copy,) = copied([file], tmp_path)
    assert found(copy) == []
    assert diagnose([copy]).with_mocks == 1, "it was read as a mock of fal"


def test_a_folder_has_what_its_files_have(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    copies = copied(MOCKS, tmp_path / "tests")
    every = {(copy.name, *one) for copy in copies for one in expected(copy)}
    assert set(found(tmp_path)) == every


def test_one_setup_file_speaks_for_a_whole_project(tmp_path: Path) -> None:
    mock = 'nock("https://queue.fal.run").get("/fal-ai/flux/requests/r1").reply(200, { a: 1 });\n'
    (tmp_path / "flux.test.js").write_text(mock)
    assert found(tmp_path) == [("flux.test.js", 1, "unmocked-calls-leave")]
    (tmp_path / "setup.js").write_text("nock.disableNetConnect();\n")
    assert found(tmp_path) == []


def test_a_key_is_masked_wherever_it_is_shown(tmp_path: Path) -> None:
    id, secret = "3f1c9a47-5b0e-4d26-9c83-e7a1b2d40f95", "9be17c04d2a853f6c1e04b7f92d8a635"
    (tmp_path / "config.ts").write_text(f'process.env.FAL_KEY = "{id}:{secret}";\n')
    diagnosis = diagnose([tmp_path])
    assert [one.kind.code for one in diagnosis.findings] == ["real-key"]
    told = json.dumps([one.to_json() for one in diagnosis.findings])
    assert (id[:4] in told, id[5:13] in told, secret[:6] in told) == (True, False, False)


@pytest.mark.parametrize(
    "comment", ["# falkit: ignore whole-id-url", "# falkit: ignore a, whole-id-url"]
)
def test_a_comment_leaves_a_finding_out(tmp_path: Path, comment: str) -> None:
    line = 'respx.get("https://queue.fal.run/fal-ai/flux/dev/requests/r1")'
    other = 'respx.get("https://queue.fal.run/fal-ai/flux/pro/requests/r1")'
    file = tmp_path / "test_it.py"
    file.write_text(f"import respx\n{comment}\n{line}\n{line}  {comment}\n\n{other}\n")
    assert found(file) == [("test_it.py", 6, "whole-id-url")]


FLUX = "https://queue.fal.run/fal-ai/flux"
STATUS = f"{FLUX}/dev/requests/1/status"


@pytest.mark.parametrize(
    ("name", "lines", "code"),
    [
        (
            "test_it.py",
            [
                "import respx",
                f"respx.put('{FLUX}/requests/1/cancel').respond(202, json={{'status': 'X'}})",
            ],
            "cancel-reply",
        ),
        (
            "test_it.py",
            [
                "import respx",
                f"respx.get('{FLUX}/requests/1/status')"
                ".respond(202, json=dict(a, status='COMPLETED'))",
            ],
            "status-code",
        ),
        (
            "test_it.py",
            ["JOB = 1", f"REPLY = {{'status_url': '{FLUX}/requests/1/status', 'status': 'ERROR'}}"],
            "invented-status",
        ),
        ("test_it.py", ["import sys", "sys.modules['fal_client'] = fake"], "sdk-patched"),
        (
            "test_it.py",
            [
                "import hmac",
                "hmac.compare_digest(mine, request.headers['X-Fal-Signature'])  # fal.run",
            ],
            "webhook-hmac",
        ),
        (
            "a.test.js",
            [
                "// fal.run",
                'const headers = { "x-fal-signature": createHmac("sha256", "s").digest() };',
            ],
            "webhook-hmac",
        ),
        ("a.test.js", ["// fal.run", "nock.enableNetConnect();"], "pass-through"),
        ("test_it.py", ["import httpx", f"httpx.get('{STATUS}')"], "whole-id-url"),
        ("test_it.py", ["import requests", f"requests.Session().get('{STATUS}')"], "whole-id-url"),
        (
            "test_it.py",
            [
                "async def test_it():",
                f"    await client.get(url='{FLUX}/{{id}}/response')",
                "client = httpx.AsyncClient()",
            ],
            "invented-url",
        ),
        (
            "test_it.py",
            [
                "with httpx.Client() as client:",
                f"    client.request('DELETE', '{FLUX}/requests/1/cancel')",
            ],
            "cancel-reply",
        ),
        ("a.test.js", ["// A test.", f"await fetch('{STATUS}', {{ headers }});"], "whole-id-url"),
        ("a.test.js", ["// A test.", f"await axios.get('{FLUX}/dev');"], "invented-url"),
        (
            "a.test.js",
            ["", f"fetch('{FLUX}/requests/1/cancel', {{ method: 'POST' }});"],
            "cancel-reply",
        ),
        (
            "a.test.js",
            ['import { fal } from "@fal-ai/client";', 'vi.spyOn(fal, "subscribe");'],
            "sdk-patched",
        ),
        (
            "a.test.js",
            [
                f'import "msw"; http.get("{FLUX}/requests/1", () => HttpResponse.json({{}}));',
                "beforeAll(() => server.listen());",
            ],
            "unmocked-calls-leave",
        ),
    ],
)
def test_what_a_second_line_has_wrong(
    tmp_path: Path, name: str, lines: list[str], code: str
) -> None:
    (tmp_path / name).write_text("\n".join([*lines, ""]))
    assert found(tmp_path) == [(name, 2, code)]


GET = 'respx.get("https://queue.fal.run/fal-ai/flux/requests/r1/status")'
POST = 'respx.post("https://queue.fal.run/fal-ai/flux")'


@pytest.mark.parametrize(
    "lines",
    [
        # A name with two values, one whose object is changed, a parameter, another scope's.
        [
            "word = 'FAILED'",
            "word = 'COMPLETED'",
            f"{GET}.respond(json={{'status': word, **more}})",
        ],
        ["body = {'request_id': 'r1'}", "body['status_url'] = 's'", f"{POST}.respond(json=body)"],
        ["body = {'request_id': 'r1'}", "body.update(urls)", f"{POST}.respond(json=body)"],
        [
            "word = 'FAILED'",
            "def test_it(word):",
            f"    {GET}.respond(json={{'status': word, **more}})",
        ],
        ["def one():", "    word = 'FAILED'", f"{GET}.respond(json={{'status': word, **more}})"],
        # Of the program itself, not of fal.
        ["job = {'status': 'failed', 'status_url': 'https://queue.fal.run/a/b/requests/1/status'}"],
        [
            "job = {'status': 'FAILED', 'status_url': 'https://queue.fal.run/a/b/requests/1/status',",
            "       'user': 1}",
        ],
        # Codes that fal has, and a workflow whose input is called `input`.
        [
            f"{GET}.respond(429)",
            f"{GET}.respond(401, json={{'detail': 'invalid key credentials'}})",
        ],
        ["httpx.post('https://queue.fal.run/workflows/me/flow', json={'input': {'a': 1}})"],
        ["client.get('https://queue.fal.run/fal-ai/flux/dev/requests/r1/status')"],
        # An id, and a path, from another file.
        ["respx.get(f'https://queue.fal.run/{ENDPOINT}/requests/r1/status').respond(202)"],
        ["respx.get(f'https://queue.fal.run/{PATH}').respond(202)"],
        ["httpx.get(f'https://queue.fal.run/{REQUEST}/status')"],
        ["httpx.get(f'https://queue.fal.run/{PATH}')"],
        # A call that fal takes, and what isn't one.
        ["httpx.put('https://queue.fal.run/fal-ai/flux/requests/r1/cancel')"],
        ["import asyncio", "queue = asyncio.Queue()", "queue.put('https://queue.fal.run/a/b')"],
    ],
)
def test_what_is_not_known_for_certain_is_taken_to_be_right(
    tmp_path: Path, lines: list[str]
) -> None:
    file = tmp_path / "test_it.py"
    file.write_text("\n".join(["import httpx, respx", *lines, ""]))
    assert found(file) == []


URL = '"https://queue.fal.run/fal-ai/flux/requests/r1/status"'


@pytest.mark.parametrize(
    "lines",
    [
        [
            'const word = "FAILED";',
            f"const h = (word) => nock({URL}).get('').reply(200, {{word}});",
        ],
        [
            'test("a", () => { const status = "FAILED"; });',
            f"http.get({URL}, ({{ status }}) => HttpResponse.json({{ status, ...more }}));",
        ],
        [
            'const status = "FAILED";',
            f"const made = (status: string): Handler => http.get({URL}, () =>",
            "  HttpResponse.json({ status, ...more }));",
        ],
        [
            'let status = "FAILED";',
            f"http.get({URL}, () => HttpResponse.json({{ status, ...more }}));",
        ],
        [
            "const body = { request_id: 1 };",
            'body.status_url = "s";',
            'http.post("https://queue.fal.run/fal-ai/flux", () => HttpResponse.json(body));',
        ],
        [
            'http.get("https://fal.run/a/b", () => HttpResponse.json({}));',
            "const server = createServer();",
            "server.listen();",
            "app.listen();",
        ],
        [
            "fetch(`https://queue.fal.run/${path}`);",
            "axios.get(`https://queue.fal.run/${at}/status`);",
        ],
        ["fetch('https://queue.fal.run/a/b/requests/1/cancel', options);"],
    ],
)
def test_what_is_not_known_of_javascript_is_taken_to_be_right(
    tmp_path: Path, lines: list[str]
) -> None:
    head = 'import { http } from "msw"; nock.disableNetConnect(); // fal.run'
    (tmp_path / "a.test.ts").write_text("\n".join([head, *lines, ""]))
    assert found(tmp_path) == []
