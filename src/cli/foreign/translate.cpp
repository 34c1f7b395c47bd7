#include "cli/foreign/translate.h"

#include <fmt/format.h>

#include <algorithm>

#include "algorithm/method.h"
#include "cli/foreign/reader.h"
#include "core/config/nearest.h"
#include "data/options.h"

namespace attune::cli {
namespace {

bool is_ours(core::Fields& fields, const std::string& key) {
  const auto& sections = fields.sections();
  return fields.find(key) != nullptr || std::any_of(sections.begin(), sections.end(),
                                                    [&](const auto& section) { return section.name == key; });
}

/// Whether any method has an option of that name, or of what a row says that it means.
bool is_method_option(const std::string& key) {
  const GuideRow* row = find_guide_row(key);
  if (row != nullptr && !row->absent && row->ours_of(key).starts_with("method")) return true;
  const auto& entries = algorithm::method_entries();
  return std::any_of(entries.begin(), entries.end(), [&](const auto& entry) {
    const auto method = entry.second();
    core::Fields options = method->fields();
    return options.find(key) != nullptr;
  });
}

/// Below a setting that somebody else reads, what is ours is asked of them: of data its options, of a method
/// those of all methods.
bool is_ours_below(core::Fields& fields, const std::string& section, const std::string& key) {
  if (section == "data") {
    data::DataOptions options;
    return core::fields_of(options).find(key) != nullptr;
  }
  if (section == "method") return find_guide_row(key) == nullptr || is_method_option(key);
  return fields.find(section) != nullptr || fields.find(section + "." + key) != nullptr;
}

/// Names of ours that others have, too, with values of another form.
bool reads_otherwise(const std::string& key, const core::Value& value) {
  return (key == "adapter" && text_of(value) == "qlora") ||
         (key == "scale_rewards" && value.to_json().is_boolean()) || key == "per_device_train_batch_size" ||
         key == "gradient_accumulation_steps";
}

/// An option of some method alone: `reference_free=true` is `method.reference_free=true`.
bool is_option_alone(core::Fields& fields, const std::string& key) {
  return key.find('.') == std::string::npos && !is_ours(fields, key) && find_guide_row(key) == nullptr &&
         is_method_option(key);
}

bool is_foreign(core::Fields& fields, const std::string& key, const core::Value& value) {
  return (!is_ours(fields, key) || reads_otherwise(key, value)) && find_guide_row(key) != nullptr;
}

bool is_foreign_below(core::Fields& fields, const std::string& section, const std::string& key,
                      const core::Value& value) {
  return (!is_ours_below(fields, section, key) || reads_otherwise(key, value)) &&
         find_guide_row(key) != nullptr;
}

/// A key that nobody knows.
bool is_unknown(core::Fields& fields, const std::string& key) {
  return key.find('.') == std::string::npos && !is_ours(fields, key) && find_guide_row(key) == nullptr &&
         !is_method_option(key);
}

/// The option of the run's method that is meant by an unknown key, "" where something else is nearer.
std::string option_meant(const ForeignReader& reader, const core::Fields& fields, const std::string& key) {
  const auto method = method_of(reader);
  if (method == nullptr) return "";
  std::vector<std::string> names;
  for (const auto& row : core::option_rows(fields)) names.push_back(row.key.substr(row.key.rfind('.') + 1));
  for (const auto& section : fields.sections()) names.push_back(section.name);
  const core::Fields options = method->fields();
  std::vector<std::string> own;
  for (const auto& option : options.all()) own.push_back(option.name());
  names.insert(names.end(), own.begin(), own.end());
  const std::string near = core::nearest(key, names);
  return std::ranges::find(own, near) == own.end() ? "" : "method." + near;
}

bool speaks_ours(core::Fields& fields, const core::Value& settings) {
  return std::none_of(settings.entries().begin(), settings.entries().end(), [&](const auto& entry) {
    if (is_unknown(fields, entry.first)) return true;
    if (is_foreign(fields, entry.first, entry.second) || is_option_alone(fields, entry.first)) return true;
    if (!is_ours(fields, entry.first)) return false;
    return std::any_of(entry.second.entries().begin(), entry.second.entries().end(), [&](const auto& inner) {
      return is_foreign_below(fields, entry.first, inner.first, inner.second);
    });
  });
}

void read_section(ForeignReader& reader, core::Fields& fields, const std::string& section,
                  const core::Value& entries) {
  for (const auto& [key, value] : entries.entries()) {
    const bool taken = is_foreign_below(fields, section, key, value) && reader.take(key, value);
    if (!taken) reader.set_ours(section + "." + key, value);
  }
}

}  // namespace

Translation in_our_words(const core::Value& settings, const core::Fields& fields) {
  core::Fields known = fields;
  if (speaks_ours(known, settings)) return {settings, {}, {}, {}, {}, {}};
  ForeignReader reader(settings, fields);
  std::vector<std::string> unknown;
  for (const auto& [key, value] : settings.entries()) {
    if (is_foreign(known, key, value)) {
      reader.take(key, value);
    } else if (is_option_alone(known, key)) {
      reader.set_ours("method." + key, value);
    } else if (!is_ours(known, key) && value.is_null()) {
      continue;  // a key of theirs without a value says nothing
    } else if (const std::string meant = is_unknown(known, key) ? option_meant(reader, known, key) : "";
               !meant.empty()) {
      unknown.push_back(fmt::format("{}: unknown key '{}'; did you mean '{}'?", value.place(), key, meant));
    } else if (!is_ours(known, key) || key.find('.') != std::string::npos) {
      reader.keep(key, value);
    } else if (value.is_map()) {
      read_section(reader, known, key, value);
    } else {
      reader.set_ours(key, value);
    }
  }
  settle_adapter(reader);
  settle_batch(reader);
  settle_epochs(reader);
  settle_tokens(reader);
  settle_prompts(reader);
  settle_losses(reader);
  return {reader.settings(),  reader.remarks(),   reader.refused(),
          reader.unsettled(), std::move(unknown), reader.origins()};
}

}  // namespace attune::cli
