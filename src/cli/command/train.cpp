// attune train: from a recipe to a run folder.
#include <fmt/format.h>

#include "cli/compute_options.h"
#include "cli/train_output.h"
#include "core/files/files.h"
#include "core/system.h"
#include "training/run/recipe/resolve.h"

namespace attune::cli {
namespace {

class Train : public Command {
 public:
  CommandInfo info() const override {
    return {
        .name = "train",
        .summary = "Trains a model on feedback: any method, all weights or LoRA.",
        .usage = "[recipe.yaml] [key=value …] [--json]",
        .details =
            "Writes OUTPUT/{model, checkpoints, metrics.jsonl, evaluations.jsonl, samples.jsonl, "
            "report.html, TensorBoard events}. The same command continues a run that was stopped.",
        .examples =
            {{"attune train model=MODEL data=prefs.jsonl method=dpo output=runs/dpo",
              "direct preference optimization of all weights"},
             {"attune train model=MODEL data=prefs.jsonl method=dpo adapter=lora eval.data=held-out.jsonl "
              "output=runs/lora",
              "the same with LoRA, judged on held-out pairs"},
             {"attune train runs/dpo/recipe.yaml output=runs/again", "repeats a run"}},
        .flags = {}};
  }
  void declare(core::Fields& fields) override { recipe_.declare(fields); }

  std::vector<std::string> objections(bool refused) const override {
    return training::objections_to(recipe_, true, refused);
  }

  int run(const Request&, Output& out) override {
    ComputeOptions compute{recipe_.device, recipe_.threads, recipe_.seed, recipe_.kernels};
    compute.apply();
    recipe_.device = compute.device;
    recipe_.threads = compute.threads;
    recipe_.kernels = compute.kernels;
    const auto result = train_with_progress(recipe_, out);
    if (!result.leads) return 0;
    fmt::print(stderr, "done: {}\n  model   {}\n", core::counted(result.updates, "update"),
               result.model_folder);
    const std::string report = result.folder + "/report.html";
    if (core::fs::exists(report)) fmt::print(stderr, "  report  {}\n", report);
    say_what_to_look_at(result.folder);
    return 0;
  }

 private:
  training::TrainRecipe recipe_;
};

}  // namespace

std::unique_ptr<Command> command_train() { return std::make_unique<Train>(); }

}  // namespace attune::cli
