// Prompts alone, for sampling and online methods.
#include "data/format.h"
#include "data/rows/column/columns.h"

namespace attune::data {
namespace {

class PromptOnly final : public Format {
 public:
  FormatInfo info() const override {
    return {"prompt_only", "Prompts without completions, for sampling and online methods (TRL).", "prompt",
            "", 20};
  }

  bool recognises(const core::Json& row) const override { return has_column(row, "prompt"); }

  core::Result<record::Example> read(const core::Json& row) const override {
    Columns columns(row);
    record::Example example;
    columns.read_common(example);
    example.prompt = columns.conversation("prompt");
    return columns.finish(std::move(example));
  }
};

}  // namespace

const Format* format_prompt_only() {
  static const PromptOnly format;
  return &format;
}

}  // namespace attune::data
