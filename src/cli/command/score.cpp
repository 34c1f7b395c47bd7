// attune score: the log-probability of every token of every candidate, and rewards of rules.
#include <algorithm>
#include <numeric>
#include <set>

#include "cli/command.h"
#include "cli/compute_options.h"
#include "cli/result_lines.h"
#include "cli/tokens/scored_text.h"
#include "core/error.h"
#include "core/progress.h"
#include "core/system.h"
#include "data/dataset.h"
#include "data/rows/example_reader.h"
#include "feedback/reward_source.h"
#include "feedback/rule_rater.h"
#include "generation/codec.h"
#include "model/model.h"

namespace attune::cli {
namespace {

using core::Json;

/// Tokens that are read before their records are written.
constexpr std::int64_t kTokensAtOnce = 1 << 16;

Json with_null_first(const std::vector<double>& logps, std::size_t tokens) {
  Json list = Json::array();
  if (logps.size() < tokens) list.push_back(nullptr);
  for (const double logp : logps) list.push_back(logp);
  return list;
}

class Score : public Command {
 public:
  CommandInfo info() const override {
    return {
        .name = "score",
        .summary = "Log-probabilities of given completions, and rewards of rules or a reward model.",
        .usage = "model=MODEL data=FILE [key=value …] [--json]",
        .details =
            "One JSON object per candidate: id, candidate (index from 0), ids, logps per token, their sum "
            "and mean; with ref_model= also ref_logps, with rule= or reward_model= also reward, of a process "
            "reward model (method=prm) with step_scores, the probability that each step is right. The first "
            "token of a text without prompt has no log-probability (null). Rows are cut as for training "
            "(data.max_length, data.max_prompt_length, data.truncation), which is said; the end-of-sequence "
            "token is only added with data.append_eos=true. With records=true it writes the records, rewards "
            "in their answers. A reward model reads the same prompt and completion with its own tokenizer, "
            "cut and ended as its folder says that its training did (reward_texts.json); settings of data "
            "that are given win. Where the folder does not say, give data.append_eos=true if its plain texts "
            "were ended.",
        .examples =
            {{"attune score model=MODEL data=prefs.jsonl", "how likely the model finds each answer"},
             {"attune score model=MODEL data=answers.jsonl rule=math_answer",
              "which answers are right, as well"},
             {"attune score model=MODEL data=samples.jsonl rule=math_answer records=true output=rated.jsonl",
              "the same records with rewards, for a run that learns from them"},
             {"attune score model=MODEL data=prefs.jsonl reward_model=runs/reward/model",
              "what a trained reward model thinks of each answer, as well"},
             {"attune score model=MODEL data=prefs.jsonl reward_model='{path: [rm-a, rm-b, rm-c], combine: worst}'",
              "the worst of what three reward models think"}},
        .flags = {}};
  }

  void declare(core::Fields& fields) override {
    fields.section("model", model_options_, "The model.", "path");
    fields.section("data", data_options_, "Records with candidates.", "path");
    fields.section("ref_model", reference_options_, "Another model, whose log-probabilities are added.",
                   "path");
    fields.add("rule", rule_settings_, "A rule, or a list of rules with weights, whose reward is added.")
        .short_form("name")
        .shown_type("rule");
    fields.section(
        "reward_model", reward_options_,
        "A model with a reward head (what method=bradley_terry or prm writes), whose reward is added; or a list of "
        "them, an ensemble.",
        "path");
    fields.add("micro_batch_tokens", budget_, "Tokens that are computed at once.").range(1, 1e9);
    fields.add(
        "records", records_,
        "Write the records instead, each answer with its reward: what methods that learn from rewards read.");
    file_.declare(fields, "File that gets the lines instead of standard output.");
    compute_.declare(fields);
  }

  int run(const Request& request, Output& out) override {
    if (model_options_.path.empty()) core::fail_request("score needs model=FOLDER");
    if (!data_options_.given()) core::fail_request("score needs data=FILE");
    if (!rule_settings_.is_null() && !reward_options_.paths.empty())
      core::fail_request("give rule= or reward_model=: a candidate has one reward");
    if (records_ && rule_settings_.is_null() && reward_options_.paths.empty())
      core::fail_request("records=true writes rewards: add rule=RULE or reward_model=FOLDER");
    std::vector<feedback::GivenRule> rules;
    if (!rule_settings_.is_null()) rules = feedback::make_rules(rule_settings_);
    file_.require_free();
    compute_.apply();
    load(request.settings);
    load_rater(std::move(rules), request.settings);
    write_result_lines(file_.path, out, [&](const core::Sink& sink) { write_scores(sink); });
    if (!file_.path.empty())
      fmt::print(stderr, "wrote {} to {}\n", core::counted(written_, records_ ? "record" : "score"),
                 file_.path);
    return 0;
  }

