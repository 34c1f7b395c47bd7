// attune generate: completions of prompts, from the command line or a file.
#include <algorithm>

#include "cli/command.h"
#include "cli/compute_options.h"
#include "cli/result_lines.h"
#include "core/error.h"
#include "core/progress.h"
#include "core/system.h"
#include "data/rows/example_reader.h"
#include "data/tokens/tokenize.h"
#include "data/tokens/watch/message_watch.h"
#include "generation/codec.h"
#include "generation/generator.h"
#include "generation/sampling/generation_config.h"
#include "model/model.h"

namespace attune::cli {
namespace {

using core::Json;

/// Prompts that are generated for before their records are written.
constexpr std::size_t kPromptsAtOnce = 2048;

struct PromptRow {
  record::Example example;
  generation::Prompt prompt;
};

/// The record's prompt as the example that is written, without candidates.
record::Example prompt_only(record::Example example) {
  if (example.language_modelling && !example.candidates.empty()) {
    const record::Candidate& whole = example.candidates.front();
    example.prompt = whole.completion;
    if (whole.completion_ids) example.prompt_ids = whole.completion_ids;
    if (example.prompt.is_array() && example.prompt.size() > 1 &&
        example.prompt.back().value("role", "") == "assistant")
      example.prompt.erase(example.prompt.size() - 1);
    example.language_modelling = false;
  }
  example.candidates.clear();
  return example;
}

record::Candidate candidate_of(const generation::Sample& sample, const record::Example& example,
                               bool has_text, bool logprobs) {
  record::Candidate candidate;
  if (has_text) {
    candidate.completion = sample.text;
    if (example.prompt.is_array()) {
      candidate.completion = Json::array({{{"role", "assistant"}, {"content", sample.text}}});
    }
  }
  candidate.completion_ids = sample.ids;
  if (logprobs) candidate.logps = sample.logps;
  candidate.finish_reason = sample.finish_reason;
  return candidate;
}

class Generate : public Command {
 public:
  CommandInfo info() const override {
    return {
        .name = "generate",
        .summary = "Writes completions of prompts.",
        .usage = "model=MODEL prompt=TEXT | data=FILE [key=value …] [--json]",
        .details =
            "One native record per prompt, with completion, completion_ids, logps (the model's own at "
            "temperature 1) and finish_reason. A single prompt= streams its text instead, unless --json or "
            "output= is given. Sampling settings default to what the model's generation_config.json says; "
            "where that does not say do_sample, decoding is greedy (temperature 0).",
        .examples =
            {{"attune generate model=MODEL prompt='Once upon a time' temperature=0.8",
              "shows a completion while it is written"},
             {"attune generate model=MODEL data=prompts.jsonl n=4 temperature=0.8 output=samples.jsonl",
              "four samples of every prompt, as native records"}},
        .flags = {}};
  }

  void declare(core::Fields& fields) override {
    fields.section("model", model_options_, "The model.", "path");
    fields.add("prompt", prompt_, "A prompt, taken verbatim.");
    fields.section("data", data_options_, "Records whose prompts are continued.", "path");
    file_.declare(fields, "File that gets the records (JSON Lines) instead of standard output.");
    fields.add("logprobs", logprobs_, "Whether records carry the log-probability of every token.");
    sampling_.declare(fields);
    compute_.declare(fields);
  }

  int run(const Request& request, Output& out) override {
    has_prompt_ = request.settings.find("prompt") != nullptr;
    if (model_options_.path.empty()) core::fail_request("generate needs model=FOLDER");
    if (has_prompt_ == data_options_.given())
      core::fail_request("generate needs either prompt=TEXT or data=FILE");
    file_.require_free();
    compute_.apply();
    model_.emplace(model::Model::load(model_options_));
    read_sampling(request.settings);
    codec_ = generation::codec_of(*model_);
    codec_.vocab_size = model_->config().vocab_size;
    if (has_prompt_) data::need_tokenizer(codec_);
    generator_.emplace(*model_, codec_.tokenizer ? &*codec_.tokenizer : nullptr);
    if (has_prompt_ && !out.json() && file_.path.empty()) return stream(out);
    write_result_lines(file_.path, out, [&](const core::Sink& sink) { write_records(sink); });
    if (!file_.path.empty())
      fmt::print(stderr, "wrote {} to {}\n", core::counted(written_, "record"), file_.path);
    return 0;
  }

 private:
  /// The model's own settings, and over them what was asked for.
  void read_sampling(const core::Value& settings) {
    sampling_ = generation::sampling_of_folder(model_->folder());
    sampling_.lay_over(settings);
    const std::string unheeded = generation::unheeded_settings(model_->folder());
    if (!unheeded.empty()) fmt::print(stderr, "attune: {}\n", unheeded);
  }

