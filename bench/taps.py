#!/usr/bin/env python3
"""What taps cost while there is none: instructions of an update and of a sampled token, of two programs under callgrind.

The second program is the first one with taps compiled away:

    sed -i 's/if (tap) /if (false) /' src/model/block/block.h src/model/transformer.cpp
    scripts/build && cp build/attune attune_without_taps && git checkout src && scripts/build

usage: bench/taps.py build/attune attune_without_taps        Needs valgrind. Half an hour on a busy machine.
       What a program does once, before and after, goes away by comparing a long run of it with a short one.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODEL = ROOT / "assets/tinystories-656k"
SHORT, LONG = 2, 10
ENVIRONMENT = {**os.environ, "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
               "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def instructions(program, *arguments):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, *arguments, f"model={MODEL}", "threads=1"]
    done = subprocess.run(command, env=ENVIRONMENT, text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def train(program, rows, updates, folder):
    return instructions(program, "train", f"data={rows}", "method=dpo", f"training.max_steps={updates}", "training.batch_size=2",
                        "samples.prompts=0", f"output={folder}/{updates}")


def generate(program, tokens):
    return instructions(program, "generate", "prompt=Once upon a time", f"max_new_tokens={tokens}", f"min_new_tokens={tokens}",
                        "temperature=0")


def main():
    counts = {}
    for name, program in zip(("with", "without"), sys.argv[1:3], strict=True):
        with tempfile.TemporaryDirectory() as folder:
            rows = pathlib.Path(folder, "pairs.jsonl")
            pairs = [{"prompt": f"Once upon a time there was a {who}.", "chosen": " She was kind.", "rejected": " It was not."}
                     for who in ("girl", "dog", "king", "bird", "boy", "cat", "queen", "fish")]
            rows.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
            short, long = (train(program, rows, updates, folder) for updates in (SHORT, LONG))
        counts["update", name] = (long - short) / (LONG - SHORT)
        counts["token", name] = (generate(program, 8 * LONG) - generate(program, 8 * SHORT)) / (8 * (LONG - SHORT))
    for what in ("update", "token"):
        ours, bare = counts[what, "with"], counts[what, "without"]
        print(f"instructions of one {what}: {ours:,.0f} with taps, {bare:,.0f} without: {100 * (ours / bare - 1):+.4f} %")


if __name__ == "__main__":
    main()
