// Groups of fields: sections, assignment of whole maps, suggestions for unknown keys, references of options.
#include <fmt/ranges.h>

#include <algorithm>

#include "core/config/fields.h"
#include "core/config/nearest.h"
#include "core/error.h"

namespace attune::core {
namespace {

std::string join(const std::string& prefix, std::string_view name) {
  return prefix.empty() ? std::string(name) : fmt::format("{}.{}", prefix, name);
}

/// Every key that could have been meant, dotted, below `prefix`.
void collect_keys(const Fields& fields, const std::string& prefix, std::vector<std::string>& out) {
  for (const Field& field : fields.all()) {
    out.push_back(join(prefix, field.name()));
    for (const std::string& alias : field.aliases()) out.push_back(join(prefix, alias));
    for (const OptionRow& row : field.long_form()) out.push_back(join(join(prefix, field.name()), row.key));
  }
  for (const Section& section : fields.sections()) {
    out.push_back(join(prefix, section.name));
    collect_keys(section.fields, join(prefix, section.name), out);
  }
}

std::string last_of(std::string_view path) { return std::string(path.substr(path.rfind('.') + 1)); }

/// The setting elsewhere whose last part is meant: learning_rate, lr and TrainingArguments.learning_rate for
/// training.learning_rate. @param how exact, or near
std::string meant_elsewhere(const std::vector<std::string>& paths, const std::string& key, bool exact) {
  std::vector<std::string> lasts;
  for (const std::string& path : paths) lasts.push_back(last_of(path));
  const std::string wanted = last_of(key), last = exact ? wanted : nearest(wanted, lasts);
  const auto at = std::find(lasts.begin(), lasts.end(), last);
  return last.empty() || at == lasts.end() ? "" : paths[static_cast<std::size_t>(at - lasts.begin())];
}

/// What to say of a key that no field has.
std::string unknown_text(const Fields& fields, const std::string& key, const Value& value,
                         const std::string& prefix) {
  // What is unknown is the innermost key that was written: training.foo=1 arrives here as training → foo.
  std::vector<std::string> here, everywhere;
  for (const Field& field : fields.all()) {
    here.push_back(field.name());
    here.insert(here.end(), field.aliases().begin(), field.aliases().end());
  }
  for (const Section& section : fields.sections()) here.push_back(section.name);
  collect_keys(fields, "", everywhere);
  std::string near = meant_elsewhere(everywhere, key, true);
  if (near.empty() && value.is_map() && value.entries().size() == 1)  // TrainingArguments.learning_rate
    near = meant_elsewhere(everywhere, value.entries().front().first, true);
  if (near.empty()) near = nearest(key, here);
  if (near.empty()) near = meant_elsewhere(everywhere, key, false);
  if (near.empty()) near = nearest(key, everywhere);
  if (!near.empty())
    return fmt::format("{}: unknown key '{}'; did you mean '{}'?", value.place(), join(prefix, key),
                       join(prefix, near));
  return fmt::format("{}: unknown key '{}'{}", value.place(), join(prefix, key), did_you_mean(key, here));
}

/// Assigns what can be, and gathers messages about the rest, that of sections too.
class Assignment {
 public:
  void assign(Fields& fields, const Value& map, const std::string& prefix,
              const std::vector<std::string>& ignored) {
    if (map.is_null()) return;
    if (!map.is_map()) {
      wrong_.push_back(fmt::format("{}: {} must be settings (key: value), found {}", map.place(),
                                   prefix.empty() ? "this" : prefix, map.described()));
      return;
    }
    for (const auto& [key, value] : map.entries())
      if (std::find(ignored.begin(), ignored.end(), key) == ignored.end())
        assign_one(fields, key, value, prefix);
  }

  std::vector<std::string> messages() const {
    std::vector<std::string> all = unknown_;
    all.insert(all.end(), wrong_.begin(), wrong_.end());
    return all;
  }

  void fail_if_any() const {
    const std::vector<std::string> all = messages();
    if (all.size() == 1) fail_request("{}", all.front());
    if (!all.empty())
      fail_request("{} {}:\n  {}", all.size(), wrong_.empty() ? "unknown keys" : "settings cannot be taken",
                   fmt::join(all, "\n  "));
  }

