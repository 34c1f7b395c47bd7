// YAML out: what every reader of YAML takes, 1.1 and 1.2, and reads alike.
#include <algorithm>
#include <cctype>

#include "core/ascii.h"
#include "core/config/value.h"

namespace attune::core {
namespace {

bool is_plain(const std::string& text) {
  if (text.empty() ||
      !(std::isalpha(static_cast<unsigned char>(text[0])) || text[0] == '/' || text[0] == '_')) {
    return false;
  }
  const bool safe = std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '/' || c == '.' ||
           c == '@';
  });
  if (!safe || !resolve_scalar(text).is_string()) return false;
  // YAML 1.1 readers take these for booleans.
  const std::string lower = lowercase(text);
  for (const char* word : {"y", "n", "yes", "no", "on", "off"}) {
    if (lower == word) return false;
  }
  return true;
}

/// JSON's escapes are YAML's too; DEL, which JSON writes as it is, no reader of YAML takes.
std::string quoted_text(const Json& text) {
  std::string out = text.dump(-1, ' ', false, Json::error_handler_t::replace);
  for (std::size_t at = 0; (at = out.find('\x7F', at)) != std::string::npos;) out.replace(at, 1, "\\u007f");
  return out;
}

std::string scalar_text(const Json& value) {
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    return is_plain(text) ? text : quoted_text(value);
  }
  std::string text = value.dump();
  if (value.is_number_float()) {
    // YAML 1.1 readers need a point before the exponent: 5e-06 is a string to them.
    const auto exponent = text.find('e');
    if (exponent != std::string::npos && text.find('.') == std::string::npos) text.insert(exponent, ".0");
  }
  return text;
}

bool is_leaf(const Json& value) { return !value.is_structured() || value.empty(); }

void write(const Json& value, int indent, std::string& out);

std::string key_text(const std::string& key) { return scalar_text(Json(key)); }

/// Writes what follows "key:" or "-".
void write_after(const Json& value, int indent, std::string& out) {
  if (is_leaf(value)) {
    out += " " + (value.is_structured() ? (value.is_array() ? "[]" : "{}") : scalar_text(value)) + "\n";
  } else if (value.is_array() && std::all_of(value.begin(), value.end(), is_leaf)) {
    out += " [";
    for (std::size_t i = 0; i < value.size(); ++i) {
      const Json& item = value[i];
      out +=
          (i == 0 ? "" : ", ") + (item.is_structured() ? (item.is_array() ? "[]" : "{}") : scalar_text(item));
    }
    out += "]\n";
  } else {
    out += "\n";
    write(value, indent + 2, out);
  }
}

void write(const Json& value, int indent, std::string& out) {
  const std::string spaces(static_cast<std::size_t>(indent), ' ');
  if (value.is_array()) {
    for (const Json& item : value) {
      out += spaces + "-";
      write_after(item, indent, out);
    }
    return;
  }
  for (const auto& [key, item] : value.items()) {
    out += spaces + key_text(key) + ":";
    write_after(item, indent, out);
  }
}

}  // namespace

std::string to_yaml(const Json& value) {
  if (is_leaf(value) || (value.is_array() && std::all_of(value.begin(), value.end(), is_leaf))) {
    std::string out;
    write_after(value, 0, out);
    return out.substr(1);
  }
  std::string out;
  write(value, 0, out);
  return out;
}

}  // namespace attune::core
