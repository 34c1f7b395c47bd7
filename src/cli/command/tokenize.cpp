// attune tokenize: a text, ids or data as tokens, with the mask that training would use.
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/compute_options.h"
#include "cli/result_lines.h"
#include "cli/tokens/record_tokens.h"
#include "core/system.h"
#include "data/rows/example_reader.h"
#include "data/tokens/conversation/turns.h"

namespace attune::cli {
namespace {

using core::Json;

class Tokenize : public Command {
 public:
  CommandInfo info() const override {
    return {
        .name = "tokenize",
        .summary = "Shows a text, ids or data as tokens, and which of them are trained on.",
        .usage = "model=MODEL (text=… | ids=[…] | data=FILE) [--json]",
        .details =
            "For data, one line a row in file order: the rendered text, ids, tokens, and a mask with 1 where "
            "a token is trained on. Rows that training would leave out say why under \"unusable\".",
        .examples = {
            {"attune tokenize model=MODEL text=\"Once upon a time\"", "a text, special tokens included"},
            {"attune tokenize tokenizer=MODEL ids=[1,401,407]", "ids back to text"},
            {"attune tokenize model=MODEL data=prefs.jsonl --json", "a data set as training sees it"}}};
  }

  void declare(core::Fields& fields) override {
    fields.section("model", model_, "The model whose tokenizer and chat template are used.", "path");
    fields.add("tokenizer", tokenizer_, "Folder or tokenizer.json, instead of a model.");
    fields.add("text", text_, "The text, taken as it is.");
    fields.add("ids", ids_, "Token ids to decode.");
    fields.section("data", data_, "Data to show as training sees it.", "path");
    compute_.declare(fields);
  }

  int run(const Request& request, Output& out) override {
    const bool text = request.settings.find("text") != nullptr, ids = request.settings.find("ids") != nullptr;
    if (int{text} + int{ids} + int{data_.given()} != 1)
      core::fail_request("give one of text=…, ids=[…] and data=FILE");
    codec_ = load_codec(model_, tokenizer_);
    if (data_.given()) {
      tokenize_data(out);
    } else {
      data::need_tokenizer(codec_);
      text ? tokenize_text(out) : decode_ids(out);
    }
    return 0;
  }

 private:
  void show(const std::vector<std::int32_t>& ids, const std::string& text, Output& out) const {
    if (out.json()) return out.line({{"ids", ids}, {"tokens", token_texts(ids, codec_)}, {"text", text}});
    for (const std::int32_t id : ids) out.text(fmt::format("{:>8}  {}\n", id, codec_.tokenizer->token(id)));
    out.text(fmt::format("{}: {}\n", core::counted(std::ssize(ids), "token"), text));
  }

  void tokenize_text(Output& out) const { show(codec_.tokenizer->encode(text_), text_, out); }

  void decode_ids(Output& out) const {
    std::vector<std::int32_t> ids;
    const std::int64_t size = std::max<std::int64_t>(codec_.tokenizer->vocab_size(), codec_.vocab_size);
    for (const std::int64_t id : ids_) {
      if (id < 0 || id >= size)
        core::fail_request("ids: {} is not a token id; the vocabulary of {} has 0 to {}", id, size, size - 1);
      ids.push_back(static_cast<std::int32_t>(id));
    }
    show(ids, codec_.tokenizer->decode(ids), out);
  }

  void tokenize_data(Output& out) const {
    const bool colour = stdout_has_colour();
    write_result_lines("", out, [&](const core::Sink& sink) {
      data::ExampleReader reader(data_);
      for (record::Example example; reader.next(example);) {
        core::stop_if_interrupted();
        data::for_each_row_of(
            example, data_,
            [&](const record::Example& one) { return data::tokenize_example(one, codec_, data_, true); },
            [&](const record::Example& one, const core::Result<data::TokenizedExample>& tokens) {
              sink(out.json() ? json_line(one, tokens) : picture(one, tokens, colour));
            });
      }
      tell_noticed(reader.summary().noticed);
    });
  }

  std::string json_line(const record::Example& example,
                        const core::Result<data::TokenizedExample>& tokens) const {
    if (tokens.ok()) return core::to_line(record_json(example.id, tokens.value(), codec_)) + "\n";
    return core::to_line(unusable_json(example, tokens.error(), codec_, data_)) + "\n";
  }

  std::string picture(const record::Example& example, const core::Result<data::TokenizedExample>& tokens,
                      bool colour) const {
    if (!tokens.ok()) return unusable_picture("", example, tokens.error(), codec_, data_, colour) + "\n";
    std::string text;
    for (std::size_t i = 0; i < std::max<std::size_t>(1, tokens.value().completions.size()); ++i)
      text += fmt::format("— {}{} —\n{}\n", example.id, i == 0 ? "" : fmt::format(" candidate {}", i),
                          token_picture(tokens.value(), i, codec_, colour));
    return text;
  }

  model::ModelOptions model_;
  std::string tokenizer_, text_;
  std::vector<std::int64_t> ids_;
  data::DataOptions data_;
  ComputeOptions compute_;
  data::TextCodec codec_;
};

}  // namespace

std::unique_ptr<Command> command_tokenize() { return std::make_unique<Tokenize>(); }

}  // namespace attune::cli
