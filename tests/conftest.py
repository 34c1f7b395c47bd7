"""Its place makes pytest put this folder on the path: golden/ and e2e/ share tolerance.py and warm.py."""
import pytest

import warm

# Files whose one test or one fixture takes long: begun last, they would be waited for by one worker alone.
LONG = ["test_quickstart", "test_turns", "test_human_preferences", "test_training_settings", "test_killed_at_every_write",
        "test_selftest", "test_guides", "test_model"]


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


def pytest_configure(config):
    config.addinivalue_line("markers", "cold: every start of the program is one from nothing (warm.py)")
    config.warm_runs = warm.installed()


def pytest_unconfigure(config):
    if config.warm_runs:
        config.warm_runs.close()


@pytest.fixture(autouse=True)
def starts(request):
    runs = request.config.warm_runs
    if runs:
        runs.cold = request.node.get_closest_marker("cold") is not None
