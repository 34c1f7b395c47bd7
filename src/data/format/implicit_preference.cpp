// A chosen and a rejected text or conversation whose common beginning is the prompt.
#include "data/format.h"
#include "data/rows/column/pairs.h"

namespace attune::data {
namespace {

class ImplicitPreference final : public Format {
 public:
  FormatInfo info() const override {
    return {"implicit_preference", "Two texts or conversations whose common beginning is the prompt (TRL).",
            "chosen, rejected [, score_chosen, score_rejected, margin]", "", 55};
  }

  bool recognises(const core::Json& row) const override {
    return has_column(row, "chosen") && has_column(row, "rejected") && !has_column(row, "prompt");
  }

  core::Result<record::Example> read(const core::Json& row) const override {
    Columns columns(row);
    record::Example example;
    columns.read_common(example);
    const core::Json chosen = columns.conversation("chosen"), rejected = columns.conversation("rejected");
    if (columns.ok() && chosen.is_string() != rejected.is_string())
      columns.problem("wrong type", "\"chosen\" and \"rejected\" must both be texts, or both messages");
    if (!columns.ok()) return *columns.error();
    if (chosen.is_string()) {
      const auto& a = chosen.get_ref<const std::string&>();
      const auto& b = rejected.get_ref<const std::string&>();
      const std::size_t shared = shared_text(a, b);
      example.prompt = a.substr(0, shared);
      add_pair(columns, example, a.substr(shared), b.substr(shared));
    } else {
      const std::size_t shared = shared_messages(chosen, rejected);
      example.prompt = chosen;
      example.prompt.erase(example.prompt.begin() + static_cast<std::ptrdiff_t>(shared),
                           example.prompt.end());
      add_pair(columns, example, messages_from(chosen, shared), messages_from(rejected, shared));
    }
    return columns.finish(std::move(example));
  }
};

}  // namespace

const Format* format_implicit_preference() {
  static const ImplicitPreference format;
  return &format;
}

}  // namespace attune::data
