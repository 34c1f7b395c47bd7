#include "cli/foreign/reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "core/ascii.h"

namespace attune::cli {

namespace {

/// What a value comes from: all arguments are one source, and every file is one.
std::string source_of(const core::Value& value) {
  if (value.place().starts_with("argument ")) return "";
  return value.place().substr(0, value.place().rfind(':'));
}

bool says_none(const core::Value& value) {
  return value.is_scalar() && !value.quoted() && value.text() == "None";
}

}  // namespace

bool is_off(const core::Value& value) {
  if (value.is_list()) return value.items().empty();
  if (value.is_map()) return value.entries().empty();
  const core::Json json = value.to_json();
  return json.is_null() || core::truth_of(value) == false || (json.is_number() && json == 0) || json == "" ||
         json == "none" || json == "None";
}

std::vector<core::Value> items_of(const core::Value& value) {
  return value.is_list() ? value.items() : std::vector<core::Value>{value};
}

bool is_written_for_trl(const ForeignReader& reader) {
  return reader.given("stage") == nullptr && reader.given("base_model") == nullptr;
}

std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0, comma = 0; comma != std::string::npos; at = comma + 1) {
    comma = text.find(',', at);
    parts.emplace_back(core::trimmed(std::string_view(text).substr(at, comma - at)));
  }
  return parts;
}

ReadName reading_of(std::string_view name) {
  for (const auto& readings : {run_readings(), strategy_readings(), data_readings(), dataset_list_readings(),
                               method_readings(), loss_readings(), batch_readings(), prompt_readings(),
                               loss_sum_readings(), token_readings(), epoch_readings()})
    for (const Reading& reading : readings)
      if (is_named(reading.name, name)) return reading.read;
  return reading_of_option(name);
}

const core::Value* ForeignReader::given(std::string_view name) const {
  const core::Value* found = request_.find(name);
  for (const auto& [key, value] : request_.entries())
    if (found == nullptr) found = value.find(name);
  return found == nullptr || found->is_null() || says_none(*found) ? nullptr : found;
}

std::ptrdiff_t ForeignReader::order_of(std::string_view key) const {
  std::ptrdiff_t place = 0, found = -1;
  for (const auto& [name, value] : request_.entries()) {
    ++place;
    if (name == key) found = place;
    for (const auto& [inner, ignored] : value.entries()) {
      ++place;
      if (inner == key) found = place;
    }
  }
  return found;
}

bool ForeignReader::given_as_ours(std::string_view ours) const {
  const std::size_t dot = ours.find('.');
  const core::Value* section = request_.find(ours.substr(0, dot));
  return section != nullptr &&
         (dot == std::string_view::npos || section->find(ours.substr(dot + 1)) != nullptr);
}

void ForeignReader::set_default(std::string_view ours, const std::string& text, const core::Value& from,
                                std::initializer_list<std::string_view> names) {
  const bool said = given_as_ours(ours) || std::any_of(names.begin(), names.end(),
                                                       [&](auto name) { return given(name) != nullptr; });
  if (!said) set(ours, text, from);
}

bool ForeignReader::take(const std::string& name, const core::Value& given) {
  const GuideRow* row = find_guide_row(name);
  if (row == nullptr) return false;
  speaks_trl_ = speaks_trl_ || row->page == "docs/from-trl.md";
  const core::Value value = says_none(given) ? core::Value::null(given.place()) : given;
  const std::string outer_name = std::exchange(name_, name);
  const core::Value* outer_from = std::exchange(from_, &value);
  if (const ReadName read = reading_of(name)) {
    read(*this, name, value);
  } else if (row->absent) {
    if (!is_off(value)) refuse(name, value);
  } else if (row->ours.empty()) {
    if (!is_off(value)) note(name);
  } else if (!value.is_null()) {
    set_once(name, value);
  }
  name_ = outer_name;
  from_ = outer_from;
  return true;
}

void ForeignReader::set(std::string_view ours, core::Value value) {
  const core::Value* method = settings_.find("method");
  if (ours.starts_with("method.") && method != nullptr && method->is_list()) {
    refused_.push_back(fmt::format("{}: {} of which method? Give it in its entry of the list", value.place(),
                                   ours.substr(7)));
    return;
  }
  if (from_ != nullptr) {
    std::erase_if(origins_, [&](const Origin& origin) { return origin.ours == ours; });
    origins_.push_back({std::string(ours), name_, *from_});
  }
  settings_.set(ours, std::move(value), [this](std::string_view path) { return fields_.first_field(path); });
}

