#include "training/run/output/samples.h"

#include <algorithm>
#include <optional>

#include "data/rows/example_reader.h"
#include "data/tokens/conversation/turns.h"
#include "data/tokens/tokenize.h"

#include "generation/sampling/generation_config.h"

namespace attune::training {
namespace {

constexpr std::size_t kBeginning = 8;  // tokens of a text that stand in for a prompt

std::vector<std::int32_t> beginning_of(const data::TokenizedRow& row) {
  const auto text = row.candidates.front().completion;
  return {text.begin(),
          text.begin() + static_cast<std::ptrdiff_t>(std::min(kBeginning, (text.size() + 1) / 2))};
}

/// Conversations are kept as one text; the rows that they came from say where the assistant speaks.
class TurnFinder {
 public:
  TurnFinder(data::DataOptions source, const data::TextCodec& codec)
      : source_(std::move(source)), codec_(codec) {
    source_.on_error = "skip";  // the data has been read before
  }
  /// What the last turn of the assistant answers in a row; nothing where it is no conversation. Rows are
  /// asked for in their order.
  std::vector<std::int32_t> prompt_of(std::int64_t row) {
    if (!reader_) reader_.emplace(source_);
    while (at_ < row) {
      if (!reader_->next(example_)) return {};
      at_ = reader_->index();
    }
    if (at_ != row || !data::is_conversation(example_)) return {};
    auto prompt = data::tokenize_prompt(example_, codec_);
    return prompt.ok() ? std::move(prompt.value()) : std::vector<std::int32_t>();
  }

 private:
  data::DataOptions source_;
  const data::TextCodec& codec_;
  std::optional<data::ExampleReader> reader_;
  record::Example example_;
  std::int64_t at_ = -1;
};

}  // namespace

SampleWriter::SampleWriter(const model::Model& model, const data::TextCodec& codec, const data::Dataset& data,
                           const data::DataOptions& source, const SamplesOptions& options, std::uint64_t seed,
                           RunFolder& folder)
    : model_(model), codec_(codec), options_(options), seed_(seed), folder_(folder) {
  const std::int64_t room = model.config().context();
  TurnFinder turns(source, codec);
  for (std::int64_t i = 0; i < data.size() && std::ssize(prompts_) < options.prompts; ++i) {
    const data::TokenizedRow row = data.row(i);
    std::vector<std::int32_t> ids(row.prompt.begin(), row.prompt.end());
    if (ids.empty()) ids = turns.prompt_of(row.index);
    if (ids.empty()) ids = beginning_of(row);
    if (ids.empty() || (room > 0 && std::ssize(ids) >= room)) continue;
    prompts_.push_back({std::move(ids), static_cast<std::uint64_t>(i)});
  }
}

void SampleWriter::write(std::int64_t step) const {
  if (prompts_.empty()) return;
  auto sampling = generation::sampling_of_folder(model_.folder());
  sampling.max_new_tokens = options_.max_new_tokens;
  sampling.max_length = 0;
  sampling.temperature = options_.temperature;
  sampling.n = 1;
  const text::Tokenizer* tokenizer = codec_.tokenizer ? &*codec_.tokenizer : nullptr;
  const generation::Generator generator(model_, tokenizer);
  const auto samples = generator.generate(prompts_, sampling, seed_);
  for (std::size_t i = 0; i < prompts_.size(); ++i) {
    const auto& sample = samples[i].front();
    core::Json candidate = {{"completion_ids", sample.ids},
                            {"logps", sample.logps},
                            {"finish_reason", sample.finish_reason},
                            {"source", "policy"}};
    core::Json record = {
        {"id", fmt::format("sample-{}", i)}, {"step", step}, {"prompt_ids", prompts_[i].ids}};
    if (tokenizer != nullptr) {
      record["prompt"] = tokenizer->decode(prompts_[i].ids);
      candidate["completion"] = sample.text;
    }
    record["candidates"] = {candidate};
    folder_.append_sample(record);
  }
}

}  // namespace attune::training
