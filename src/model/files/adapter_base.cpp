// Finding the base model of an adapter folder.
#include <filesystem>
#include <optional>

#include "core/error.h"
#include "core/files/files.h"
#include "model/config_reader.h"
#include "model/files/peft.h"
#include "net/hub.h"

namespace attune::model {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRelativeBase = "base_relative_to_adapter";

bool is_model(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "config.json", ignored);
}

/// Where the base stood relative to the adapter when that was written; none when nothing was noted.
std::optional<std::string> noted_base(const std::string& folder) {
  const std::string file = core::join_path(folder, "adapter_model.safetensors");
  if (!fs::exists(file)) return std::nullopt;
  const SafetensorsFile weights(file);
  const auto note = weights.notes().find(kRelativeBase);
  return note == weights.notes().end() ? std::nullopt : std::optional(note->second);
}

}  // namespace

std::string base_of_adapter(const std::string& folder) {
  const std::string config_path = core::join_path(folder, "adapter_config.json");
  const core::Json json = core::read_json_file(config_path);
  const std::string base = ConfigReader(json, config_path).text("base_model_name_or_path", "");
  if (base.empty())
    core::fail_request(
        "{}: key 'base_model_name_or_path' is missing: name the base model with model.base=FOLDER",
        config_path);
  for (const fs::path& place : {fs::path(folder) / base, fs::path(base)})
    if (is_model(place)) return place.lexically_normal().string();
  if (const auto noted = noted_base(folder); noted && is_model(fs::path(folder) / *noted))
    return (fs::path(folder) / *noted).lexically_normal().string();
  try {
    net::resolve_model_folder(base);
    return base;
  } catch (const core::Error& error) {
    core::fail_request(
        "{}: this is an adapter, and its base model is not there ({}): name it with "
        "model.base=FOLDER",
        config_path, error.what());
  }
}

std::map<std::string, std::string> base_notes(const std::string& folder, const std::string& base) {
  if (base.empty()) return {};
  const fs::path from = fs::absolute(folder).lexically_normal(), to = fs::absolute(base).lexically_normal();
  return {{kRelativeBase, to.lexically_relative(from).string()}};
}

}  // namespace attune::model
