"""The package's public names."""

from __future__ import annotations

import inspect

import falkit_client
from falkit_client import AsyncClient, AsyncHandle, Client, Handle


def test_all_is_sorted_and_true() -> None:
    exported = falkit_client.__all__
    assert exported == sorted(exported)
    assert all(hasattr(falkit_client, name) for name in exported)


def test_both_clients_have_the_same_methods() -> None:
    def public(kind: type) -> dict[str, list[str]]:
        members = inspect.getmembers(kind, inspect.isfunction)
        return {
            name: list(inspect.signature(member).parameters)
            for name, member in members
            if not name.startswith("_")
        }

    assert public(Client) == public(AsyncClient)
    assert public(Handle) == public(AsyncHandle)


def test_every_public_name_is_explained() -> None:
    for name in falkit_client.__all__:
        thing = getattr(falkit_client, name)
        if inspect.isclass(thing):
            assert inspect.getdoc(thing), name
            for member_name, member in inspect.getmembers(thing, inspect.isfunction):
                if not member_name.startswith("_") and member.__module__.startswith("falkit"):
                    assert inspect.getdoc(member), f"{name}.{member_name}"
