// Instructions with an optional input, and the output: Alpaca, Dolly, and LLaMA-Factory's preference variant.
#include "data/format.h"
#include "data/rows/column/instruction.h"
#include "data/rows/column/pairs.h"

namespace attune::data {
namespace {

std::string first_of(Columns& columns, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (columns.has(name)) return columns.text(name);
  return "";
}

/// [[user, assistant], …]: earlier turns.
std::vector<std::pair<std::string, std::string>> history_of(Columns& columns) {
  std::vector<std::pair<std::string, std::string>> turns;
  for (const auto& turn : columns.list("history")) {
    if (!turn.is_array() || turn.size() != 2 || !turn[0].is_string() || !turn[1].is_string()) {
      columns.problem("wrong type", "\"history\" must be a list of [question, answer]");
      return {};
    }
    turns.emplace_back(turn[0].get<std::string>(), turn[1].get<std::string>());
  }
  return turns;
}

/// As LLaMA-Factory joins them.
core::Json messages_of(const Instruction& instruction) {
  core::Json out = core::Json::array();
  if (!instruction.system.empty()) out.push_back(message("system", instruction.system));
  for (const auto& [question, answer] : instruction.history) {
    out.push_back(message("user", question));
    out.push_back(message("assistant", answer));
  }
  const std::string& text = instruction.text;
  out.push_back(message("user", instruction.input.empty() ? text : text + "\n" + instruction.input));
  return out;
}

class Alpaca final : public Format {
 public:
  FormatInfo info() const override {
    return {"alpaca",
            "An instruction with optional input, system text and history, and the output (Alpaca, Dolly); "
            "without a chat template the text is Alpaca's.",
            "instruction [, input | context, system, history], output | response | chosen, rejected",
            "Taori et al. 2023, Stanford Alpaca; Wang et al. 2022, arXiv:2212.10560", 70};
  }

  bool recognises(const core::Json& row) const override {
    return has_column(row, "instruction") && row.at("instruction").is_string() &&
           (has_column(row, "output") || has_column(row, "response") ||
            (has_column(row, "chosen") && has_column(row, "rejected")));
  }

  core::Result<record::Example> read(const core::Json& row) const override {
    Columns columns(row);
    record::Example example;
    columns.read_common(example);
    const Instruction instruction{columns.optional_text("system"), columns.text("instruction"),
                                  first_of(columns, {"input", "context"}), history_of(columns)};
    example.prompt = messages_of(instruction);
    example.plain_prompt = instruction_prompt(instruction);
    const auto answer = [](const std::string& text) {
      return core::Json::array({message("assistant", text)});
    };
    if (columns.has("chosen")) {
      const std::string chosen = columns.text("chosen"), rejected = columns.text("rejected");
      add_pair(columns, example, answer(chosen), answer(rejected));
    } else {
      if (!columns.has("output") && !columns.has("response")) columns.problem("column missing", "\"output\"");
      const std::string output = first_of(columns, {"output", "response"});
      example.candidates.push_back(make_candidate(output.empty() ? core::Json("") : answer(output)));
      if (columns.has("kto_tag")) example.candidates[0].label = columns.boolean("kto_tag");
    }
    return columns.finish(std::move(example));
  }
};

}  // namespace

const Format* format_alpaca() {
  static const Alpaca format;
  return &format;
}

}  // namespace attune::data
