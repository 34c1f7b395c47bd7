#!/usr/bin/env python3
"""DPO of a whole model, side by side with TRL on the same weights, ids, order and machine: losses, then time, then memory.

TRL runs as it does best on a CPU: float32, no gradient checkpointing, small micro-batches of a batch of eight; once as it
is, and once with the fused head's slow CPU fallback replaced by a matrix product and cross-entropy on the labelled
positions. Every program runs in a process of its own, one after the other, with all cores.

usage: bench/dpo_vs_trl.py --attune build/attune --tokenizer FOLDER --data hh_rlhf.jsonl [--updates 6] [--repeat 3]
       FOLDER holds a Hugging Face tokenizer (GPT-2's: 50,257 tokens); the data are HH-RLHF transcripts. Needs the Python
       packages of tests/golden/requirements.txt. Prints a table and one JSON object a run.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

BATCH, MICRO, RATE = 8, 2, 1e-5


def transcripts(path, count):
    """HH-RLHF pairs with the prompt cut off, those of moderate length."""
    rows = []
    for line in open(path):
        row = json.loads(line)
        at = row["chosen"].rfind("\n\nAssistant:") + len("\n\nAssistant:")
        if row["chosen"][:at] == row["rejected"][:at] and 200 < len(row["chosen"]) < 2500 and row["chosen"][at:] != row["rejected"][at:]:
            rows.append({"prompt": row["chosen"][:at], "chosen": row["chosen"][at:], "rejected": row["rejected"][at:]})
        if len(rows) == count:
            return rows
    sys.exit(f"{path}: only {len(rows)} usable pairs, {count} are needed")


def make_model(folder, tokenizer):
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
    tokens = AutoTokenizer.from_pretrained(tokenizer)
    tokens.pad_token = tokens.pad_token or tokens.eos_token
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=len(tokens), hidden_size=384, intermediate_size=1024, num_hidden_layers=7,
                         num_attention_heads=6, num_key_value_heads=6, tie_word_embeddings=True, max_position_embeddings=2048,
                         bos_token_id=tokens.bos_token_id, eos_token_id=tokens.eos_token_id)
    model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    tokens.save_pretrained(folder)
    return sum(p.numel() for p in model.parameters())


class PlainHead:
    """What TRL's fused head returns, from a matrix product and cross-entropy."""

    @staticmethod
    def apply(hidden, weight, bias, labels, temperature, chunk, softcap, scale, outputs):
        import torch
        logits = torch.nn.functional.linear(hidden, weight, bias)
        log_probs = -torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        with torch.no_grad():
            log_p = logits.log_softmax(-1)
            entropy = -(log_p.exp() * log_p).sum(-1) if "entropy" in outputs else None
            mean = logits.mean(-1) if "mean_logits" in outputs else None
            top = logits.argmax(-1) == labels if "is_top1" in outputs else None
        return log_probs, entropy, None, mean, top


def trl(model_folder, pairs, updates, patched, ids_out):
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import DPOConfig, DPOTrainer
    if patched:
        import trl.trainer.utils as utils
        utils._use_triton = lambda device: True  # scores the labelled positions only
        utils._ChunkedLogProbFunction = PlainHead
    ends = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_, **__):
            ends.append(time.perf_counter())

    load = lambda: AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    trainer = DPOTrainer(load(), load(), DPOConfig(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=MICRO, gradient_accumulation_steps=BATCH // MICRO, max_steps=updates,
        learning_rate=RATE, lr_scheduler_type="constant", logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, bf16=False,
        gradient_checkpointing=False, disable_tqdm=True, train_sampling_strategy="sequential", seed=0, max_length=1024),
        train_dataset=Dataset.from_list(pairs), processing_class=AutoTokenizer.from_pretrained(model_folder), callbacks=[Clock()])
    names = ("prompt_ids", "chosen_ids", "rejected_ids")
    with open(ids_out, "w") as out:
        out.writelines(json.dumps({name: row[name] for name in names}) + "\n" for row in trainer.train_dataset)
    trainer.train()
    rows = [row for row in trainer.state.log_history if "loss" in row]
    return {"losses": [row["loss"] for row in rows], "tokens": rows[-1]["num_tokens"] - rows[0]["num_tokens"],
            "seconds": ends[-1] - ends[0], "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def attune(program, model_folder, ids, updates):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([program, "train", f"model={model_folder}", f"data={ids}", "method=dpo", f"output={folder}/run",
                               f"training.learning_rate={RATE}", "training.schedule=constant", f"training.batch_size={BATCH}",
                               "training.shuffle=false", f"training.max_steps={updates}", "samples.prompts=0", "--json"],
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {"losses": [row["loss"] for row in rows], "tokens": rows[-1]["num_tokens"] - rows[0]["num_tokens"],
            "seconds": sum(row["step_seconds"] for row in rows[1:]), "peak_mb": rows[-1]["peak_rss_mb"]}


def worker(arguments):
    work = pathlib.Path(arguments.work)
    pairs = [json.loads(line) for line in (work / "pairs.jsonl").open()]
    print(json.dumps(trl(str(work / "model"), pairs, arguments.updates, arguments.worker == "patched", work / "ids.jsonl")))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attune", default="build/attune")
    parser.add_argument("--tokenizer")
    parser.add_argument("--data")
    parser.add_argument("--updates", type=int, default=6)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return worker(arguments)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        pairs = transcripts(arguments.data, arguments.updates * BATCH)
        (work / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pairs))
        parameters = make_model(work / "model", arguments.tokenizer)
        python = lambda kind: json.loads(subprocess.run(
            [sys.executable, __file__, "--worker", kind, "--work", folder, "--updates", str(arguments.updates)],
            check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        runs = {"TRL": [], "TRL, patched head": [], "Attune": []}
        for _ in range(arguments.repeat):
            runs["TRL"].append(python("stock"))
            runs["TRL, patched head"].append(python("patched"))
            runs["Attune"].append(attune(arguments.attune, work / "model", work / "ids.jsonl", arguments.updates))
    report(runs, parameters, arguments)


def report(runs, parameters, arguments):
    from importlib.metadata import version
    apart = max(abs(a - b) for kind in ("TRL", "TRL, patched head") for a, b in
                zip(runs[kind][0]["losses"], runs["Attune"][0]["losses"], strict=True))
    print(f"DPO, {parameters / 1e6:.1f}M parameters, float32, batch of {BATCH} pairs, {arguments.updates - 1} timed updates, "
          f"{os.cpu_count()} cores; TRL {version('trl')}, transformers {version('transformers')}, torch {version('torch')}")
    print(f"largest difference of a loss: {apart:.1e}\n")
    print(f"{'':20} {'tokens/s':>10} {'peak MB':>9}   Attune is")
    speed = {kind: statistics.median(run["tokens"] / run["seconds"] for run in rows) for kind, rows in runs.items()}
    peak = {kind: statistics.median(run["peak_mb"] for run in rows) for kind, rows in runs.items()}
    for kind in runs:
        ratio = "" if kind == "Attune" else f"{speed['Attune'] / speed[kind]:.2f} times as fast, {peak['Attune'] / peak[kind]:.2f} of the memory"
        print(f"{kind:20} {speed[kind]:10.0f} {peak[kind]:9.0f}   {ratio}")
    print()
    for kind, rows in runs.items():
        for run in rows:
            print(json.dumps({"case": "dpo", "program": kind, "tokens_per_second": run["tokens"] / run["seconds"], **run}))
    if apart > 1e-4:
        sys.exit("the losses differ: the times mean nothing")


if __name__ == "__main__":
    main()
