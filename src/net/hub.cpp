#include "net/hub.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>

#include "core/error.h"
#include "core/files/files.h"

namespace attune::net {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// ~ and $VAR, as huggingface_hub expands them.
std::string expanded(std::string path) {
  if (path == "~" || path.rfind("~/", 0) == 0) path = variable("HOME") + path.substr(1);
  for (std::size_t at = path.find('$'); at != std::string::npos; at = path.find('$', at + 1)) {
    const bool braces = path.compare(at + 1, 1, "{") == 0;
    std::size_t end = at + 1 + (braces ? 1 : 0);
    const std::size_t begin = end;
    while (end < path.size() && (std::isalnum(static_cast<unsigned char>(path[end])) || path[end] == '_'))
      ++end;
    const std::string value = variable(path.substr(begin, end - begin).c_str());
    if (!value.empty()) path.replace(at, end - at + (braces ? 1 : 0), value);
  }
  return path;
}

bool plain_part(const std::string& part) {
  const auto good = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; };
  return !part.empty() && part != "." && part != ".." && std::all_of(part.begin(), part.end(), good);
}

/// "org/name" or "name": what the hub allows. Everything else is a path that does not exist.
bool is_hub_name(const std::string& name) {
  const auto slash = name.find('/');
  if (slash == std::string::npos) return plain_part(name);
  return plain_part(name.substr(0, slash)) && plain_part(name.substr(slash + 1));
}

bool plain_revision(const std::string& revision) {
  for (const auto& part : fs::path(revision))
    if (!plain_part(part.string())) return false;
  return !revision.empty() && revision.front() != '/';
}

std::string trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  return text;
}

}  // namespace

std::string hub_cache_folder() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
    if (const auto value = variable(name); !value.empty()) return expanded(value);
  if (const auto home = variable("HF_HOME"); !home.empty()) return expanded(home) + "/hub";
  if (const auto cache = variable("XDG_CACHE_HOME"); !cache.empty())
    return expanded(cache) + "/huggingface/hub";
  return expanded("~/.cache/huggingface/hub");
}

std::string resolve_model_folder(const std::string& name) {
  if (name.empty()) core::fail_request("model: no name was given: pass model=FOLDER");
  std::error_code ignored;
  if (fs::is_directory(name, ignored)) return name;
  if (fs::exists(name, ignored))
    core::fail_request("{}: is a file; a model is a folder with config.json and safetensors{}", name,
                       name.ends_with(".gguf") ? " (GGUF files are not read by this version)" : "");
  const auto at = name.find('@');
  const std::string repository = name.substr(0, at),
                    revision = at == std::string::npos ? "main" : name.substr(at + 1);
  if (!is_hub_name(repository) || !plain_revision(revision)) core::fail_request("{}: no such folder", name);
  std::string folder = "models--" + repository;
  if (const auto slash = folder.find('/'); slash != std::string::npos) folder.replace(slash, 1, "--");
  const fs::path root = fs::path(hub_cache_folder()) / folder, reference = root / "refs" / revision;
  if (!fs::is_directory(root, ignored))
    core::fail_request(
        "{}: no such folder, and {} is not in the Hugging Face cache ({}): this version does not download; "
        "fetch it first with `hf download {}`, or give a folder",
        name, repository, hub_cache_folder(), repository);
  std::string commit = revision;
  if (fs::exists(reference, ignored)) commit = trimmed(core::read_file(reference.string(), 4096));
  const fs::path snapshot = root / "snapshots" / commit;
  if (!plain_part(commit) || !fs::is_directory(snapshot, ignored))
    core::fail_request(
        "{}: the Hugging Face cache has {}, but not its revision '{}' ({} is missing): fetch it with `hf "
        "download {} --revision {}`",
        name, repository, revision, snapshot.string(), repository, revision);
  return snapshot.string();
}

}  // namespace attune::net
