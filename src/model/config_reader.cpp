#include "model/config_reader.h"

#include <cmath>
#include <utility>

#include "core/error.h"

namespace attune::model {
namespace {

const core::Json& empty_object() {
  static const core::Json empty = core::Json::object();
  return empty;
}

std::string shortened(const core::Json& value) {
  std::string text = core::to_line(value);
  if (text.size() > 60) {
    text.resize(57);
    text += "...";
  }
  return text;
}

}  // namespace

ConfigReader::ConfigReader(const core::Json& object, std::string where, std::string path)
    : object_(&object), where_(std::move(where)), path_(std::move(path)) {
  if (!object.is_object())
    core::fail_request("{}: expected a JSON object, found {}", where_, shortened(object));
}

const core::Json* ConfigReader::find(std::string_view key) const {
  const auto found = object_->find(std::string(key));
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

bool ConfigReader::has(std::string_view key) const { return find(key) != nullptr; }

bool ConfigReader::is_null(std::string_view key) const {
  const auto found = object_->find(std::string(key));
  return found != object_->end() && found->is_null();
}

void ConfigReader::fail(std::string_view key, std::string_view must) const {
  const core::Json* value = find(key);
  core::fail_request("{}: key '{}{}' is {}: it must be {}", where_, path_, key,
                     value ? shortened(*value) : std::string("missing"), must);
}

std::int64_t ConfigReader::integer(std::string_view key, std::int64_t missing, std::int64_t least,
                                   std::int64_t most) const {
  const core::Json* value = find(key);
  if (!value) return missing;
  const std::string must = fmt::format("an integer from {} to {}", least, most);
  if (value->is_number_float()) {  // some exporters write 4096.0
    const double number = value->get<double>();
    if (!(std::floor(number) == number && number >= double(least) && number <= double(most))) fail(key, must);
    return static_cast<std::int64_t>(number);
  }
  if (!value->is_number_integer()) fail(key, must);
  if (value->is_number_unsigned() && value->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX))
    fail(key, must);
  const auto number = value->get<std::int64_t>();
  if (number < least || number > most) fail(key, must);
  return number;
}

double ConfigReader::number(std::string_view key, double missing) const {
  const core::Json* value = find(key);
  if (!value) return missing;
  if (!value->is_number() || !std::isfinite(value->get<double>())) fail(key, "a number");
  return value->get<double>();
}

double ConfigReader::positive(std::string_view key, double missing) const {
  const double value = number(key, missing);
  if (has(key) && !(value > 0)) fail(key, "a number above 0");
  return value;
}

bool ConfigReader::boolean(std::string_view key, bool missing) const {
  const core::Json* value = find(key);
  if (!value) return missing;
  if (!value->is_boolean()) fail(key, "true or false");
  return value->get<bool>();
}

std::string ConfigReader::text(std::string_view key, std::string_view missing) const {
  const core::Json* value = find(key);
  if (!value) return std::string(missing);
  if (!value->is_string()) fail(key, "a string");
  return value->get<std::string>();
}

std::vector<double> ConfigReader::numbers(std::string_view key) const {
  std::vector<double> out;
  const core::Json* value = find(key);
  if (!value) return out;
  if (!value->is_array()) fail(key, "a list of numbers");
  for (const auto& item : *value) {
    if (!item.is_number()) fail(key, "a list of numbers");
    out.push_back(item.get<double>());
  }
  return out;
}

std::vector<std::string> ConfigReader::texts(std::string_view key) const {
  std::vector<std::string> out;
  const core::Json* value = find(key);
  if (!value) return out;
  if (!value->is_array()) fail(key, "a list of strings");
  for (const auto& item : *value) {
    if (!item.is_string()) fail(key, "a list of strings");
    out.push_back(item.get<std::string>());
  }
  return out;
}

std::vector<std::int64_t> ConfigReader::integers(std::string_view key) const {
  std::vector<std::int64_t> out;
  const core::Json* value = find(key);
  if (!value) return out;
  if (value->is_number_integer()) return {value->get<std::int64_t>()};
  if (!value->is_array()) fail(key, "an integer or a list of integers");
  for (const auto& item : *value) {
    if (!item.is_number_integer()) fail(key, "an integer or a list of integers");
    out.push_back(item.get<std::int64_t>());
  }
  return out;
}

ConfigReader ConfigReader::object(std::string_view key) const {
  const core::Json* value = find(key);
  if (value && !value->is_object()) fail(key, "an object");
  return ConfigReader(value ? *value : empty_object(), where_, path_ + std::string(key) + ".");
}

}  // namespace attune::model
