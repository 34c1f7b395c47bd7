#include "cli/quickstart/stories.h"

#include <algorithm>

#include "core/error.h"
#include "core/files/text_input.h"
#include "generation/sampling/generation_config.h"
#include "generation/scorer.h"

namespace attune::cli {
namespace {

constexpr std::int64_t kScoringTokens = 4096;

core::Json candidate_record(const Story& story) {
  return {{"completion", story.sample.text},
          {"completion_ids", story.sample.ids},
          {"reward", story.reward},
          {"finish_reason", story.sample.finish_reason},
          {"source", "policy"}};
}

}  // namespace

std::vector<Opening> read_openings(const std::string& path, const std::string& use) {
  std::vector<Opening> openings;
  core::LineReader lines(path);
  for (std::string line; lines.next(line);) {
    const auto row = core::parse_json(line, fmt::format("{}:{}", path, lines.line_number()));
    if (row.at("meta").at("use") != use) continue;
    openings.push_back(
        {row.at("id"), row.at("meta").at("text"), row.at("prompt_ids").get<std::vector<std::int32_t>>()});
  }
  if (openings.empty()) core::fail_request("{}: no openings for {}", path, use);
  return openings;
}

Stories write_stories(const model::Model& model, const text::Tokenizer& tokenizer,
                      const std::vector<Opening>& openings, const Writing& writing,
                      const std::function<void(std::int64_t)>& on_progress) {
  std::vector<generation::Prompt> prompts;
  for (std::size_t i = 0; i < openings.size(); ++i) prompts.push_back({openings[i].ids, i});
  auto sampling = generation::sampling_of_folder(model.folder());
  sampling.n = writing.per_opening;
  sampling.max_new_tokens = writing.max_new_tokens;
  sampling.max_length = 0;
  sampling.temperature = writing.temperature;
  sampling.stop = {"<|end_story|>"};  // this model spells its end token out before it gives the token itself
  const generation::Generator generator(model, &tokenizer);
  auto samples = generator.generate(prompts, sampling, writing.seed, 0, {}, on_progress);
  Stories stories(samples.size());
  for (std::size_t p = 0; p < samples.size(); ++p)
    for (auto& sample : samples[p]) stories[p].push_back({std::move(sample), 0});
  return stories;
}

void judge_stories(const std::vector<Opening>& openings, Stories& stories, feedback::Rater& feedback) {
  std::vector<record::Example> examples(stories.size());
  for (std::size_t p = 0; p < stories.size(); ++p) {
    examples[p].id = openings[p].id;
    examples[p].prompt = openings[p].text;
    for (const Story& story : stories[p]) {
      record::Candidate& candidate = examples[p].candidates.emplace_back();
      candidate.completion = story.sample.text;
      candidate.finish_reason = story.sample.finish_reason;
    }
  }
  feedback.rate(examples);
  for (std::size_t p = 0; p < stories.size(); ++p) {
    for (std::size_t s = 0; s < stories[p].size(); ++s)
      stories[p][s].reward = examples[p].candidates[s].reward.value();
  }
}

std::vector<core::Json> preference_records(const std::vector<Opening>& openings, const Stories& stories,
                                           double least_gap) {
  std::vector<core::Json> records;
  for (std::size_t p = 0; p < stories.size(); ++p) {
    const auto [worst, best] =
        std::minmax_element(stories[p].begin(), stories[p].end(),
                            [](const Story& a, const Story& b) { return a.reward < b.reward; });
    if (best->reward - worst->reward < least_gap) continue;
    core::Json candidates = core::Json::array();
    for (const Story& story : stories[p]) candidates.push_back(candidate_record(story));
    records.push_back({{"id", openings[p].id},
                       {"prompt_ids", openings[p].ids},
                       {"candidates", candidates},
                       {"meta", {{"opening", openings[p].text}}}});
  }
  return records;
}

std::vector<Likelihood> story_likelihoods(model::Model& model, const std::vector<Opening>& openings,
                                          const Stories& stories, double temperature) {
  std::vector<data::PackItem> items;
  for (std::size_t p = 0; p < stories.size(); ++p)
    for (const Story& story : stories[p])
      items.push_back(generation::text_item(openings[p].ids, story.sample.ids, static_cast<std::int64_t>(p)));
  const generation::Scorer scorer(model, model::Weights::kPolicy,
                                  {.token_budget = kScoringTokens, .temperature = temperature});
  std::vector<Likelihood> likelihoods;
  for (const auto& logps : scorer.logps(items)) {
    Likelihood one{0, static_cast<std::int64_t>(logps.size())};
    for (const double logp : logps) one.logp += logp;
    likelihoods.push_back(one);
  }
  return likelihoods;
}

}  // namespace attune::cli
