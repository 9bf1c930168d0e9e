"""What a program is started with: its variables, its CA bundle, its signals."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

from falkit_mock.gateway import Policy, roots_unusable
from falkit_mock.gateway.authority import Authority, bundle_name, keep

# Each names one file that replaces a program's own roots; the last two are of boto and gRPC.
REPLACING = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
)
# This one adds to them.
ADDING = "NODE_EXTRA_CA_CERTS"


def ca_bundle(authority: Authority, environ: Mapping[str, str], egress: Policy) -> Path:
    """Return a file with the normal roots, the environment's own if it names some, and ours.

    Where nothing is let out the normal ones are left away, also if the environment names them:
    programs read the file for each client that they make, which takes 30 ms for 145 roots.
    Raise GatewayError.
    """
    named = {os.path.realpath(environ[name]): name for name in REPLACING if environ.get(name)}
    if egress == "block":
        named.pop(os.path.realpath(ssl.get_default_verify_paths().openssl_cafile), None)
    for path, name in named.items():
        if not Path(path).exists():
            raise roots_unusable(Path(path), name, FileNotFoundError(2, "no such file"))
    parts = [_read(Path(path), name) for path, name in named.items() if Path(path).is_file()]
    if egress == "block" and not parts:
        return authority.certificate
    return _kept(authority, parts or [_normal()])


def extra_roots(authority: Authority, environ: Mapping[str, str]) -> Path:
    """Return a file with our authority and whatever Node was told to trust besides.

    A file that can't be read adds nothing, as for Node itself.
    """
    named = environ.get(ADDING)
    try:
        own = Path(named).read_bytes() if named else b""
    except OSError:
        own = b""
    return _kept(authority, [own]) if own else authority.certificate


def _kept(authority: Authority, parts: list[bytes]) -> Path:
    ours = authority.public()
    # A part of falkit's own making, from a shell that has these variables already, is whole.
    strangers = [part.replace(ours, b"").strip() for part in parts]
    content = b"\n".join([*strangers, ours])
    # Named by what is in it: programs that run already keep theirs when the roots change.
    path = authority.certificate.with_name(bundle_name(content))
    if not path.exists():
        keep(path, content, 0o644)
    return path


def _normal() -> bytes:
    # None where OpenSSL was built with a place that this system doesn't have.
    system: str | None = ssl.get_default_verify_paths().cafile
    if system:
        return _read(Path(system), "the system's roots")
    import certifi

    return _read(Path(certifi.where()), "certifi's roots")


def _read(path: Path, where: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise roots_unusable(path, where, error) from None


PRELOAD = Path(__file__).with_name("preload")
# Any key will do unless the mock is told otherwise, but fal's SDK sends none without a colon.
KEY = "falkit:falkit"
# Under which names fal's clients read it, and litellm.
KEYS = ("FAL_KEY", "FAL_AI_API_KEY")
# What commands within send to a mock that asks for it.
TOKEN = "FALKIT_CONTROL_TOKEN"
_LOOPBACK = "localhost,127.0.0.1,::1"


def variables(
    gateway: str,
    authority: Authority,
    egress: Policy,
    environ: Mapping[str, str],
    key: str = KEY,
    mock: str | None = None,
) -> dict[str, str]:
    """Return the variables to set over `environ`; `gateway` is the gateway's URL.

    `mock` is the mock's own, for what speaks to falkit by name; the gateway does as well. One that
    is set already is replaced, since it leads to another mock. Raise GatewayError.
    """
    found = {"FALKIT_BASE_URL": mock or gateway}
    if not (
        environ.get("FAL_KEY") or (environ.get("FAL_KEY_ID") and environ.get("FAL_KEY_SECRET"))
    ):
        found |= {name: key for name in KEYS if not environ.get(name)}
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        found[name] = found[name.upper()] = gateway
    found["no_proxy"] = found["NO_PROXY"] = _LOOPBACK
    trusted = str(ca_bundle(authority, environ, egress))
    found |= dict.fromkeys(REPLACING, trusted)
    found[ADDING] = str(extra_roots(authority, environ))
    # Not NODE_USE_ENV_PROXY: what Node is to preload does the same in every version of it, also
    # for libraries with connections of their own, and says more clearly what was blocked.
    found["NODE_OPTIONS"] = _appended(environ.get("NODE_OPTIONS", ""), PRELOAD / "falkit.cjs")
    found["PYTHONPATH"] = _prepended(environ.get("PYTHONPATH", ""), PRELOAD)
    found["FALKIT_GATEWAY"] = gateway
    found["FALKIT_EGRESS"] = egress
    return found


def _appended(options: str, preload: Path) -> str:
    text = str(preload).replace("\\", "\\\\").replace('"', '\\"')
    option = f'--require "{text}"' if " " in text else f"--require {text}"
    return options if option in options else f"{options} {option}".strip()


def _prepended(paths: str, folder: Path) -> str:
    others = [path for path in paths.split(os.pathsep) if path and path != str(folder)]
    return os.pathsep.join([str(folder), *others])


# Those that somebody sends to falkit and means for the program.
_PASSED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGWINCH", "SIGUSR1", "SIGUSR2")
# Those that a terminal sends to everything in its foreground, so the program has them already.
_BY_TERMINAL = ("SIGINT", "SIGQUIT", "SIGWINCH")


def _ends_with_parent() -> Callable[[], None] | None:
    """Return what has a new process told to end if this one is killed; Linux alone can do that."""
    if sys.platform != "linux":
        return None
    # Lazy: nobody else needs it.
    import ctypes

    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            # It was killed before the question was put.
            os.kill(os.getpid(), signal.SIGTERM)

    return ask


_PR_SET_PDEATHSIG = 1


class Child:
    """Starts a program with this process's own streams, and waits for its end."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self._command = command
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def run(self, started: Callable[[], None]) -> int:
        """Return the exit code as a shell counts it: 128 and the number for a signal.

        `started` is called once the program runs; raise OSError if it can't be started. Call it
        from the main thread.
        """
        before = {number: signal.getsignal(number) for number in _numbers(_PASSED)}
        # What falkit was started to ignore, as nohup has it, the program shall ignore too; but
        # SIGTERM ends both, always.
        heeded = [
            number
            for number, how in before.items()
            if how is not signal.SIG_IGN or number == signal.SIGTERM
        ]
        for number in heeded:
            signal.signal(number, self._pass_on)
        try:
            self._process = subprocess.Popen(
                self._command, env=self._environ, preexec_fn=_ends_with_parent()
            )
            started()
            for early in self._early:
                self._process.send_signal(early)
            code = self._process.wait()
        finally:
            for number in heeded:
                signal.signal(number, before[number])
        return 128 - code if code < 0 else code

    def stop(self) -> None:
        """Tell the program to end; may be called from another thread."""
        if self._process is not None:
            self._process.terminate()
        else:
            self._early.append(signal.SIGTERM)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if number in _numbers(_BY_TERMINAL) and _in_foreground():
            return
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)


def _numbers(names: Sequence[str]) -> list[signal.Signals]:
    known = signal.Signals.__members__
    return [known[name] for name in names if name in known]


def _in_foreground() -> bool:
    """Tell whether a terminal sends its signals to this process's group."""
    if sys.platform == "win32":
        # A console sends Ctrl-C to all that share it, and there is no other SIGINT.
        return True
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