 private:
  void load(const core::Value& settings) {
    model_.emplace(model::Model::load(model_options_));
    need_head(*model_, model_options_.path);
    codec_ = generation::codec_of(*model_);
    if (!reference_options_.path.empty()) {
      reference_.emplace(model::Model::load(reference_options_, {&model_->load_report(), 1}));
      need_head(*reference_, reference_options_.path);
      codec_.vocab_size = std::min(codec_.vocab_size, reference_->config().vocab_size);
      codec_.max_positions = std::min(codec_.max_positions, reference_->config().context());
      codec_.positions_end = codec_.positions_end || reference_->config().learned_positions;
    }
    length_limit_ = data::length_limit_text(data_options_, codec_);
    context_ = codec_.max_positions;
    if (context_ > 0) codec_.max_positions = context_ + 1;  // see pack_item
    // Texts are scored as they stand, unless an end is asked for.
    const core::Value* data = settings.find("data");
    if (data == nullptr || data->find("append_eos") == nullptr) data_options_.append_eos = false;
  }

  void load_rater(std::vector<feedback::GivenRule> rules, const core::Value& settings) {
    if (!rules.empty()) {
      rater_ = feedback::rule_rater(std::move(rules), codec_.tokenizer ? &*codec_.tokenizer : nullptr);
    } else if (!reward_options_.paths.empty()) {
      feedback::RewardSource source = feedback::reward_source(reward_options_, codec_, data_options_,
                                                              given_names(settings.find("data")), budget_);
      for (const std::string& note : source.notes) fmt::print(stderr, "{}\n", note);
      rates_steps_ = source.rates_steps;
      rater_ = std::move(source.rater);
    }
  }

  /// The settings of data that were written by the user.
  static std::vector<std::string> given_names(const core::Value* section) {
    data::DataOptions options;
    core::Fields fields = core::fields_of(options);
    std::vector<std::string> names;
    if (section != nullptr && section->is_map())
      for (const auto& [name, value] : section->entries())
        if (const core::Field* field = fields.find(name)) names.push_back(field->name());
    return names;
  }

  static void need_head(const model::Model& model, const std::string& path) {
    if (model.head().weight.defined()) return;
    core::fail_request(
        "{0}: has no language-model head, so texts have no log-probability under it. Is it a reward model? "
        "Give "
        "it as reward_model={0}, beside model= of a language model",
        path);
  }

  void write_scores(const core::Sink& sink) {
    data::ExampleReader reader(data_options_);
    core::Progress progress(
        "scoring", 0, "record",
        core::stderr_is_terminal() ? core::ProgressStyle::kBar : core::ProgressStyle::kQuiet);
    std::int64_t read = 0, tokens = 0;
    for (record::Example example; reader.next(example); progress.update(++read)) {
      core::stop_if_interrupted();
      tokens += take(std::move(example), reader.index());
      if (tokens >= kTokensAtOnce) {
        write_chunk(sink);
        tokens = 0;
      }
    }
    write_chunk(sink);
    progress.finish();
    tell_noticed(reader.summary().noticed);
    tell_left_out(left_out_);
    if (const auto beyond = data::beyond_context_text(longest_, context_); !beyond.empty())
      fmt::print(stderr, "warning: {}\n", beyond);
    if (cut_ > 0) fmt::print(stderr, "{} cut to {}\n", core::counted(cut_, "row"), length_limit_);
    if (written_ == 0) core::fail_request("{}: no usable candidate", data_options_.name());
  }

