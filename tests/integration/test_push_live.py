"""The tests of the mark `live`, run as a session of their own: where a key is in the environment, against what it opens."""

import os
import subprocess
import sys
from pathlib import Path

from langsmith_server import KEY, langsmith

ROOT = Path(__file__).parents[2]
ONE = "tests/integration/test_push_datasets.py::test_a_dataset_that_is_there_already_is_not_changed"


def test_the_hosted_variant_runs_where_there_is_a_key_and_leaves_nothing():
    """It asks the service at LANGSMITH_ENDPOINT, and takes back what it made there."""
    with langsmith() as server:
        known = {name: value for name, value in os.environ.items() if not name.startswith(("LANG", "PYTEST"))}
        environment = {**known, "LANGSMITH_ENDPOINT": server.address, "LANGSMITH_API_KEY": KEY}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "live", ONE]
        answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        workspace = server.workspace

    assert (answer.returncode, "1 passed" in answer.stdout) == (0, True), answer.stdout
    assert workspace.writes
    assert (workspace.datasets, workspace.examples, workspace.invalid) == ({}, {}, [])
