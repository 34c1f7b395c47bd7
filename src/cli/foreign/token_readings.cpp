// Names of special tokens, which a model folder settles: the same ones change nothing.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "cli/foreign/reader.h"
#include "cli/tokens/record_tokens.h"
#include "core/error.h"

namespace attune::cli {
namespace {

using core::Value;

constexpr const char* kSame = "the model folder's own";

/// The tokenizer of the model; nothing where there is none, which is said where it is read.
std::optional<text::Tokenizer> tokenizer_of(const ForeignReader& reader) {
  const Value* model = reader.settings().find("model");
  const Value* path = model != nullptr && model->is_map() ? model->find("path") : model;
  const Value* tokenizer = reader.given("tokenizer");
  if (path == nullptr && tokenizer == nullptr) return std::nullopt;
  try {
    model::ModelOptions options;
    options.path = path == nullptr ? "" : text_of(*path);
    return load_codec(options, tokenizer == nullptr ? "" : text_of(*tokenizer)).tokenizer;
  } catch (const core::Error&) {
    return std::nullopt;
  }
}

/// A token's text; in maps of transformers it stands under content.
std::string token_text(const Value& value) {
  const Value* content = value.find("content");
  return text_of(content == nullptr ? value : *content);
}

/// TRL's older defaults stand for the model's own.
bool is_placeholder(const std::string& text) { return text.starts_with('<') && text.ends_with("_TOKEN>"); }

/// @param kind "eos_token" @param name the key that is refused
void compare_token(ForeignReader& reader, const text::Tokenizer& tokenizer, const std::string& name,
                   const std::string& kind, const Value& value) {
  const std::string asked = token_text(value);
  if (is_off(value) || asked.empty() || is_placeholder(asked)) return;
  if (kind == "pad_token") return reader.note("pad_token");
  const auto& own = tokenizer.special_token_texts();
  const auto at = own.find(kind);
  if (at != own.end() && at->second == asked) return reader.note(name, kSame);
  const std::string has = at == own.end() ? "none" : "'" + at->second + "'";
  const std::string generation =
      kind == "eos_token" ? ", and eos_token_id in its generation_config.json" : "";
  reader.refuse(
      name, value,
      fmt::format(
          "the {} of the model folder is {}, not '{}': a text ends and begins as the folder says. Set {} in "
          "its tokenizer_config.json{}, or leave it out",
          kind, has, asked, kind, generation));
}

void compare_known(ForeignReader& reader, const text::Tokenizer& tokenizer, const std::string& name,
                   const Value& value) {
  for (const Value& item : items_of(value)) {
    const auto id = tokenizer.id_of(token_text(item));
    if (!id)
      reader.refuse(
          name, value,
          fmt::format(
              "the tokenizer has no token '{}', and a model keeps its vocabulary: add it to the model "
              "folder first",
              token_text(item)));
    if (!id) return;
  }
  reader.note(name, kSame);
}

constexpr Reading kTokenReadings[] = {
    {"eos_token", read_nothing},
    {"special_tokens", read_nothing},
    {"tokens", read_nothing},
    {"eot_tokens", read_nothing},
};

}  // namespace

void settle_tokens(ForeignReader& reader) {
  const Value *end = reader.given("eos_token"), *special = reader.given("special_tokens");
  const bool others = is_on(reader.given("tokens")) || is_on(reader.given("eot_tokens"));
  if (!is_on(end) && !is_on(special) && !others) return;
  const auto tokenizer = tokenizer_of(reader);
  if (!tokenizer) return;
  const bool within = special != nullptr && special->find("eos_token") == end;
  if (end != nullptr && !within) compare_token(reader, *tokenizer, "eos_token", "eos_token", *end);
  if (special != nullptr)
    for (const auto& [kind, value] : special->entries())
      value.is_list() ? compare_known(reader, *tokenizer, "special_tokens", value)
                      : compare_token(reader, *tokenizer, "special_tokens", kind, value);
  for (const char* name : {"tokens", "eot_tokens"})
    if (const Value* given = reader.given(name); is_on(given))
      compare_known(reader, *tokenizer, name, *given);
}

std::span<const Reading> token_readings() { return kTokenReadings; }

}  // namespace attune::cli