  /// Adds a record to the chunk. Returns its tokens.
  std::int64_t take(record::Example example, std::int64_t record) {
    if (example.candidates.empty()) {
      ++left_out_["no candidates"];
      return 0;
    }
    auto tokenized = data::tokenize_example(example, codec_, data_options_, false);
    if (!tokenized.ok()) {
      ++left_out_[tokenized.error().reason];
      return 0;
    }
    std::int64_t tokens = 0;
    bool cut = false;
    for (std::size_t c = 0; c < tokenized.value().completions.size(); ++c) {
      const auto& completion = tokenized.value().completions[c];
      ScoredText text{examples_.size(), c, record, tokenized.value().prompt, {}, {}};
      const auto tail = completion.ids.begin() + completion.prompt_tail;
      text.context.insert(text.context.end(), completion.ids.begin(), tail);
      text.ids.assign(tail, completion.ids.end());
      cut = cut || completion.truncated;
      const auto length = static_cast<std::int64_t>(text.context.size() + text.ids.size());
      tokens += length;
      longest_ = std::max(longest_, length - 1);  // the last one is not read
      texts_.push_back(std::move(text));
    }
    if (cut) cut_rows_.insert(examples_.size());
    examples_.push_back(std::move(example));
    return tokens;
  }

  /// Fills the rewards in. Records with a candidate that cannot be rated are left out, and counted once.
  void rate_chunk() {
    std::vector<feedback::Remark> remarks = rater_->rate(examples_);
    ATTUNE_ASSERT(remarks.size() == texts_.size());
    std::set<std::size_t> unrated;
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      texts_[i].metrics = std::move(remarks[i].metrics);
      if (remarks[i].unusable.empty() || !unrated.insert(texts_[i].row).second) continue;
      ++left_out_[fmt::format("for the {}: {}", rule_settings_.is_null() ? "reward model" : "rule",
                              remarks[i].unusable)];
    }
    std::erase_if(texts_, [&](const ScoredText& text) { return unrated.contains(text.row); });
    std::erase_if(cut_rows_, [&](std::size_t row) { return unrated.contains(row); });
  }

  void write_chunk(const core::Sink& sink) {
    if (texts_.empty()) return;
    if (rater_) rate_chunk();
    if (records_)
      write_records(sink);
    else
      write_lines(sink);
    cut_ += static_cast<std::int64_t>(cut_rows_.size());
    texts_.clear();
    examples_.clear();
    cut_rows_.clear();
  }

  /// The records that have texts left, all of whose answers are rated then.
  void write_records(const core::Sink& sink) {
    std::set<std::size_t> rated;
    for (const ScoredText& text : texts_) rated.insert(text.row);
    for (const std::size_t row : rated) {
      sink(core::to_line(record::to_json(examples_[row])) + "\n");
      ++written_;
    }
  }

  void write_lines(const core::Sink& sink) {
    const auto logps = token_logps(*model_, texts_, budget_);
    const auto reference = reference_ ? token_logps(*reference_, texts_, budget_) : logps;
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      const ScoredText& text = texts_[i];
      const record::Example& example = examples_[text.row];
      const double sum = std::accumulate(logps[i].begin(), logps[i].end(), 0.0);
      Json line = {{"id", example.id}, {"candidate", text.candidate}, {"ids", text.ids}};
      line["logps"] = with_null_first(logps[i], text.ids.size());
      line["sum"] = sum;
      line["mean"] = logps[i].empty() ? Json() : Json(sum / static_cast<double>(logps[i].size()));
      if (reference_) line["ref_logps"] = with_null_first(reference[i], text.ids.size());
      if (rater_) line["reward"] = example.candidates[text.candidate].reward.value();
      if (rates_steps_) line["step_scores"] = example.candidates[text.candidate].step_scores;
      if (!text.metrics.empty()) line["metrics"] = text.metrics;
      sink(core::to_line(line) + "\n");
      ++written_;
    }
  }

  model::ModelOptions model_options_, reference_options_;
  feedback::RewardSourceOptions reward_options_;
  data::DataOptions data_options_;
  ComputeOptions compute_;
  core::Value rule_settings_;
  ResultFile file_;
  bool records_ = false;
  std::int64_t budget_ = 4096;

  std::optional<model::Model> model_, reference_;
  data::TextCodec codec_;
  std::unique_ptr<feedback::Rater> rater_;
  std::string length_limit_;               ///< what rows are cut to, in words
  std::vector<record::Example> examples_;  ///< of the chunk
  std::vector<ScoredText> texts_;          ///< every candidate of them
  std::set<std::size_t> cut_rows_;         ///< which of them were cut to the length limit
  std::map<std::string, std::int64_t> left_out_;
  bool rates_steps_ = false;  ///< the reward model does
  std::int64_t written_ = 0, cut_ = 0, longest_ = 0, context_ = 0;
};

}  // namespace

std::unique_ptr<Command> command_score() { return std::make_unique<Score>(); }

}  // namespace attune::cli
