// attune convert: a model written as another folder: an adapter merged into its base, weights in another
// type.
#include "cli/command.h"
#include "cli/compute_options.h"
#include "core/error.h"
#include "core/files/files.h"
#include "feedback/reward_texts.h"
#include "model/model.h"
#include "model/signal.h"
#include "net/hub.h"

namespace attune::cli {
namespace {

class Convert : public Command {
 public:
  CommandInfo info() const override {
    return {
        .name = "convert",
        .summary = "Merges an adapter into its base model, or writes a model in another type.",
        .usage = "model=MODEL output=FOLDER [dtype=TYPE] [key=value …] [--json]",
        .details =
            "Writes a Hugging Face folder of whole weights, with the base's tokenizer and template, that "
            "answers as model= does: of a PEFT adapter what PEFT's merge_and_unload gives. Sums are made in "
            "model.dtype and rounded once to the type that is written. A head that the base ties to the "
            "embedding, and the adapter changes, is written beside it (tie_word_embeddings false). Of a "
            "reward model, the folder is a sequence classifier.",
        .examples = {{"attune convert model=runs/x/model output=merged", "one folder that needs no base"},
                     {"attune convert model=MODEL output=half dtype=bfloat16", "half the size"}},
        .flags = {}};
  }

  void declare(core::Fields& fields) override {
    fields.section("model", model_options_, "The model, or the adapter.", "path");
    fields.add("output", output_, "Folder that is written; it must not exist.");
    fields.add("dtype", dtype_, "Type of the written weights; source is that of the base's files.")
        .one_of({"source", "float32", "bfloat16", "float16"});
    compute_.declare(fields);
  }

  int run(const Request&, Output& out) override {
    if (model_options_.path.empty()) core::fail_request("convert needs model=FOLDER");
    if (output_.empty()) core::fail_request("convert needs output=FOLDER");
    if (core::fs::exists(output_))
      core::fail_request("output={}: exists already; remove it, or name another folder", output_);
    compute_.apply();
    // Heads beside a language model stay; a score would make a classifier of it.
    for (const auto& [name, head] : model::known_heads())
      if (name != "score") model_options_.heads.insert(name);
    model::Model model = model::Model::load(model_options_);
    const bool merged = model.has_adapter();
    if (!merged && dtype_ == "source")
      core::fail_request("{}: has no adapter, so there is nothing to merge; dtype= writes it in another type",
                         model_options_.path);
    const std::string& told = model_options_.adapter.empty() ? model_options_.path : model_options_.adapter;
    core::StagedFolder stage(output_);
    model.save(stage.path(), {.dtype = dtype_ == "source" ? "" : dtype_});
    if (const auto texts = feedback::RewardTexts::read(net::resolve_model_folder(told)))
      core::write_file_atomically(core::join_path(stage.path(), feedback::kRewardTextsFile),
                                  texts->file_text());
    stage.publish();
    if (out.json())
      out.line({{"output", output_}, {"base", model.folder()}, {"merged", merged}});
    else
      out.text(fmt::format("{} {} to {}\n", merged ? "merged the adapter and wrote" : "wrote",
                           model_options_.path, output_));
    return 0;
  }

 private:
  model::ModelOptions model_options_;
  std::string output_, dtype_ = "source";
  ComputeOptions compute_;
};

}  // namespace

std::unique_ptr<Command> command_convert() { return std::make_unique<Convert>(); }

}  // namespace attune::cli
