"""The page as it is served: to whom, with which headers, and where it isn't there."""

from __future__ import annotations

import gzip
import re
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

import falkit_mock.page
from falkit import Settings
from falkit_mock.core.sessions import CODE_LIFE, COOKIE_LIFE, Sessions
from serving import PATIENCE, Mock, running

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "authorization": ""}
FILES = Path(falkit_mock.page.__file__).with_name("files")
TOKEN = "s3cret"


def test_a_browser_finds_the_page_and_its_files_by_a_strict_policy(mock: Mock) -> None:
    reply = mock.http.get("/", headers=BROWSER)
    assert reply.status_code == 200
    assert reply.content == (FILES / "index.html").read_bytes()
    headers = reply.headers
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-cache", "nosniff")
    policy = headers["content-security-policy"]
    for word in ("default-src 'none'", "script-src 'self';", "frame-ancestors 'none'"):
        assert word in policy
    assert "unsafe" not in policy
    for name in re.findall(r'(?:src|href)="(/__falkit/page/[^"]+)"', reply.text):
        found = mock.http.get(name)
        kinds = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
        if (FILES / name.removeprefix("/__falkit/page/")).exists():
            assert found.headers["content-type"].startswith(kinds[Path(name).suffix])


def test_head_tells_what_get_would(mock: Mock) -> None:
    got, asked = (mock.http.request(method, "/", headers=BROWSER) for method in ("GET", "HEAD"))
    assert asked.content == b""
    same = ("etag", "content-length", "content-type")
    assert [asked.headers[name] for name in same] == [got.headers[name] for name in same]


def test_a_file_is_compressed_for_who_takes_that_and_sent_once(mock: Mock) -> None:
    url = "/__falkit/page/tokens.css"
    plain = mock.http.get(url, headers={"accept-encoding": "identity"})
    with mock.http.stream("GET", url, headers={"accept-encoding": "gzip"}) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(b"".join(packed.iter_raw())) == plain.content
    assert packed.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    assert packed.headers["etag"] != plain.headers["etag"]
    for encoding, reply in (("identity", plain), ("gzip", packed)):
        known = {"if-none-match": reply.headers["etag"], "accept-encoding": encoding}
        again = mock.http.get(url, headers=known)
        assert (again.status_code, again.content) == (304, b"")