bool ForeignReader::contradicts(const std::string& ours, const std::string& name, const core::Value& value) {
  const auto other = std::ranges::find(said_, ours, &Origin::ours);
  const bool wrong = other != said_.end() && other->name != name &&
                     source_of(other->value) == source_of(value) && other->value.to_json() != value.to_json();
  if (wrong) {
    refuse(name, value,
           fmt::format("{} says {} in {}, and this says {}: leave one of them out", other->name,
                       other->value.described(), other->value.place(), value.described()));
    return true;
  }
  if (other != said_.end()) said_.erase(other);
  said_.push_back({ours, name, value});
  return false;
}

void ForeignReader::set_once(const std::string& name, const core::Value& value) {
  const std::string ours = find_guide_row(name)->ours_of(name);
  if (!contradicts(ours, name, value)) set(ours, value);
}

void ForeignReader::set_ours(const std::string& ours, const core::Value& value) {
  if (value.is_map() || value.is_list() || !contradicts(ours, ours, value)) set(ours, value);
}

void ForeignReader::drop(std::string_view ours) {
  std::erase_if(origins_, [&](const Origin& origin) { return origin.ours == ours; });
  const std::size_t dot = ours.find('.');
  for (auto& [section, value] : settings_.entries())
    if (section == ours.substr(0, dot) && dot != std::string_view::npos)
      std::erase_if(value.entries(), [&](const auto& entry) { return entry.first == ours.substr(dot + 1); });
}

void ForeignReader::set(std::string_view ours, const std::string& text, const core::Value& from) {
  set(ours, core::Value::scalar(text, false, from.place()));
}

void ForeignReader::refuse(const std::string& name, const core::Value& value, const std::string& why) {
  const GuideRow* row = find_guide_row(name);
  const std::string reason = !why.empty() ? why : row == nullptr ? "" : row->note;
  const std::string page = row == nullptr ? "" : " (" + row->page + ")";
  if (row != nullptr && !row->ours.empty()) meant_.push_back(row->ours_of(name));
  refused_.push_back(
      fmt::format("{}: {}{}{}{}", value.place(), name, reason.empty() ? "" : ": ", reason, page));
}

std::vector<std::string> ForeignReader::unsettled() const {
  std::vector<std::string> left;
  for (const std::string& ours : meant_) {
    const std::size_t dot = std::min(ours.find('.'), ours.size());
    const core::Value* section = settings_.find(ours.substr(0, dot));
    // A method with options alone has no name.
    const std::string_view key =
        ours == "method" ? "name" : std::string_view(ours).substr(std::min(dot + 1, ours.size()));
    const bool said =
        section != nullptr && (key.empty() || !section->is_map() || section->find(key) != nullptr);
    if (!said) left.push_back(ours);
    if (!said && ours == "method") left.emplace_back("method.name");
  }
  return left;
}

void ForeignReader::note(const std::string& name, const std::string& why) {
  const GuideRow* row = find_guide_row(name);
  const std::string reason = !why.empty() || row == nullptr ? why : row->note;
  const auto at =
      std::find_if(noted_.begin(), noted_.end(), [&](const auto& n) { return n.first == reason; });
  if (at == noted_.end()) {
    noted_.push_back({reason, {name}});
  } else if (std::find(at->second.begin(), at->second.end(), name) == at->second.end()) {
    at->second.push_back(name);
  }
}

std::vector<std::string> ForeignReader::remarks() const {
  std::vector<std::string> lines, parts;
  for (const auto& [reason, names] : noted_)
    parts.push_back(fmt::format("{} ({})", fmt::join(names, ", "), reason));
  if (!parts.empty()) lines.push_back(fmt::format("read, without effect here: {}", fmt::join(parts, "; ")));
  for (const std::string& text : remarks_)
    if (std::find(lines.begin(), lines.end(), text) == lines.end()) lines.push_back(text);
  return lines;
}

}  // namespace attune::cli
