#include "training/run/output/bad_batch.h"

#include <fmt/format.h>

#include "core/files/files.h"
#include "core/json.h"

namespace attune::training {
namespace {

core::Json bad_record(const MethodTerm& term, std::size_t i, const text::Tokenizer* tokenizer) {
  const Step& step = term.progress.prepared().step;
  const auto& item = step.items[i];
  const auto middle = item.ids.begin() + item.prompt_length;
  const std::vector<std::int32_t> prompt(item.ids.begin(), middle), completion(middle, item.ids.end());
  core::Json candidate = {{"completion_ids", completion},
                          {"completion_mask", item.mask},
                          {"reward", record::reward_of(step.candidates[i])}};
  core::Json record = {{"id", fmt::format("row-{}", step.rows[i])}, {"prompt_ids", prompt}};
  if (tokenizer != nullptr) {
    record["prompt"] = tokenizer->decode(prompt);
    candidate["completion"] = tokenizer->decode(completion);
  }
  record["meta"] = {{"file", term.file}, {"row", step.rows[i] + 1}};
  record["candidates"] = {std::move(candidate)};
  return record;
}

}  // namespace

void write_bad_batch(const std::string& path, std::span<const MethodTerm> terms,
                     const text::Tokenizer* tokenizer) {
  core::write_file_atomically(path, [&](const core::Sink& sink) {
    for (const MethodTerm& term : terms) {
      if (term.progress.between_steps()) continue;
      for (const std::int64_t part : term.progress.part())
        sink(core::to_line(bad_record(term, static_cast<std::size_t>(part), tokenizer)) + "\n");
    }
  });
}

}  // namespace attune::training
