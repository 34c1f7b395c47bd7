#include "data/rows/column/columns.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "data/rows/column/endings.h"
#include "data/rows/column/messages.h"

namespace attune::data {
namespace {

const core::Json& null_json() {
  static const core::Json null;
  return null;
}

std::string described(const core::Json& value) {
  if (value.is_null()) return "nothing";
  if (value.is_object()) return "an object";
  if (value.is_array()) return value.empty() ? "an empty list" : "a list";
  std::string text = core::to_line(value);
  if (text.size() > 60) text = core::to_line(core::Json(text.substr(0, 40))) + " …";
  return std::string(value.is_string()    ? "the string "
                     : value.is_boolean() ? "the boolean "
                                          : "the number ") +
         text;
}

}  // namespace

bool has_column(const core::Json& row, std::string_view name) {
  if (!row.is_object()) return false;
  const auto found = row.find(name);
  return found != row.end() && !found->is_null();
}

bool is_messages(const core::Json& value) {
  return value.is_array() && !value.empty() && is_message(value.front());
}

bool is_blank(const core::Json& conversation) {
  return conversation.is_null() || conversation.empty() || (conversation.is_string() && conversation == "");
}

core::Json message(const std::string& role, const std::string& text) {
  return {{"role", role}, {"content", text}};
}

record::Candidate make_candidate(core::Json completion, std::optional<double> rank) {
  record::Candidate candidate;
  candidate.completion = std::move(completion);
  candidate.rank = rank;
  return candidate;
}

const core::Json& Columns::peek(std::string_view name) const {
  return has(name) ? *row_.find(name) : null_json();
}

const core::Json& Columns::take(std::string_view name) {
  used_.emplace(name);
  return peek(name);
}

const core::Json& Columns::required(std::string_view name) {
  const core::Json& value = take(name);
  if (value.is_null()) problem("column missing", "\"" + key(name) + "\"");
  return value;
}

void Columns::problem(std::string reason, std::string detail) {
  if (!error_) error_ = core::ItemError{std::move(reason), std::move(detail)};
}

void Columns::wrong_type(std::string_view name, std::string_view wanted, const core::Json& found) {
  problem("wrong type", fmt::format("\"{}\" must be {}, found {}", key(name), wanted, described(found)));
}

core::Json Columns::conversation(std::string_view name) {
  const core::Json& value = required(name);
  if (value.is_null() || value.is_string()) return value;
  if (value.is_array() || is_message(value)) return messages(name);
  wrong_type(name, "a text or a list of messages", value);
  return {};
}

core::Json Columns::messages(std::string_view name) {
  const core::Json& value = required(name);
  if (value.is_null()) return {};
  const bool one = is_message(value);
  if (!one && !value.is_array()) {
    wrong_type(name, "a list of messages", value);
    return {};
  }
  core::Json out = core::Json::array();
  for (const auto& found : one ? core::Json::array({value}) : value) {
    const std::string place = one ? std::string(name) : fmt::format("{}[{}]", name, out.size());
    if (!is_message(found)) {
      wrong_type(place, "a message {\"role\", \"content\"}", found);
      return {};
    }
    out.push_back(usual_message(found));
    check_content(place, out.back());
  }
  return out;
}

void Columns::check_content(const std::string& place, const core::Json& message) {
  const auto content = message.find("content");
  if (has_column(message, "content")) {
    if (!content->is_string() && !content->is_array())
      wrong_type(place + ".content", "a text or a list of parts", *content);
  } else if (!has_column(message, "tool_calls") && !has_column(message, "function_call")) {
    // who only calls a tool says nothing
    std::vector<std::string> keys;
    for (const auto& [key, value] : message.items()) keys.push_back(key);
    problem("a message without content", fmt::format("\"{}\" has {}", key(place), fmt::join(keys, ", ")));
  }
}

std::string Columns::text(std::string_view name) {
  const core::Json& value = required(name);
  if (!value.is_string() && !value.is_null()) wrong_type(name, "a text", value);
  return value.is_string() ? value.get<std::string>() : "";
}

std::string Columns::optional_text(std::string_view name) {
  if (has(name)) return text(name);
  take(name);
  return "";
}

std::optional<double> Columns::number(std::string_view name) {
  const core::Json& value = take(name);
  if (value.is_null()) return {};
  if (!value.is_number()) {
    wrong_type(name, "a number", value);
    return {};
  }
  return value.get<double>();
}

std::optional<bool> Columns::boolean(std::string_view name) {
  const core::Json& value = take(name);
  if (value.is_null()) return {};
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number() && (value == 0 || value == 1)) return value == 1;
  wrong_type(name, "true or false", value);
  return {};
}

