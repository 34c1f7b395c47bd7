// Reading BPE models: the "model" of tokenizer.json, and vocab.json with merges.txt.
#include <optional>

#include "core/error.h"
#include "text/tokenizer/bpe.h"

namespace attune::text {
namespace {

Vocabulary read_vocabulary(const JsonView& view) {
  simdjson::dom::object object;
  if (view.raw().get(object) != simdjson::SUCCESS) view.fail("an object {token: id} is needed here");
  Vocabulary vocabulary;
  vocabulary.reserve(object.size(), object.size() * 8);
  for (const auto field : object) {
    std::int64_t id = 0;
    if (field.value.get(id) != simdjson::SUCCESS || id < 0 || id > kMaxTokenId) {
      view.fail(fmt::format("the id of token \"{}\" is {}; it must be a whole number from 0 to {}", field.key,
                            simdjson::minify(field.value), kMaxTokenId));
    }
    vocabulary.set(field.key, static_cast<std::int32_t>(id));
  }
  return vocabulary;
}

/// "a b" → the two parts; nothing unless there is exactly one space.
std::optional<std::pair<std::string_view, std::string_view>> two_parts(std::string_view text) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos)
    return std::nullopt;
  return std::pair(text.substr(0, space), text.substr(space + 1));
}

void read_merges(const JsonView& view, Bpe& bpe) {
  simdjson::dom::array array;
  if (view.raw().get(array) != simdjson::SUCCESS) view.fail("a list of merges is needed here");
  bpe.reserve_merges(array.size());
  std::size_t index = 0;
  for (const auto element : array) {
    std::string_view text;
    simdjson::dom::array pair;
    if (element.get(text) == simdjson::SUCCESS) {
      const auto parts = two_parts(text);
      if (!parts)
        view.fail(fmt::format("merge {} is \"{}\", not two tokens with one space between", index, text));
      bpe.add_merge(parts->first, parts->second, index);
    } else {
      std::string_view left, right;
      if (element.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
          pair.at(0).get(left) != simdjson::SUCCESS || pair.at(1).get(right) != simdjson::SUCCESS) {
        view.fail(fmt::format("merge {} is neither \"a b\" nor [\"a\", \"b\"]", index));
      }
      bpe.add_merge(left, right, index);
    }
    ++index;
  }
}

BpeOptions read_options(const JsonView& model) {
  BpeOptions options;
  if (const auto token = model.find("unk_token")) options.unk_token = std::string(token->text());
  options.continuing_subword_prefix = model.text_or("continuing_subword_prefix", "");
  options.end_of_word_suffix = model.text_or("end_of_word_suffix", "");
  options.fuse_unk = model.boolean_or("fuse_unk", false);
  options.byte_fallback = model.boolean_or("byte_fallback", false);
  options.ignore_merges = model.boolean_or("ignore_merges", false);
  if (const auto dropout = model.find("dropout")) {
    double rate = 0;
    if (dropout->raw().get(rate) != simdjson::SUCCESS || rate != 0) {
      dropout->fail("BPE dropout would make tokenisation random: set it to null");
    }
  }
  return options;
}

}  // namespace

std::unique_ptr<const Bpe> make_bpe(const JsonView& model, const BpeOptions& options) {
  auto bpe = std::make_unique<Bpe>(read_vocabulary(model.at("vocab")), options, model.where());
  read_merges(model.at("merges"), *bpe);
  return bpe;
}

std::unique_ptr<const Bpe> make_bpe(const JsonView& model) { return make_bpe(model, read_options(model)); }

std::unique_ptr<const Bpe> make_bpe(const JsonView& vocabulary, std::string_view merges,
                                    const std::string& merges_file, const BpeOptions& options) {
  auto bpe = std::make_unique<Bpe>(read_vocabulary(vocabulary), options, merges_file);
  std::size_t index = 0, line_number = 0;
  while (!merges.empty()) {
    const std::size_t end = std::min(merges.find('\n'), merges.size());
    std::string_view line = merges.substr(0, end);
    merges.remove_prefix(std::min(end + 1, merges.size()));
    ++line_number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with("#version")) continue;
    const auto parts = two_parts(line);
    if (!parts) {
      core::fail_request("{}:{}: \"{}\" is not two tokens with one space between", merges_file, line_number,
                         line);
    }
    bpe->add_merge(parts->first, parts->second, index++);
  }
  return bpe;
}

}  // namespace attune::text
