#include "cli/check/check_data.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/system.h"
#include "data/read_rows.h"
#include "data/split.h"

namespace attune::cli {
namespace {

using core::Json;

class Checker {
 public:
  Checker(const data::DataOptions& options, const data::TextCodec& codec, const data::RowUse& use,
          std::size_t shown)
      : options_(options), codec_(codec), use_(use), shown_(shown) {}

  DataCheck run() {
    const auto kept = [&](const data::SourceRow& row, const record::Example& example,
                          const data::CachedRow& tokens) {
      take(example, tokens);
      const auto completion = tokens.candidates.empty() ? std::span<const std::int32_t>()
                                                        : std::span(tokens.candidates.front().completion.ids);
      out_.prompts.insert(out_.prompts.end(), static_cast<std::size_t>(row.copies),
                          data::prompt_key(tokens.prompt, completion));
    };
    const auto left_out = [&](const data::SourceRow&, const record::Example& example,
                              const core::ItemError& error) {
      if (out_.left_out.size() < shown_) out_.left_out.emplace_back(example, error);
    };
    out_.summary = data::read_rows(options_, codec_, use_, {kept, left_out});
    add_warnings();
    return std::move(out_);
  }

 private:
  void take(const record::Example& example, const data::CachedRow& row) {
    if (example.language_modelling && !example.candidates.empty() &&
        example.candidates.front().completion.is_array())
      ++out_.conversations;
    RowSize size{std::ssize(row.prompt), 0, std::ssize(row.candidates), 0};
    for (const auto& candidate : row.candidates) {
      count_sequence(row.prompt, candidate.completion);
      size.completions += std::ssize(candidate.completion.ids);
      size.trained += std::ranges::count(candidate.completion.mask, 1);
    }
    out_.sizes.push_back(size);
    if (row.candidates.empty()) out_.lengths.push_back(std::ssize(row.prompt));
    if (out_.rows.size() < shown_) show(example.id, row);
  }

  void count_sequence(const std::vector<std::int32_t>& prompt,
                      const data::TokenizedExample::Completion& completion) {
    out_.lengths.push_back(std::ssize(prompt) + std::ssize(completion.ids));
    ++out_.sequences;
    const auto& start = prompt.size() >= 2 ? prompt : completion.ids;
    const auto bos = codec_.tokenizer ? codec_.tokenizer->bos_id() : std::nullopt;
    if (bos && start.size() >= 2 && start[0] == *bos && start[1] == *bos) ++out_.double_bos;
    const auto last = std::find(completion.mask.rbegin(), completion.mask.rend(), 1);
    if (last == completion.mask.rend()) return;
    // Templates may put a line end behind the end-of-turn token: the last two trained tokens are looked at.
    const auto at = completion.mask.rend() - last;
    for (std::ptrdiff_t i = std::max<std::ptrdiff_t>(0, at - 2); i < at; ++i) {
      const std::int32_t id = completion.ids[static_cast<std::size_t>(i)];
      if (id != codec_.eos_id.value_or(-1) && !(codec_.tokenizer && codec_.tokenizer->is_special(id)))
        continue;
      ++out_.trained_end;
      return;
    }
  }

  void show(const std::string& id, const data::CachedRow& row) {
    ShownRow shown{id, {}, {}};
    shown.tokens.prompt = row.prompt;
    shown.tokens.rendered = row.rendered;
    for (const auto& candidate : row.candidates) {
      shown.tokens.completions.push_back(candidate.completion);
      shown.roles.push_back(role_of(candidate.said));
    }
    out_.rows.push_back(std::move(shown));
  }