std::vector<double> Columns::numbers(std::string_view name) {
  std::vector<double> out;
  for (const auto& value : list(name)) {
    if (value.is_number() || value.is_boolean())
      out.push_back(value.is_boolean() ? (value.get<bool>() ? 1 : 0) : value.get<double>());
    else
      wrong_type(fmt::format("{}[{}]", name, out.size()), "a number", value);
    if (!ok()) return {};
  }
  return out;
}

std::vector<std::string> Columns::texts(std::string_view name) {
  std::vector<std::string> out;
  for (const auto& value : list(name)) {
    if (!value.is_string()) {
      wrong_type(fmt::format("{}[{}]", name, out.size()), "a text", value);
      return {};
    }
    out.push_back(value.get<std::string>());
  }
  return out;
}

std::optional<std::vector<std::int32_t>> Columns::ids(std::string_view name) {
  if (!has(name)) return {};
  std::vector<std::int32_t> out;
  for (const auto& value : list(name)) {
    const bool whole = value.is_number_integer();
    const auto id = whole ? value.get<std::int64_t>() : -1;
    if (!whole || id < 0 || id > std::numeric_limits<std::int32_t>::max()) {
      wrong_type(fmt::format("{}[{}]", name, out.size()), "a token id", value);
      return {};
    }
    out.push_back(static_cast<std::int32_t>(id));
  }
  return out;
}

std::vector<std::uint8_t> Columns::mask(std::string_view name) {
  std::vector<std::uint8_t> out;
  for (const double value : numbers(name)) {
    if (value != 0 && value != 1) problem("wrong type", "\"" + key(name) + "\" must hold 0 and 1");
    out.push_back(value != 0 ? 1 : 0);
  }
  return out;
}

const core::Json& Columns::list(std::string_view name) {
  const core::Json& value = take(name);
  if (value.is_array()) return value;
  if (!value.is_null()) wrong_type(name, "a list", value);
  static const core::Json empty = core::Json::array();
  return empty;
}

void Columns::read_common(record::Example& example) {
  const core::Json& id = take("id");
  if (id.is_string()) example.id = id.get<std::string>();
  if (id.is_number() || id.is_boolean()) example.id = core::to_line(id);
  if (id.is_structured()) wrong_type("id", "a text or a number", id);
  example.reference_answer = optional_text("reference_answer");
  example.tools = take("tools");
  if (example.tools.is_string()) {  // datasets cannot mix schemas in a column, so TRL passes JSON text
    core::Json parsed;
    std::string why;
    if (core::try_parse_json(example.tools.get<std::string>(), parsed, why) || example.tools == "")
      example.tools = std::move(parsed);
  }
  if (!example.tools.is_null() && !example.tools.is_array()) wrong_type("tools", "a list", example.tools);
  if (example.tools.empty())
    example.tools = core::Json();  // as TRL: [] would bring up the tool text of templates
  example.chat_template_kwargs = take("chat_template_kwargs");
  if (!example.chat_template_kwargs.is_null() && !example.chat_template_kwargs.is_object())
    wrong_type("chat_template_kwargs", "an object", example.chat_template_kwargs);
}

core::Result<record::Example> Columns::finish(record::Example example) {
  read_endings(*this, example);
  if (error_) return *error_;
  const auto is_left = [&](const std::string& name) { return !used_.contains(name); };
  // A record's own meta is the meta, whatever the format; a column of that name keeps it from that.
  const auto meta = row_.find("meta");
  if (!has("meta")) take("meta");
  if (meta != row_.end() && is_left("meta") && meta->is_object() &&
      std::ranges::none_of(row_.items(), [&](const auto& column) {
        return is_left(column.key()) && meta->contains(column.key());
      })) {
    example.meta = *meta;
    used_.emplace("meta");
  }
  if (!example.meta.is_object()) example.meta = core::Json::object();
  for (const auto& [name, value] : row_.items()) {
    if (!is_left(name)) continue;
    example.meta[name] = value;
    example.columns.push_back(name);
  }
  return example;
}

}  // namespace attune::data
