"""Event files read back by TensorBoard itself (tensorboard's EventAccumulator)."""

import math
import os
import subprocess
from pathlib import Path

import pytest

event_accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
)


def test_program(name):
    """The unit-test program `name`, built beside the program under test."""
    attune = Path(os.environ.get("ATTUNE_BIN", "build/attune"))
    return attune.resolve().parent / "tests" / name


test_program.__test__ = False


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    program = test_program("test_training")
    if not program.exists():
        pytest.skip(f"{program} is not built")
    folder = tmp_path_factory.mktemp("events")
    subprocess.run(
        [program, "--gtest_filter=EventFileGolden.*"],
        env={**os.environ, "ATTUNE_EVENT_FOLDER": str(folder)},
        check=True,
        capture_output=True,
    )
    assert len(list(folder.iterdir())) == 1, "one file, also after a resume"
    reader = event_accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    return reader.Reload()


def test_version_and_tags(events):
    assert events.file_version == 2.0
    assert set(events.Tags()["scalars"]) == {"train/loss", "train/rewards/margins", "eval/loss", "train/odd"}
    assert events.Tags()["tensors"] == ["samples/text_summary"]


def test_each_step_once_with_its_value(events):
    loss = events.Scalars("train/loss")
    assert [event.step for event in loss] == list(range(1, 301))
    for event in loss:
        assert event.value == pytest.approx(1 / event.step, rel=1e-7)
        assert event.wall_time > 1.7e9
    assert [event.step for event in events.Scalars("eval/loss")] == list(range(5, 301, 5))
    assert events.Scalars("train/rewards/margins")[-1].value == pytest.approx(-30)
    # The NaN of step 12, before the kill, went with the steps after the checkpoint.
    assert [event.step for event in events.Scalars("train/odd")] == [300]
    assert math.isnan(events.Scalars("train/odd")[0].value)


def test_text_is_a_text_summary(events):
    (event,) = events.Tensors("samples/text_summary")
    assert event.step == 300
    assert event.tensor_proto.string_val[0].decode() == "**after** Ünïcode\n\n| a | b |"
    assert events.SummaryMetadata("samples/text_summary").plugin_data.plugin_name == "text"
