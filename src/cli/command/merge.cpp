// attune merge: several models of one shape as one, their weights averaged.
#include "cli/command.h"
#include "cli/compute_options.h"
#include "core/error.h"
#include "core/files/files.h"
#include "core/system.h"
#include "feedback/reward_texts.h"
#include "model/model.h"
#include "model/signal.h"
#include "net/hub.h"

namespace attune::cli {
namespace {

class Merge : public Command {
 public:
  CommandInfo info() const override {
    return {
        .name = "merge",
        .summary = "Averages the weights of several models into one folder.",
        .usage = "models=[A, B, …] output=FOLDER [weights=[…]] [key=value …] [--json]",
        .details =
            "The models are of one shape, best trained from one start: policies of different goals (rewarded soups), or "
            "reward models, whose average (WARM, Ramé et al. 2024, arXiv:2401.12187) needs one forward pass where an "
            "ensemble needs several. Heads are averaged as all weights are. Tokenizer, template and configuration are "
            "those of the first. An adapter counts with its effect, and what is written needs no base.",
        .examples = {{"attune merge models='[rm-a, rm-b, rm-c]' output=warm", "one reward model of three"},
                     {"attune merge models='[helpful, harmless]' weights='[0.7, 0.3]' output=soup",
                      "more of one than of the other"}},
        .flags = {}};
  }

  void declare(core::Fields& fields) override {
    fields.add("models", models_, "Folders of the models, two or more.");
    fields.add("weights", weights_, "What each counts; they are divided by their sum. None: all the same.")
        .non_negative();
    fields.add("output", output_, "Folder that is written; it must not exist.");
    fields.add("dtype", dtype_, "Type of the written weights; source is that of the first model's files.")
        .one_of({"source", "float32", "bfloat16", "float16"});
    compute_.declare(fields);
  }

  int run(const Request&, Output& out) override {
    check_request();
    compute_.apply();
    model::Model merged = load(models_.front());
    if (merged.has_adapter()) merged.drop_adapter_after_merge();
    double counted = weights_.front();
    for (std::size_t m = 1; m < models_.size(); ++m) {
      counted += weights_[m];
      if (weights_[m] > 0) add(merged, models_[m], weights_[m] / counted);
    }
    core::StagedFolder stage(output_);
    merged.save(stage.path(), {.dtype = dtype_ == "source" ? "" : dtype_});
    if (const auto texts = feedback::RewardTexts::read(net::resolve_model_folder(models_.front())))
      core::write_file_atomically(core::join_path(stage.path(), feedback::kRewardTextsFile),
                                  texts->file_text());
    stage.publish();
    if (out.json())
      out.line({{"output", output_}, {"models", models_}, {"weights", shares(counted)}});
    else
      out.text(fmt::format("averaged {} to {}\n", core::counted(std::ssize(models_), "model"), output_));
    return 0;
  }

 private:
  void check_request() {
    if (models_.size() < 2) core::fail_request("merge needs two models or more: models=[A, B]");
    if (output_.empty()) core::fail_request("merge needs output=FOLDER");
    if (core::fs::exists(output_))
      core::fail_request("output={}: exists already; remove it, or name another folder", output_);
    if (weights_.empty()) weights_.assign(models_.size(), 1);
    if (weights_.size() != models_.size())
      core::fail_request("weights has {} numbers and models {}; give one for each", weights_.size(),
                         models_.size());
    if (weights_.front() <= 0) core::fail_request("weights: the first is 0; begin with a model that counts");
  }

  static model::Model load(const std::string& path) {
    model::ModelOptions options;
    options.path = path;
    // Heads beside a language model stay; a score would make a classifier of it.
    for (const auto& [name, head] : model::known_heads())
      if (name != "score") options.heads.insert(name);
    return model::Model::load(options);
  }

  static bool is_reward_model(const model::Model& model) {
    return model.named_head("score").weight.defined();
  }

  static void add(model::Model& merged, const std::string& path, double share) {
    const model::Model other = load(path);
    if (is_reward_model(other) != is_reward_model(merged))
      core::fail_request("models: {} {} a reward model and the first {}", path,
                         is_reward_model(other) ? "is" : "is not", is_reward_model(merged) ? "is" : "is not");
    merged.move_towards(other, share);
  }

  std::vector<double> shares(double sum) const {
    std::vector<double> shares = weights_;
    for (double& share : shares) share /= sum;
    return shares;
  }

  std::vector<std::string> models_;
  std::vector<double> weights_;
  std::string output_, dtype_ = "source";
  ComputeOptions compute_;
};

}  // namespace

std::unique_ptr<Command> command_merge() { return std::make_unique<Merge>(); }

}  // namespace attune::cli
