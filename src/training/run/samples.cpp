#include "training/run/samples.h"

#include <algorithm>

#include "generation/generation_config.h"

namespace attune::training {
namespace {

constexpr std::size_t kBeginning = 8;  // tokens of a text that stand in for a prompt

std::vector<std::int32_t> prompt_of(const data::TokenizedRow& row) {
  if (!row.prompt.empty()) return {row.prompt.begin(), row.prompt.end()};
  const auto text = row.candidates.front().completion;
  return {text.begin(),
          text.begin() + static_cast<std::ptrdiff_t>(std::min(kBeginning, (text.size() + 1) / 2))};
}

}  // namespace

SampleWriter::SampleWriter(const model::Model& model, const data::TextCodec& codec, const data::Dataset& data,
                           const SamplesOptions& options, std::uint64_t seed, RunFolder& folder)
    : model_(model), codec_(codec), options_(options), seed_(seed), folder_(folder) {
  const std::int64_t room = model.config().max_positions;
  for (std::int64_t i = 0; i < data.size() && std::ssize(prompts_) < options.prompts; ++i) {
    auto ids = prompt_of(data.row(i));
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
