"""The curl line that a failed test prints: it can be pasted and run."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
from contextlib import redirect_stdout

import pytest
from hypothesis import given, settings

from falkit_contract import curl
from falkit_contract.strategies import inputs
from falkit_spec import Object
from serving import T2V, Mock


def test_a_failure_prints_a_curl_line() -> None:
    @settings(database=None, deadline=None, print_blob=False)
    @given(input=inputs(T2V))
    def fails(input: Object) -> None:
        assert not input

    with redirect_stdout(io.StringIO()), pytest.raises(AssertionError) as failed:
        fails()
    notes = "\n".join(failed.value.__notes__)
    assert f"curl http://127.0.0.1:4325/fal.run/{T2V}" in notes
    assert '\'{"prompt": "0"}\'' in notes


@settings(deadline=None, max_examples=40)
@given(input=inputs(T2V))
def test_a_curl_line_survives_the_shell(input: Object) -> None:
    words = shlex.split(curl(T2V, input, host="queue.fal.run", key="a:b"))
    assert words[:2] == ["curl", f"http://127.0.0.1:4325/queue.fal.run/{T2V}"]
    assert "Authorization: Key a:b" in words
    assert json.loads(words[-1]) == input


def test_a_curl_line_can_be_run(mock: Mock) -> None:
    line = curl(T2V, {"prompt": 'it\'s "here"'}, base_url=mock.url)
    done = subprocess.run(["sh", "-c", f"{line} -s"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["video"]["content_type"] == "video/mp4"
