// Conversations as ShareGPT and LLaMA-Factory write them: {"from", "value"} turns.
#include "data/format.h"
#include "data/rows/column/pairs.h"

namespace attune::data {
namespace {

class ShareGpt final : public Format {
 public:
  FormatInfo info() const override {
    return {
        "sharegpt",
        "Conversations of {from: human | gpt | system | function_call | observation, value}; with chosen and "
        "rejected, pairs (LLaMA-Factory).",
        "conversations [, system, tools] [, chosen, rejected | label]",
        "Zheng et al. 2024 (LLaMA-Factory), arXiv:2403.13372", 75};
  }

  bool recognises(const core::Json& row) const override {
    return has_column(row, "conversations") && is_messages(row.at("conversations"));
  }

  core::Result<record::Example> read(const core::Json& row) const override {
    Columns columns(row);
    record::Example example;
    columns.read_common(example);
    core::Json turns = columns.messages("conversations");
    const std::string system = columns.optional_text("system");
    if (!columns.ok()) return *columns.error();
    if (!system.empty() && turns.front().value("role", "") != "system")
      turns.insert(turns.begin(), message("system", system));
    const bool judged = columns.has("label") || columns.has("kto_tag");
    if (columns.has("chosen") || columns.has("rejected")) {
      example.prompt = std::move(turns);
      core::Json chosen = columns.messages("chosen"), rejected = columns.messages("rejected");
      add_pair(columns, example, std::move(chosen), std::move(rejected));
    } else if (judged && turns.size() > 1) {
      example.candidates.push_back(make_candidate(core::Json::array({turns.back()})));
      example.candidates[0].label = columns.boolean(columns.has("label") ? "label" : "kto_tag");
      turns.erase(turns.size() - 1);
      example.prompt = std::move(turns);
    } else {
      example.language_modelling = true;
      example.candidates.push_back(make_candidate(std::move(turns)));
    }
    return columns.finish(std::move(example));
  }
};

}  // namespace

const Format* format_sharegpt() {
  static const ShareGpt format;
  return &format;
}

}  // namespace attune::data
