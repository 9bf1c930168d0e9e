"""Who may call: the `Authorization` header, as fal reads it (wire.md §2)."""

from __future__ import annotations

from falkit_mock.errors import Unauthenticated


def check(authorization: str, app: str | None, api_keys: frozenset[str]) -> None:
    """Raise Unauthenticated unless the header names a key.

    `app` is the app that is called; None where a key is asked for by no app, as by rest.fal.ai.
    With no `api_keys` any key is taken, also one without the colon that fal's have; with
    some, the key must be one of them.
    """
    scheme, _, credential = authorization.strip().partition(" ")
    credential = credential.strip()
    missing = Unauthenticated.required() if app is None else Unauthenticated.missing(app)
    if not credential:
        raise missing
    match scheme.lower():
        case "key":
            if api_keys and credential not in api_keys:
                raise (
                    Unauthenticated.unknown() if ":" in credential else Unauthenticated.malformed()
                )
        case "bearer":
            # A login token is a JWT; nothing here could verify one.
            if (api_keys and credential not in api_keys) or credential.count(".") != 2:
                raise Unauthenticated.bearer()
        case _:
            raise missing


def key_id(authorization: str) -> str:
    """Return whose key a header names: what stands before the colon, never the secret."""
    scheme, _, credential = authorization.strip().partition(" ")
    return credential.strip().partition(":")[0] if scheme.lower() == "key" else scheme.lower()
