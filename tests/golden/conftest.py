"""Differences from an oracle that are known and not yet mended. Each is reported as an expected failure, never as a
pass; one that disappears shows up as XPASS and its line goes."""
import pytest

KNOWN = {
    "test_generate.py::test_greedy_equals_transformers": "a space behind a special token that is left out of the text",
    "test_generate.py::test_filters_equal_logits_processors": "ties and zero temperatures in combined filters",
    "test_jinja.py::test_random_programs": "one program in 2,000: a tuple in loop.nextitem prints as a list",
    "test_model.py::test_logits_equal_transformers[float64-1e-09-llama-dynamic]": "float32 powers differ in the last bit",
    "test_model.py::test_gradients_equal_transformers[float64-1e-09-True-llama-dynamic]": "float32 powers, as above",
    "test_model.py::test_gradients_equal_transformers[float64-1e-09-False-llama-dynamic]": "float32 powers, as above",
    "test_training.py::test_dpo": "prompts whose last token merges with the answer are cut differently for the two answers",
}


def pytest_collection_modifyitems(items):
    for item in items:
        for name, reason in KNOWN.items():
            if item.nodeid.endswith(name):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=False))
