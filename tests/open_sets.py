#!/usr/bin/env python3
"""Shows that the open sets are open: a file added to a folder becomes an entry of the program, with no second edit.

Copies the sources, configures and then adds one method, one rule and one recipe to the copy, builds it, and looks for
them in `attune list`; takes the files away again, and they are gone. With a warm ccache (scripts/build shares it between
checkouts) this compiles a handful of files.

usage: open_sets.py SOURCE BUILD   (BUILD tells which torch and compiler to use)
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

METHOD = """
#include "algorithm/method.h"

namespace attune::algorithm {
namespace {

class Probe : public Method {
 public:
  MethodInfo info() const override {
    MethodInfo info;
    info.name = "zz_probe";
    info.paper = "none";
    info.summary = "shows that one file is enough";
    return info;
  }
  core::Fields fields() override {
    core::Fields fields;
    fields.add("strength", strength_, "An option.");
    return fields;
  }
  std::vector<Need> needs() const override { return {}; }
  Scope scope() const override { return Scope::kCandidate; }
  GroupShape shape() const override { return GroupShape::kDemonstrations; }
  Loss loss(const Batch&, const State&) const override { return {}; }

 private:
  double strength_ = 0.25;
};

}  // namespace

std::unique_ptr<Method> method_zz_probe() { return std::make_unique<Probe>(); }

}  // namespace attune::algorithm
"""

RULE = """
#include "feedback/rule.h"

namespace attune::feedback {
namespace {

class Probe : public Rule {
 public:
  RuleInfo info() const override { return {"zz_probe", "shows that one file is enough", ""}; }
  core::Fields fields() override { return {}; }
  std::vector<RuleScore> score(std::span<const RuleInput> inputs) override {
    return std::vector<RuleScore>(inputs.size());
  }
};

}  // namespace

std::unique_ptr<Rule> rule_zz_probe() { return std::make_unique<Probe>(); }

}  // namespace attune::feedback
"""


def cached(build, name):
    for line in (build / "CMakeCache.txt").read_text().splitlines():
        if line.startswith(name + ":"):
            return line.split("=", 1)[1]
    return ""


def main():
    source, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as temporary:
        # Laid out as the original, so that relative paths, and with them the compiler cache, agree.
        copy = pathlib.Path(temporary, "repository")
        copy.mkdir()
        shutil.copy2(source / "CMakeLists.txt", copy)
        for folder in ("cmake", "src", "assets", "recipes"):
            shutil.copytree(source / folder, copy / folder)
        env = dict(os.environ, CCACHE_BASEDIR=str(copy), CCACHE_NOHASHDIR="1")
        run = lambda *words: subprocess.run(words, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
        out = copy / "build"
        torch = cached(build, "ATTUNE_TORCH") or os.environ.get("ATTUNE_TORCH", "")
        local = pathlib.Path(source, ".deps", "torch")
        run("cmake", "-G", "Ninja", "-S", str(copy), "-B", str(out), "-DATTUNE_TESTS=OFF",
            "-DCMAKE_CXX_COMPILER=" + cached(build, "CMAKE_CXX_COMPILER"),
            "-DATTUNE_TORCH=" + (torch or (str(local) if local.exists() else "")))

        def names(kind):
            lines = run(str(out / "attune"), "list", kind, "--json").splitlines()
            return {item["name"]: item for item in map(json.loads, lines)}

        added = {copy / "src/algorithm/method/zz_probe.cpp": METHOD, copy / "src/feedback/rule/zz_probe.cpp": RULE,
                 copy / "recipes/zz_probe.yaml": "# A probe.\nmethod: dpo\n"}
        for path, text in added.items():
            path.write_text(text)
        run("ninja", "-C", str(out), "attune")
        methods, rules, recipes = names("methods"), names("rules"), names("recipes")
        assert "zz_probe" in methods and "zz_probe" in rules, (sorted(methods), sorted(rules))
        assert recipes["zz_probe"]["summary"] == "A probe.", recipes
        assert methods["zz_probe"]["options"][0]["default"] == 0.25, methods["zz_probe"]
        for path in added:
            path.unlink()
        run("ninja", "-C", str(out), "attune")
        assert set(names("methods")) == set(methods) - {"zz_probe"}
        assert set(names("rules")) == set(rules) - {"zz_probe"}
        assert set(names("recipes")) == set(recipes) - {"zz_probe"}
    print("one file is one entry")


if __name__ == "__main__":
    main()