 private:
  void assign_one(Fields& fields, const std::string& key, const Value& value, const std::string& prefix) {
    if (const Section* section = section_of(fields, key)) {
      const bool is_short = !section->first.empty() && (value.is_scalar() || value.is_list());
      Fields inner = section->fields;  // copies point to the same values
      return assign(inner, is_short ? Value::map({{section->first, value}}, value.place()) : value,
                    join(prefix, key), {});
    }
    Field* field = key.find('.') == std::string::npos ? fields.find(key) : nullptr;
    if (field == nullptr) {
      unknown_.push_back(unknown_text(fields, key, value, prefix));
      return;
    }
    try {
      field->assign(value, join(prefix, key));
    } catch (const Error& error) {
      wrong_.emplace_back(error.what());
    }
  }

  static const Section* section_of(const Fields& fields, std::string_view key) {
    const auto& sections = fields.sections();
    const auto at =
        std::find_if(sections.begin(), sections.end(), [&](const Section& s) { return s.name == key; });
    return at == sections.end() ? nullptr : &*at;
  }

  std::vector<std::string> unknown_, wrong_;
};

}  // namespace

Fields::Fields() = default;
Fields::~Fields() = default;
Fields::Fields(Fields&&) noexcept = default;
Fields& Fields::operator=(Fields&&) noexcept = default;
Fields::Fields(const Fields&) = default;
Fields& Fields::operator=(const Fields&) = default;

Field& Fields::add(std::string name, Field::Target target, std::string help) {
  return fields_.emplace_back(std::move(name), target, std::move(help));
}

void Fields::add_section(std::string name, Fields fields, std::string help, std::string first) {
  sections_.push_back({std::move(name), std::move(help), std::move(first), std::move(fields)});
}

Field* Fields::find(std::string_view name) {
  for (Field& field : fields_) {
    const auto& aliases = field.aliases();
    if (field.name() == name || std::find(aliases.begin(), aliases.end(), name) != aliases.end())
      return &field;
  }
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return nullptr;
  for (Section& section : sections_) {
    if (section.name == name.substr(0, dot)) return section.fields.find(name.substr(dot + 1));
  }
  return nullptr;
}

void Fields::assign_all(const Value& map, const std::string& prefix,
                        const std::vector<std::string>& ignored) {
  Assignment assignment;
  assignment.assign(*this, map, prefix, ignored);
  assignment.fail_if_any();
}

std::vector<std::string> Fields::assign_what_can_be(const Value& map) {
  Assignment assignment;
  assignment.assign(*this, map, "", {});
  return assignment.messages();
}

std::string Fields::first_field(std::string_view path) const {
  const std::size_t dot = path.find('.');
  for (const Section& section : sections_) {
    if (section.name != path.substr(0, dot)) continue;
    return dot == std::string_view::npos ? section.first : section.fields.first_field(path.substr(dot + 1));
  }
  for (const Field& field : fields_) {
    if (field.name() == path) return field.first();
  }
  return "";
}

Json Fields::to_json() const {
  Json out = Json::object();
  for (const Field& field : fields_) out[field.name()] = field.value();
  for (const Section& section : sections_) out[section.name] = section.fields.to_json();
  return out;
}

std::vector<OptionRow> option_rows(const Fields& fields, const std::string& prefix) {
  std::vector<OptionRow> rows;
  for (const Field& field : fields.all()) {
    rows.push_back({join(prefix, field.name()), field.type(), field.allowed(), field.help(),
                    field.default_source().empty() ? field.value() : Json(), field.aliases(),
                    field.default_source(), ""});
    for (OptionRow row : field.long_form()) {
      row.key = join(join(prefix, field.name()), row.key);
      rows.push_back(std::move(row));
    }
  }
  for (const Section& section : fields.sections()) {
    const std::string name = join(prefix, section.name);
    for (OptionRow& row : option_rows(section.fields, name)) {
      if (!section.first.empty() && row.key == join(name, section.first)) row.short_form = name;
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

Json options_json(const Fields& fields) {
  Json out = Json::array();
  for (const OptionRow& row : option_rows(fields)) {
    Json item = {{"name", row.key}, {"type", row.type}, {"default", row.value}, {"help", row.help}};
    if (!row.allowed.empty()) item["allowed"] = row.allowed;
    if (!row.aliases.empty()) item["aliases"] = row.aliases;
    if (!row.default_from.empty()) item["default_from"] = row.default_from;
    if (!row.short_form.empty()) item["short_form"] = row.short_form;
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace attune::core