  generation::Prompt tokenized(const record::Example& example, std::uint64_t record, std::string& problem,
                               std::string* rendered = nullptr) const {
    auto ids = data::tokenize_prompt(example, codec_, rendered);
    if (!ids.ok()) {
      problem = ids.error().reason;
      return {};
    }
    generation::Prompt prompt{std::move(ids.value()), record};
    // Where the tokenizer adds nothing to an empty prompt, a text begins with the model's own beginning.
    if (prompt.ids.empty() && model_->config().bos_id >= 0) {
      prompt.ids.push_back(static_cast<std::int32_t>(model_->config().bos_id));
    }
    const auto length = static_cast<std::int64_t>(prompt.ids.size()), context = model_->config().context();
    if (prompt.ids.empty()) problem = "empty prompt";
    if (sampling_.most_new_tokens(length) < 1)
      problem = fmt::format("prompt leaves no room within max_length={}", sampling_.max_length);
    if (context > 0 && length >= context)
      problem = fmt::format("prompt leaves no room in the model's context of {}", context);
    return prompt;
  }

  PromptRow prompt_argument() const {
    PromptRow row;
    row.example.id = "prompt";
    row.example.prompt = prompt_;
    std::string problem;
    row.prompt = tokenized(row.example, 0, problem);
    if (!problem.empty()) core::fail_request("prompt: {}", problem);
    return row;
  }

  int stream(Output& out) {
    const PromptRow row = prompt_argument();
    const bool several = sampling_.n > 1;
    const auto show = [&](std::size_t, std::size_t, std::string_view text) { out.text(text); };
    const core::InterruptGuard guard;
    const auto samples = generator_->generate(std::span(&row.prompt, 1), sampling_, seed(), 0,
                                              several ? generation::OnText() : generation::OnText(show),
                                              [](std::int64_t) { core::stop_if_interrupted(); });
    if (!several) out.text("\n");
    for (std::size_t i = 0; several && i < samples[0].size(); ++i) {
      out.text(fmt::format("{}[{}] {}\n", i == 0 ? "" : "\n", i + 1, samples[0][i].text));
    }
    return 0;
  }

  void write_records(const core::Sink& sink) {
    if (has_prompt_) {
      std::vector<PromptRow> one;
      one.push_back(prompt_argument());
      return write_chunk(one, sink);
    }
    data::ExampleReader reader(data_options_);
    data::MessageWatch watch(codec_);
    data::Noticed noticed;
    std::vector<PromptRow> rows;
    for (record::Example example; reader.next(example);) {
      core::stop_if_interrupted();
      std::string problem, rendered;
      PromptRow row{prompt_only(data::as_read_by(example, codec_)),
                    tokenized(example, static_cast<std::uint64_t>(reader.index()), problem, &rendered)};
      if (!problem.empty()) {
        ++left_out_[problem];
        continue;
      }
      watch.look(row.example, rendered, reader.where(), noticed);
      rows.push_back(std::move(row));
      if (rows.size() == kPromptsAtOnce) write_chunk(rows, sink);
    }
    if (!rows.empty()) write_chunk(rows, sink);
    noticed.add_all(reader.summary().noticed);
    tell_noticed(noticed);
    tell_left_out(left_out_);
    if (written_ == 0) core::fail_request("{}: no usable prompt", data_options_.name());
  }

  /// Generates for the rows, writes their records, and empties the list.
  void write_chunk(std::vector<PromptRow>& rows, const core::Sink& sink) {
    std::vector<generation::Prompt> prompts;
    for (const PromptRow& row : rows) prompts.push_back(row.prompt);
    core::Progress progress(
        "generating", 0, "token",
        core::stderr_is_terminal() ? core::ProgressStyle::kBar : core::ProgressStyle::kQuiet);
    const auto results = generator_->generate(prompts, sampling_, seed(), 0, {}, [&](std::int64_t tokens) {
      core::stop_if_interrupted();
      progress.update(tokens);
    });
    progress.finish();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      record::Example& example = rows[i].example;
      for (const generation::Sample& sample : results[i]) {
        example.candidates.push_back(candidate_of(sample, example, codec_.tokenizer.has_value(), logprobs_));
      }
      sink(core::to_line(record::to_json(example)) + "\n");
      ++written_;
    }
    rows.clear();
  }

  std::uint64_t seed() const { return static_cast<std::uint64_t>(compute_.seed); }

  model::ModelOptions model_options_;
  data::DataOptions data_options_;
  generation::SamplingOptions sampling_;
  ComputeOptions compute_;
  ResultFile file_;
  std::string prompt_;
  bool logprobs_ = true, has_prompt_ = false;

  std::optional<model::Model> model_;
  data::TextCodec codec_;
  std::optional<generation::Generator> generator_;
  std::map<std::string, std::int64_t> left_out_;
  std::int64_t written_ = 0;
};

}  // namespace

std::unique_ptr<Command> command_generate() { return std::make_unique<Generate>(); }

}  // namespace attune::cli