def test_a_file_that_has_changed_is_read_again(
    mock: Mock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(falkit_mock.page, "FILES", tmp_path)
    file = tmp_path / "a.js"
    for text in ("one", "another"):
        file.write_text(text)
        assert mock.http.get("/__falkit/page/a.js").text == text


@pytest.mark.parametrize(
    "name",
    [
        *("none.js", "", "../__init__.py", "..%2f__init__.py", "%2e%2e/__init__.py"),
        *("__pycache__", "/etc/passwd", "index.html/", "INDEX.html", "a\x00.js", "session"),
        *("views", "x" * 300 + ".js", "../../page/files/index.html", "index.htm"),
    ],
)
def test_nothing_else_is_there(mock: Mock, name: str) -> None:
    url = httpx.URL(f"{mock.url}/x").copy_with(
        raw_path=f"/__falkit/page/{name}".encode().replace(b"\x00", b"%00")
    )
    assert mock.http.get(url).status_code == 404


def test_whoever_is_no_browser_is_told_what_is_missing(mock: Mock) -> None:
    """Programs that forgot fal's host get what they always got."""
    for headers in ({"accept": "*/*"}, {"accept": "application/json"}):
        reply = mock.http.get("/", headers=headers)
        assert (reply.status_code, "fal host" in reply.json()["detail"]) == (404, True)
    assert mock.http.post("/", headers=BROWSER).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "fal.ai"},
        {"host": "queue.fal.run"},
        {"x-fal-target-url": "https://fal.ai/"},
    ],
)
def test_at_a_host_of_fals_there_is_fals_answer(mock: Mock, headers: dict[str, str]) -> None:
    reply = mock.http.get("/", headers={**BROWSER, **headers})
    assert "content-security-policy" not in reply.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"},
        {"origin": "https://evil.example"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/__falkit/page/tokens.css"])
def test_no_page_of_another_origin_has_it(mock: Mock, headers: dict[str, str], path: str) -> None:
    assert mock.http.get(path, headers={**BROWSER, **headers}).status_code == 403


def test_a_link_from_elsewhere_opens_it(mock: Mock) -> None:
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    followed |= {"sec-fetch-dest": "document"}
    assert mock.http.get("/", headers={**BROWSER, **followed}).status_code == 200


def test_without_the_page_there_is_what_was_there_before() -> None:
    with running(Settings(page=False)) as served:
        assert served.http.get("/", headers=BROWSER).status_code == 404
        assert served.http.get("/__falkit/page/tokens.css").status_code == 404
        reply = served.http.post("/__falkit/page")
        assert (reply.status_code, "--no-page" in reply.json()["detail"]) == (404, True)


def test_its_address_is_told_without_a_code_where_none_is_needed(mock: Mock) -> None:
    assert mock.http.post("/__falkit/page").json() == {"url": f"{mock.url}/"}


def test_tenants_have_it_in_common() -> None:
    with running(Settings(tenants=True, control_token=TOKEN)) as served:
        known = {"x-falkit-token": TOKEN, "authorization": "Key alice"}
        url = served.http.post("/__falkit/page", headers=known).json()["url"]
        with httpx.Client(trust_env=False, timeout=PATIENCE, headers=BROWSER) as browser:
            assert browser.get(url).status_code == 303
            assert browser.get(f"{served.url}/").status_code == 200
            jobs = browser.get(f"{served.url}/__falkit/jobs", params={"key": "alice"})
            assert jobs.json()["jobs"] == []
            assert browser.get(f"{served.url}/__falkit/jobs").status_code == 400


@pytest.fixture(scope="module")
def guarded() -> Generator[Mock]:
    with running(Settings(timing="instant", control_token=TOKEN)) as served:
        yield served


@pytest.fixture
def browser(guarded: Mock) -> Generator[httpx.Client]:
    """A browser that has shown nothing yet."""
    with httpx.Client(
        base_url=guarded.url,
        trust_env=False,
        timeout=PATIENCE,
        headers={"accept": BROWSER["accept"]},
    ) as client:
        yield client


def sign_in(browser: httpx.Client, token: str = TOKEN, **headers: str) -> httpx.Response:
    origin = {"origin": str(browser.base_url).rstrip("/"), **headers}
    return browser.post("/__falkit/page/session", data={"token": token}, headers=origin)


def test_a_token_is_asked_for_and_kept_in_a_cookie_that_no_script_reads(
    browser: httpx.Client,
) -> None:
    asked = browser.get("/")
    assert (asked.status_code, 'name="token"' in asked.text) == (401, True)
    assert "form-action 'self'" in asked.headers["content-security-policy"]
    assert browser.get("/__falkit/jobs").status_code == 401
    reply = sign_in(browser)
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    cookie = reply.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert TOKEN not in cookie
    page = browser.get("/")
    assert page.content == (FILES / "index.html").read_bytes()
    assert browser.get("/__falkit/jobs").status_code == 200
    own = {"origin": str(browser.base_url).rstrip("/")}
    assert browser.post("/__falkit/clock/pause", headers=own).status_code == 200


def test_a_cookie_is_for_https_alone_where_the_browser_came_by_it(browser: httpx.Client) -> None:
    for headers in (
        {"x-forwarded-proto": "https"},
        {"origin": f"https://{browser.base_url.netloc.decode()}"},
    ):
        assert "; Secure" in sign_in(browser, **headers).headers["set-cookie"]


def test_a_wrong_token_opens_nothing(browser: httpx.Client) -> None:
    for token in ("wrong", "", TOKEN[:-1], "é"):
        reply = sign_in(browser, token)
        assert (reply.status_code, "isn" in reply.text) == (401, True)
        assert "set-cookie" not in reply.headers
    assert browser.get("/__falkit/jobs").status_code == 401
    own = {"origin": str(browser.base_url).rstrip("/")}
    long = browser.post("/__falkit/page/session", content=b"token=" + b"x" * 5000, headers=own)
    assert long.status_code == 413


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "same-origin"},
        {"origin": "OWN", "sec-fetch-site": "same-site"},
        {"origin": "OWN", "sec-fetch-site": "cross-site"},
    ],
)
def test_what_a_cookie_comes_with_changes_nothing_unless_the_page_asks(
    browser: httpx.Client, headers: dict[str, str]
) -> None:
    """Browsers send it with whatever a page of another port of this machine asks for."""
    sign_in(browser)
    own = str(browser.base_url).rstrip("/")
    sent = {name: value.replace("OWN", own) for name, value in headers.items()}
    for method, path in (("POST", "/__falkit/reset"), ("DELETE", "/__falkit/requests")):
        reply = browser.request(method, path, headers=sent)
        assert (reply.status_code, "origin" in reply.json()["detail"]) == (403, True)
    assert (
        browser.post("/__falkit/page/session", data={"token": TOKEN}, headers=sent).status_code
        == 403
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"},
        {
            "sec-fetch-site": "cross-site",
            "sec-fetch-mode": "navigate",
            "sec-fetch-dest": "document",
        },
    ],
)
def test_nor_does_it_let_another_page_read(browser: httpx.Client, headers: dict[str, str]) -> None:
    sign_in(browser)
    assert browser.get("/__falkit/jobs", headers=headers).status_code == 403
    assert browser.get("/__falkit/jobs", headers={"sec-fetch-site": "none"}).status_code == 200


