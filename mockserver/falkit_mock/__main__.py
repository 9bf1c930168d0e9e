"""`python -m falkit_mock`: the `falkit` command, where its script is not on the path."""

from __future__ import annotations

from falkit_mock.cli import main

main()
