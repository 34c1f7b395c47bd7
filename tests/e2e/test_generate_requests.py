"""attune generate as a person meets it: defaults, help, refusals. Needs only the bundled model."""
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))
MODEL = ROOT / "assets/tinystories-656k"


def attune(*arguments):
    return subprocess.run([ATTUNE, *map(str, arguments)], capture_output=True, text=True, timeout=60)


def test_several_samples_need_a_temperature():
    asked = ["generate", f"model={MODEL}", "prompt=Once upon a time", "max_new_tokens=20", "n=4", "--json"]
    assert "do_sample" not in json.loads((MODEL / "generation_config.json").read_text())
    for greedy in ([], ["temperature=0"]):
        done = attune(*asked, *greedy)
        assert done.returncode == 2 and not done.stdout
        assert "n=4" in done.stderr and "temperature=0.8" in done.stderr
    texts = {}
    for seed in (0, 1):
        done = attune(*asked, "temperature=0.8", f"seed={seed}")
        assert done.returncode == 0, done.stderr
        texts[seed] = [c["completion"] for c in json.loads(done.stdout)["candidates"]]
        assert len(set(texts[seed])) == 4
    assert texts[0] != texts[1]


def test_help_tells_where_defaults_come_from():
    said = " ".join(attune("generate", "--help").stdout.split())
    for option in ("temperature", "top_k", "max_new_tokens"):
        line = said[said.index(f" {option} ", said.index("options (")):][:260]
        assert "default from generation_config.json" in line, line
    assert "does not say do_sample, decoding is greedy" in said
    commands = [json.loads(line) for line in attune("list", "commands", "--json").stdout.splitlines()]
    options = {o["name"]: o for c in commands if c["name"] == "generate" for o in c["options"]}
    assert options["temperature"]["default"] is None
    assert options["temperature"]["default_from"] == "generation_config.json"
    assert options["n"]["default"] == 1 and "default_from" not in options["n"]


def test_instructions_for_a_model_without_template(tmp_path):
    """Records of instructions are written as the model read them, so that they can be scored and trained on."""
    data, samples = tmp_path / "instructions.jsonl", tmp_path / "samples.jsonl"
    data.write_text(json.dumps({"instruction": "Tell a story.", "context": "Lily", "response": "Once upon a time."}))
    done = attune("generate", f"model={MODEL}", f"data={data}", "max_new_tokens=8", f"output={samples}")
    assert done.returncode == 0, done.stderr
    record = json.loads(samples.read_text())
    assert record["prompt"].endswith("### Instruction:\nTell a story.\n\n### Input:\nLily\n\n### Response:\n")
    assert isinstance(record["candidates"][0]["completion"], str)
    scored = attune("score", f"model={MODEL}", f"data={samples}", "--json")
    assert json.loads(scored.stdout)["ids"] == record["candidates"][0]["completion_ids"], scored.stderr


def test_results_are_not_overwritten(tmp_path):
    """Before anything is computed, and not by score either; a device holds nothing that could be lost."""
    data, taken = tmp_path / "rows.jsonl", tmp_path / "taken.jsonl"
    data.write_text('{"prompt": "Once", "completion": " upon"}\n')
    taken.write_text("mine")
    for command in (["generate", "max_new_tokens=2"], ["score"]):
        asked = [command[0], f"model={MODEL}", f"data={data}", *command[1:]]
        done = attune(*asked, f"output={taken}")
        assert done.returncode == 2 and f"{taken} is there already" in done.stderr and "overwrite=true" in done.stderr
        assert taken.read_text() == "mine"
        assert attune(*asked, "output=/dev/null").returncode == 0
        assert attune(*asked, f"output={taken}", "overwrite=true").returncode == 0
        assert json.loads(taken.read_text())["id"]
        taken.write_text("mine")
