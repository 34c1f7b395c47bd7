#include "text/tokenizer/json_view.h"

#include "core/error.h"

namespace attune::text {

void JsonView::fail(std::string_view problem) const { core::fail_request("{}: {}", where_, problem); }

std::optional<JsonView> JsonView::find(std::string_view key) const {
  if (!value_.is_object()) fail("an object is needed here");
  simdjson::dom::element member;
  if (value_.at_key(key).get(member) != simdjson::SUCCESS || member.is_null()) return std::nullopt;
  return JsonView(member, fmt::format("{}{}{}", where_, where_.ends_with(".json") ? ": " : ".", key));
}

JsonView JsonView::at(std::string_view key) const {
  auto member = find(key);
  if (!member) fail(fmt::format("\"{}\" is missing", key));
  return *member;
}

std::string_view JsonView::text() const {
  std::string_view out;
  if (value_.get(out) != simdjson::SUCCESS) fail("a string is needed here");
  return out;
}

bool JsonView::boolean() const {
  bool out = false;
  if (value_.get(out) != simdjson::SUCCESS) fail("true or false is needed here");
  return out;
}

std::int64_t JsonView::integer(std::int64_t low, std::int64_t high) const {
  std::int64_t out = 0;
  if (value_.get(out) != simdjson::SUCCESS || out < low || out > high) {
    fail(fmt::format("{} is not a whole number from {} to {}", simdjson::minify(value_), low, high));
  }
  return out;
}

std::string JsonView::text_or(std::string_view key, std::string_view fallback) const {
  const auto member = find(key);
  return std::string(member ? member->text() : fallback);
}

bool JsonView::boolean_or(std::string_view key, bool fallback) const {
  const auto member = find(key);
  return member ? member->boolean() : fallback;
}

void JsonView::each(const std::function<void(const JsonView&)>& visit) const {
  simdjson::dom::array array;
  if (value_.get(array) != simdjson::SUCCESS) fail("a list is needed here");
  std::size_t index = 0;
  for (const auto element : array) visit(JsonView(element, fmt::format("{}[{}]", where_, index++)));
}

void JsonView::each_member(const std::function<void(std::string_view, const JsonView&)>& visit) const {
  simdjson::dom::object object;
  if (value_.get(object) != simdjson::SUCCESS) fail("an object is needed here");
  for (const auto field : object)
    visit(field.key, JsonView(field.value, fmt::format("{}.{}", where_, field.key)));
}

JsonDocument::JsonDocument(std::string_view text, std::string where) : where_(std::move(where)) {
  const auto error = parser_.parse(text.data(), text.size()).get(root_);
  if (error != simdjson::SUCCESS)
    core::fail_request("{}: not valid JSON: {}", where_, simdjson::error_message(error));
}

}  // namespace attune::text