def test_a_token_in_a_header_counts_before_the_cookie(browser: httpx.Client) -> None:
    sign_in(browser)
    wrong = {"x-falkit-token": "wrong"}
    assert browser.get("/__falkit/jobs", headers=wrong).status_code == 401
    right = {"x-falkit-token": TOKEN, "origin": "https://app.example"}
    assert browser.post("/__falkit/clock/pause", headers=right).status_code == 200
    key = {"authorization": "Key alice"}
    assert browser.get("/__falkit/jobs", headers=key).status_code == 200


def test_a_link_with_a_code_lets_one_browser_in_once(guarded: Mock, browser: httpx.Client) -> None:
    assert guarded.http.post("/__falkit/page").status_code == 401
    known = {"x-falkit-token": TOKEN}
    url = guarded.http.post("/__falkit/page", headers=known).json()["url"]
    assert TOKEN not in url
    assert browser.head(url).status_code == 401, "what only looks ahead uses nothing up"
    reply = browser.get(url)
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    assert browser.get("/").status_code == 200
    with httpx.Client(trust_env=False, headers=BROWSER) as other:
        used = other.get(url)
        assert used.status_code == 401
        assert "That link was used" in used.text
        assert other.get(url[:-1]).status_code == 401
        assert "That link" not in other.get(url.partition("?")[0]).text, "without a code"


def test_cookies_and_codes_end_and_are_of_one_token() -> None:
    now = [1000.0]
    sessions, other = (Sessions(token, lambda: now[0]) for token in ("a", "b"))
    cookie, code = sessions.cookie(), sessions.code()
    header = f"x=y; {sessions.name}={cookie}"
    assert sessions.name != other.name
    assert sessions.knows(header)
    assert not other.knows(f"{other.name}={cookie}")
    assert not sessions.knows(f"{sessions.name}={code}")
    assert not sessions.redeem(cookie)
    forged = cookie.replace(cookie.partition(".")[0], "9" * 12, 1)
    for bad in (forged, "", "..", "1.2.3", f"{cookie}é", cookie.upper()):
        assert not sessions.knows(f"{sessions.name}={bad}")
    now[0] += CODE_LIFE + 1
    assert not sessions.redeem(code)
    assert sessions.knows(header)
    now[0] += COOKIE_LIFE
    assert not sessions.knows(header)


def test_codes_that_were_used_are_forgotten_once_they_have_ended() -> None:
    now = [1000.0]
    sessions = Sessions("a", lambda: now[0])
    for _ in range(50):
        code = sessions.code()
        assert sessions.redeem(code)
        assert not sessions.redeem(code)
        now[0] += CODE_LIFE
    assert len(sessions._used) <= 2  # pyright: ignore[reportPrivateUsage]


def test_what_the_page_shows_is_no_request_of_a_program(mock: Mock) -> None:
    """A clip that it plays, and the keys by which it checks a signature, come from fal's hosts."""
    url = mock.result(mock.submit()).json()["video"]["url"]
    keys = f"{mock.url}/rest.fal.ai/.well-known/jwks.json"
    mock.http.delete("/__falkit/requests")

    def logged(url: str, **headers: str) -> bool:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        with httpx.Client(trust_env=False, timeout=PATIENCE) as browser:
            assert browser.get(url, headers=sent).status_code == 200
        found: int = mock.http.delete("/__falkit/requests").json()["cleared"]
        return found == 1

    own = f"{mock.url}/"
    for shown in (url, keys):
        assert not logged(shown, referer=own, sec_fetch_site="same-origin")
        assert not logged(shown, referer=own)
        assert logged(shown)
        assert logged(shown, referer=own, sec_fetch_site="cross-site")
        assert logged(shown, referer="http://127.0.0.1:1/", sec_fetch_site="same-origin")
        assert logged(shown, referer=f"{own}other", sec_fetch_site="same-origin")
        assert logged(shown, referer=own, authorization="Key id:secret")
    job = mock.http.post(
        "/queue.fal.run/fal-ai/ltx-2/text-to-video",
        json={"prompt": "Rain"},
        headers={"referer": own, "sec-fetch-site": "same-origin", "origin": mock.url},
    )
    assert job.status_code == 200
    assert len(mock.http.get("/__falkit/requests").json()["requests"]) == 1
