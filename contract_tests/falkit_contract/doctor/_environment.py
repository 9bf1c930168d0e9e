"""Where clients that are started with some variables end up: the mock, the real fal, or nowhere.

Whatever can't be told is taken for the worse: a client of which nothing shows that it reaches the
mock reaches fal.
"""

from __future__ import annotations

import http.client
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, cast
from urllib.parse import urlsplit

from falkit_contract.doctor._wire import keys_in
from falkit_mock.core.network import is_fal
from falkit_mock.gateway.environment import ADDING, KEYS, PRELOAD

if TYPE_CHECKING:
    from falkit_spec import Object

Verdict: TypeAlias = Literal["mock", "real fal", "fails"]
# Those that clients call: one that isn't led to the mock is enough to spend.
_HOSTS = ("fal.run", "queue.fal.run", "rest.fal.ai", "v3.fal.media")
_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
# Names that projects made up for a setting that fal's clients don't have.
_UNHEEDED = ("FAL_BASE_URL", "FAL_QUEUE_BASE_URL", "FAL_API_URL", "FAL_HOST")
_KEYS = ("FAL_KEY", "FAL_API_KEY", *KEYS[1:])
# Seconds for whatever is asked.
_PATIENCE = 5.0
_REQUIRED = re.compile(r'(?:^|\s)(?:--require|-r|--import)[=\s]+(?:"((?:[^"\\]|\\.)+)"|(\S+))')


@dataclass(frozen=True, slots=True)
class Row:
    """Where one client ends up, and why."""

    client: str
    verdict: Verdict
    why: str


@dataclass
class Report:
    """What `falkit doctor env` tells."""

    mock: str
    key: str
    rows: list[Row]
    notes: list[str] = field(default_factory=list[str])

    def to_json(self) -> Object:
        rows: list[Object] = [asdict(row) for row in self.rows]
        return {"mock": self.mock, "key": self.key, "clients": [*rows], "notes": [*self.notes]}


@dataclass(frozen=True, slots=True)
class _Gateway:
    """A gateway of falkit's that answers, and the certificate of its authority."""

    url: str
    certificate: bytes


def examine(environ: Mapping[str, str], token: str | None = None) -> Report:
    """Return where each client ends up with these variables; the mock and the proxy are asked."""
    shell = _Shell(environ, token)
    rows = [row(shell) for row in _CLIENTS]
    report = Report(shell.mock(), shell.key(), rows)
    spends = [row.client for row in rows if row.verdict == "real fal"]
    if spends and any(True for _ in keys_in("\n".join(shell.keys().values()))):
        report.notes.append(f"a key that looks real is set: fal charges it for {', '.join(spends)}")
    for name in _UNHEEDED:
        if environ.get(name):
            report.notes.append(f"{name} is set, but none of these clients reads it")
    return report


