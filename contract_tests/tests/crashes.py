"""What a test process leaves that crashes: its exit code, and where its threads were."""

from __future__ import annotations

import faulthandler
import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

_FOLDER = pytest.StashKey[Path]()
_CRASHES = pytest.StashKey[list[str]]()

# Places that say nothing of what was tested.
_OF_RUNNER = re.compile("/(_pytest|pluggy|xdist|execnet)/|<string>")


class Crashes:
    """For the process that distributes tests, and for each that runs them."""

    def pytest_configure(self, config: pytest.Config) -> None:
        """Make room for what processes leave."""
        if not hasattr(config, "workerinput"):
            config.stash[_FOLDER] = Path(tempfile.mkdtemp(prefix="falkit-crashes-"))
            config.stash[_CRASHES] = []

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Have a fatal error write to a file: what it says on stderr is lost among the rest.

        Not before a session starts, since pytest's own handler comes first.
        """
        given: dict[str, Any] | None = getattr(session.config, "workerinput", None)
        if given is not None:
            open_for_the_session = ExitStack()
            session.config.add_cleanup(open_for_the_session.close)
            path = Path(given["crashes"], given["workerid"])
            faulthandler.enable(open_for_the_session.enter_context(path.open("w")))
            open_for_the_session.callback(faulthandler.disable)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a new process where to write."""
        node.workerinput["crashes"] = str(node.config.stash[_FOLDER])

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Keep what a process left that ended of itself."""
        if error:
            config, id = node.config, node.workerinput["workerid"]
            code = node.gateway._io.wait()
            said = (config.stash[_FOLDER] / id).read_text("utf-8", "replace")
            lines = [line for line in said.splitlines() if line and not _OF_RUNNER.search(line)]
            config.stash[_CRASHES].append("\n".join([f"{id} ended with {code}", *lines]))

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        """Print it where nobody misses it."""
        for crash in config.stash[_CRASHES]:
            terminalreporter.section("a test process crashed")
            terminalreporter.write_line(crash)

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Remove the files."""
        folder = config.stash.get(_FOLDER, None)
        if folder is not None:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