  /// What a method is told about a completion, in a word.
  std::string role_of(const record::Candidate& said) const {
    using record::GroupShape;
    if (use_.learns(GroupShape::kPairs) && said.role == record::Role::kChosen) return "chosen";
    if (use_.learns(GroupShape::kPairs) && said.role == record::Role::kRejected) return "rejected";
    if (use_.learns(GroupShape::kPairs) || use_.learns(GroupShape::kLists))
      return said.rank ? fmt::format("rank {:g}", *said.rank) : "";
    if (use_.learns(GroupShape::kLabels) && said.label) return *said.label ? "good" : "bad";
    if (use_.learns(GroupShape::kGroups) && said.reward) return fmt::format("reward {:g}", *said.reward);
    return "";
  }

  void warn(std::string text) { out_.warnings.push_back(std::move(text)); }

  void add_warnings() {
    const auto& summary = out_.summary;
    for (const auto& text : summary.noticed.texts()) warn(text);
    if (out_.double_bos > 0)
      warn(fmt::format(
          "{} sequences begin with two beginning-of-sequence tokens: the text holds one that the tokenizer "
          "adds as well",
          out_.double_bos));
    if (out_.sequences > 0 && out_.trained_end == 0 && !use_.only_prompts())
      warn(
          "no completion ends in a trained end-of-sequence token: the model will not learn to stop "
          "(data.max_length, data.append_eos)");
    if (out_.conversations > 0 && !options_.assistant_only &&
        use_.learns(record::GroupShape::kDemonstrations))
      warn(
          fmt::format("{} trained on from end to end, the words of users and system prompts included; "
                      "data.assistant_only=true trains on the assistant's alone",
                      out_.conversations == 1 ? "1 conversation is"
                                              : fmt::format("{} conversations are", out_.conversations)));
    if (summary.straddling > 0)
      warn(fmt::format(
          "in {} of {} rows a token straddles the end of the prompt and counts as completion; end prompts "
          "where a token ends, usually before the space",
          summary.straddling, summary.rows_kept));
    if (summary.truncated * 10 > summary.rows_kept)
      warn(fmt::format("{} of {} are cut to {}", summary.truncated, core::counted(summary.rows_kept, "row"),
                       data::length_limit_text(options_, codec_)));
    if (auto beyond = data::beyond_context_text(summary.longest, codec_.max_positions); !beyond.empty())
      warn(std::move(beyond));
    const std::int64_t dropped =
        std::accumulate(summary.dropped.begin(), summary.dropped.end(), std::int64_t{0},
                        [](auto sum, const auto& d) { return sum + d.second; });
    if (dropped * 10 > summary.rows_read && summary.rows_kept > 0)
      warn(fmt::format("{} of {} left out", dropped, core::counted(summary.rows_read, "row")));
  }

  const data::DataOptions& options_;
  const data::TextCodec& codec_;
  const data::RowUse& use_;
  std::size_t shown_;
  DataCheck out_;
};

}  // namespace

DataCheck check_data(const data::DataOptions& options, const data::TextCodec& codec, const data::RowUse& use,
                     std::size_t shown) {
  return Checker(options, codec, use, shown).run();
}

Json length_json(std::vector<std::int64_t> lengths) {
  if (lengths.empty()) return {{"count", 0}, {"histogram", Json::array()}};
  std::sort(lengths.begin(), lengths.end());
  const auto at = [&](double part) {
    return lengths[static_cast<std::size_t>(part * static_cast<double>(lengths.size() - 1))];
  };
  const double sum = static_cast<double>(std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0}));
  std::int64_t width = 1;  // a power of two, at most 16 bars
  while (lengths.back() / width >= 16) width *= 2;
  Json histogram = Json::array();
  auto next = lengths.begin();
  for (std::int64_t from = lengths.front() / width * width; next != lengths.end(); from += width) {
    const auto end = std::lower_bound(next, lengths.end(), from + width);
    histogram.push_back({{"from", from}, {"to", from + width - 1}, {"count", end - next}});
    next = end;
  }
  return {{"count", lengths.size()}, {"min", lengths.front()},
          {"median", at(0.5)},       {"mean", sum / static_cast<double>(lengths.size())},
          {"p95", at(0.95)},         {"max", lengths.back()},
          {"histogram", histogram}};
}

}  // namespace attune::cli