class _Shell:
    def __init__(self, environ: Mapping[str, str], token: str | None) -> None:
        self.environ = environ
        self._token = token
        self._asked: dict[str, _Gateway | str] = {}

    def keys(self) -> dict[str, str]:
        found = {name: self.environ[name] for name in _KEYS if self.environ.get(name)}
        id, secret = self.environ.get("FAL_KEY_ID"), self.environ.get("FAL_KEY_SECRET")
        if id and secret:
            found["FAL_KEY_ID and FAL_KEY_SECRET"] = f"{id}:{secret}"
        return found

    def key(self) -> str:
        told = [
            f"{name} looks like a real one ({masked})" if masked else f"{name} doesn't look real"
            for name, value in self.keys().items()
            for masked in [next((what for _, _, what in keys_in(value)), "")]
        ]
        return f"key: {'; '.join(told) or 'none'}"

    def mock(self) -> str:
        url = self.environ.get("FALKIT_BASE_URL")
        if not url:
            return "mock: FALKIT_BASE_URL isn't set"
        return f"mock: {url} {'answers' if self.answers(url) else 'does not answer'}"

    def answers(self, url: str) -> bool:
        """Tell whether a mock is at a URL: a gateway, or one without."""
        status, body = self._get(url, "/__falkit/gateway")
        known = "gateway" in str(body.get("detail")) or "egress" in body
        return (status in (200, 404) and known) or (status in (401, 403) and "detail" in body)

    def gateway(self, url: str) -> _Gateway | str:
        """Return the gateway at a URL, or what is there in its place: `nothing` or `other`."""
        if url not in self._asked:
            status, body = self._get(url, "/__falkit/gateway")
            found: _Gateway | str = "nothing" if status is None else "other"
            if status == 200 and {"url", "ca"} <= set(body):
                try:
                    found = _Gateway(url, Path(str(body["ca"])).read_bytes().strip())
                except OSError:
                    found = _Gateway(url, b"")
            elif status in (401, 403) and "detail" in body:
                found = "refused"
            self._asked[url] = found
        return self._asked[url]

    def _get(self, url: str, path: str) -> tuple[int | None, dict[str, object]]:
        """Return the status and JSON of a path; no status where nothing answers."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname, parts.port or 80
        except ValueError:
            return None, {}
        if parts.scheme != "http" or host is None or is_fal(host):
            return 0, {}
        connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE)
        try:
            headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
            connection.request("GET", path, headers=headers)
            reply = connection.getresponse()
            body: object = json.loads(reply.read(100_000))
            return reply.status, cast("dict[str, object]", body) if isinstance(body, dict) else {}
        except OSError:
            return None, {}
        except (http.client.HTTPException, ValueError):
            return 0, {}
        finally:
            connection.close()

    def proxy(self) -> tuple[str, str]:
        """Return the variable, and proxy, that programs take for https; small letters go first."""
        name = next((one for one in _PROXIES if one in self.environ), "")
        return name, self.environ.get(name, "")

    def bypassed(self) -> str | None:
        """Return a host of fal's that NO_PROXY leads past the proxy."""
        text = self.environ.get("no_proxy", self.environ.get("NO_PROXY", ""))
        entries = [re.sub(r"^\*?\.|:\d+$", "", one.strip().lower()) for one in text.split(",")]
        for host in _HOSTS:
            if any(one == "*" or host == one or host.endswith(f".{one}") for one in entries if one):
                return host
        return None

    def in_python(self) -> bool:
        """Tell whether Python programs load what leads fal's names to the gateway."""
        folders = self.environ.get("PYTHONPATH", "").split(os.pathsep)
        return bool(self.environ.get("FALKIT_GATEWAY")) and any(map(_is_preload, folders))

    def trusted(self, gateway: _Gateway, *names: str) -> str:
        """Return why a certificate is refused by what reads the first of these that is set."""
        name = next((one for one in names if self.environ.get(one)), None)
        if not gateway.certificate:
            return "falkit's certificate isn't on this machine, so nothing can be said of it"
        if name is None:
            return f"falkit's certificate is refused: set {names[0]}"
        try:
            roots = Path(self.environ[name]).read_bytes()
        except OSError as error:
            return f"{name}: can't read {self.environ[name]} ({error.strerror})"
        return "" if gateway.certificate in roots else f"{name} is without falkit's certificate"


def _is_preload(folder: str) -> bool:
    return folder == str(PRELOAD) or (bool(folder) and (Path(folder) / "falkit.cjs").is_file())


def _by(shell: _Shell, url: str, name: str, client: str, *roots: str) -> Row:
    """Judge a client that goes by a gateway or proxy, which a variable names."""
    found = shell.gateway(url)
    if found == "nothing":
        return Row(client, "fails", f"{name} is {url}, where nothing answers")
    if found == "refused":
        return Row(client, "fails", f"{name} is {url}, which asks for --control-token")
    if isinstance(found, str):
        return Row(client, "real fal", f"{name} is {url}, which isn't falkit's gateway")
    refused = shell.trusted(found, *roots)
    return Row(client, "fails", refused) if refused else Row(client, "mock", f"by {name}")


