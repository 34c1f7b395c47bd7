// Anthropic's transcripts: two dialogues as one text each, with "\n\nHuman: " and "\n\nAssistant: " turns.
// They are kept as they are, word by word: the prompt ends in the last "\n\nAssistant:" that both share, and
// each completion is the rest of its dialogue with the space that follows the colon.
#include "data/format.h"
#include "data/rows/column/pairs.h"

namespace attune::data {
namespace {

constexpr std::string_view kHuman = "\n\nHuman:", kAssistant = "\n\nAssistant:";

bool is_transcript(const core::Json& row, std::string_view name) {
  if (!has_column(row, name) || !row.find(name)->is_string()) return false;
  const auto& text = row.find(name)->get_ref<const std::string&>();
  return text.find(kHuman) != std::string::npos && text.find(kAssistant) != std::string::npos;
}

/// Where the prompt ends: after the last assistant marker within the common beginning. Without one, as TRL
/// cuts.
std::size_t prompt_end(const std::string& chosen, const std::string& rejected) {
  std::size_t common = 0;
  while (common < chosen.size() && common < rejected.size() && chosen[common] == rejected[common]) ++common;
  const std::size_t last = std::string_view(chosen).substr(0, common).rfind(kAssistant);
  return last == std::string_view::npos ? shared_text(chosen, rejected) : last + kAssistant.size();
}

class HhRlhf final : public Format {
 public:
  FormatInfo info() const override {
    return {"hh_rlhf",
            "Two transcripts with \"\\n\\nHuman: \" and \"\\n\\nAssistant: \" turns, kept as plain text.",
            "chosen, rejected", "Bai et al. 2022, arXiv:2204.05862", 65};
  }

  bool recognises(const core::Json& row) const override {
    return !has_column(row, "prompt") && is_transcript(row, "chosen") && is_transcript(row, "rejected");
  }

  core::Result<record::Example> read(const core::Json& row) const override {
    Columns columns(row);
    record::Example example;
    columns.read_common(example);
    const std::string chosen = columns.text("chosen"), rejected = columns.text("rejected");
    const std::size_t end = prompt_end(chosen, rejected);
    example.prompt = chosen.substr(0, end);
    add_pair(columns, example, chosen.substr(end), rejected.substr(end));
    return columns.finish(std::move(example));
  }
};

}  // namespace

const Format* format_hh_rlhf() {
  static const HhRlhf format;
  return &format;
}

}  // namespace attune::data
