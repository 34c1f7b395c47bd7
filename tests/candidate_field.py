#!/usr/bin/env python3
"""Shows that there is one record: a field added to record::Candidate, by one line, reaches a method from a row of jsonl.

Copies the sources, adds the line, and builds what lies between a row and a method (record, data, the assembly of a step)
with a method that reads the field (tests/candidate_field). What does not know candidates comes from BUILD's libraries.

usage: candidate_field.py SOURCE BUILD   (BUILD tells which torch and compiler to use)
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

FIELD = 'FIELD(std::optional<double>, zz_field, {}, "shows that one line is enough") \\\n  '
# Exact in binary, so that their sum is: 0.25 + 4 + 0.5.
ROWS = [{"prompt_ids": [1, 5], "candidates": [{"completion_ids": [7, 2], "zz_field": 0.25}]},
        {"prompt_ids": [1, 6], "candidates": [{"completion_ids": [8, 9, 2], "zz_field": 4.0}]},
        {"prompt_ids": [1], "candidates": [{"completion_ids": [2], "zz_field": 0.5}]}]
EXPECTED = 4.75


def cached(build, name):
    return re.search(rf"^{name}:[^=]*=(.*)$", (build / "CMakeCache.txt").read_text(), re.M).group(1)


def main():
    source, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as temporary:
        # Laid out as the original, so that relative paths, and with them the compiler's cache, agree.
        copy = pathlib.Path(temporary, "repository")
        copy.mkdir()
        shutil.copy2(source / "CMakeLists.txt", copy)
        for folder in ("cmake", "src", "assets", "recipes"):
            shutil.copytree(source / folder, copy / folder)
        shutil.copytree(source / "tests/candidate_field", copy / "candidate_field")
        with open(copy / "CMakeLists.txt", "a") as out:
            out.write("add_subdirectory(candidate_field)\n")
        header = copy / "src/record/candidate.h"
        text, count = re.subn(r"(define ATTUNE_CANDIDATE_FIELDS\(FIELD\)\s*\\\n\s*)", lambda found: found.group() + FIELD,
                              header.read_text())
        assert count == 1, "record/candidate.h has its list elsewhere"
        header.write_text(text)

        def run(*words):
            done = subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  env=dict(os.environ, CCACHE_BASEDIR=str(copy), CCACHE_NOHASHDIR="1"))
            assert done.returncode == 0, f"{' '.join(map(str, words))}:\n{done.stdout[-4000:]}"
            return done.stdout

        out = copy / "build"
        # Run once over three rows: compiled without optimisation, which takes half as long.
        run("cmake", "-G", "Ninja", "-S", copy, "-B", out, "-DATTUNE_TESTS=OFF", "-DATTUNE_FILES_TOGETHER=32",
            "-DATTUNE_SUB_FOLDERS_TOGETHER=ON", "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O0",
            f"-DCMAKE_CXX_COMPILER={cached(build, 'CMAKE_CXX_COMPILER')}", f"-DATTUNE_TORCH={cached(build, 'ATTUNE_TORCH')}",
            f"-DATTUNE_BUILT={build}")
        run("ninja", "-C", out, "learn_from_field")
        data = copy / "rows.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        found = float(run(out / "candidate_field/learn_from_field", data, copy / "cache").splitlines()[-1])
        assert found == EXPECTED, found
    print("one line is one field")


if __name__ == "__main__":
    main()