def _proxied(client: str, roots: tuple[str, ...], python: bool, shell: _Shell) -> Row:
    (name, proxy), past = shell.proxy(), shell.bypassed()
    if proxy and past is None:
        return _by(shell, proxy, name, client, *roots)
    if python and shell.in_python():
        return _by(shell, shell.environ["FALKIT_GATEWAY"], "FALKIT_GATEWAY", client, *roots)
    why = f"NO_PROXY leads {past} past the proxy" if proxy else "HTTPS_PROXY isn't set"
    return Row(client, "real fal", why)


def _fal_client(shell: _Shell) -> Row:
    name, environ = "fal-client (Python)", shell.environ
    usual = _proxied(name, ("SSL_CERT_FILE",), True, shell)
    run = environ.get("FAL_RUN_HOST", "fal.run")
    queue = environ.get("FAL_QUEUE_RUN_HOST", f"queue.{run}")
    other = next((host for host in (run, queue) if not is_fal(host.partition(":")[0])), None)
    if other is None or usual.verdict == "real fal":
        uploads = "" if other is None else "; FAL_RUN_HOST isn't for uploads, which go to fal"
        return Row(name, usual.verdict, usual.why + uploads)
    return Row(name, "fails", f"it calls https://{other}, for FAL_RUN_HOST: unset it")


def _aiohttp(shell: _Shell) -> Row:
    # It heeds proxies only where it is told to, which the preload does.
    if not shell.in_python():
        why = "it heeds no HTTPS_PROXY, and PYTHONPATH or FALKIT_GATEWAY are without falkit's"
        return Row("aiohttp", "real fal", why)
    return _proxied("aiohttp", ("SSL_CERT_FILE",), True, shell)


def _node(client: str, shell: _Shell) -> Row:
    environ = shell.environ
    found = [a or b for a, b in _REQUIRED.findall(environ.get("NODE_OPTIONS", ""))]
    preload = next((Path(one) for one in found if Path(one).name == "falkit.cjs"), None)
    if preload is None:
        proxied = "; NODE_USE_ENV_PROXY is heeded by new versions only"
        why = "NODE_OPTIONS is without falkit's preload, and Node heeds no HTTPS_PROXY"
        return Row(client, "real fal", why + proxied * bool(environ.get("NODE_USE_ENV_PROXY")))
    if not preload.is_file():
        return Row(client, "fails", f"NODE_OPTIONS names {preload}, which isn't there")
    if not environ.get("FALKIT_GATEWAY"):
        return Row(client, "real fal", "FALKIT_GATEWAY isn't set, so the preload does nothing")
    return _by(shell, environ["FALKIT_GATEWAY"], "FALKIT_GATEWAY", client, ADDING)


def _falkit_client(shell: _Shell) -> Row:
    url = shell.environ.get("FALKIT_BASE_URL")
    if not url:
        return Row("falkit_client", "real fal", "FALKIT_BASE_URL isn't set")
    if is_fal(urlsplit(url).hostname or ""):
        return Row("falkit_client", "real fal", f"FALKIT_BASE_URL is {url}")
    if shell.answers(url):
        return Row("falkit_client", "mock", "by FALKIT_BASE_URL")
    return Row("falkit_client", "fails", f"FALKIT_BASE_URL is {url}, where no mock answers")


_CLIENTS: tuple[Callable[[_Shell], Row], ...] = (
    _fal_client,
    partial(_node, "@fal-ai/client (Node)"),
    partial(_node, "AI SDK (Node)"),
    partial(_proxied, "curl", ("CURL_CA_BUNDLE", "SSL_CERT_FILE"), False),
    partial(_proxied, "requests", ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), True),
    partial(_proxied, "httpx", ("SSL_CERT_FILE",), True),
    _aiohttp,
    _falkit_client,
)
