// Weights of a folder: one file, or shards behind an index; and the writer of both.
#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "core/error.h"
#include "core/files/files.h"
#include "core/json.h"
#include "model/files/safetensors.h"

namespace attune::model {
namespace {

namespace fs = std::filesystem;

/// Names in an index come from outside: only plain names below the folder.
void check_shard_name(const std::string& index, const std::string& name) {
  const fs::path path(name);
  bool bad = name.empty() || path.is_absolute() || name.find('\0') != std::string::npos;
  for (const auto& part : path) bad = bad || part == "..";
  if (bad)
    core::fail_request("{}: weight_map names the file '{}', which leads out of the folder", index,
                       name.substr(0, 200));
}

[[noreturn]] void fail_without_weights(const std::string& folder, const std::string& single) {
  for (const auto* pickle : {"pytorch_model.bin", "pytorch_model.bin.index.json", "adapter_model.bin"})
    if (fs::exists(core::join_path(folder, pickle)))
      core::fail_request(
          "{}: only pickled weights ({}) are here, which can run code when read; convert them to safetensors "
          "(in Python: save_pretrained(folder, safe_serialization=True))",
          folder, pickle);
  core::fail_request("{}: no weights here: neither {} nor {}.index.json exists", folder, single, single);
}

std::string header_of(const std::vector<TensorToWrite>& tensors,
                      const std::map<std::string, std::string>& notes) {
  core::Json header = core::Json::object();
  header["__metadata__"] = {{"format", "pt"}};
  for (const auto& [name, text] : notes) header["__metadata__"][name] = text;
  std::int64_t at = 0;
  for (const auto& tensor : tensors) {
    // push_back instead of lookup: names are unique, and looking each one up would be quadratic
    header.get_ref<core::Json::object_t&>().emplace_back(
        tensor.name, core::Json{{"dtype", dtype_name(tensor.dtype)},
                                {"shape", tensor.shape},
                                {"data_offsets", {at, at + tensor.bytes()}}});
    at += tensor.bytes();
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

std::string little_endian(std::uint64_t value) {
  std::string out;
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  return out;
}

}  // namespace

WeightFiles::WeightFiles(const std::string& folder, const std::string& single) {
  const std::string file = core::join_path(folder, single), index = file + ".index.json";
  if (fs::exists(file)) {
    where_ = file;
    add(file, nullptr);
  } else if (fs::exists(index)) {
    where_ = index;
    open_index(folder, index);
  } else {
    fail_without_weights(folder, single);
  }
}

WeightFiles::WeightFiles(const std::string& file) : where_(file) { add(file, nullptr); }

void WeightFiles::open_index(const std::string& folder, const std::string& index) {
  const core::Json json = core::read_json_file(index);
  const auto map = json.is_object() ? json.find("weight_map") : json.end();
  if (!json.is_object() || map == json.end() || !map->is_object() || map->empty())
    core::fail_request("{}: key 'weight_map' must be an object of tensor name to file name", index);
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string())
      core::fail_request("{}: weight_map['{}'] is no file name", index, tensor.substr(0, 200));
    check_shard_name(index, file.get<std::string>());
    shards[file.get<std::string>()].push_back(tensor);
  }
  for (const auto& [file, tensors] : shards) {
    if (!fs::exists(core::join_path(folder, file)))
      core::fail_request("{}: weight_map names the file '{}', which is missing: download or copy it again",
                         index, file);
    add(core::join_path(folder, file), &tensors);
  }
}

void WeightFiles::add(const std::string& path, const std::vector<std::string>* only) {
  files_.push_back(std::make_unique<SafetensorsFile>(path));
  std::unordered_map<std::string, const StoredTensor*> here;
  for (const auto& tensor : files_.back()->tensors()) {
    here.emplace(tensor.name, &tensor);
    if (!only) names_.push_back(tensor.name);
  }
  if (!only) {
    tensors_ = std::move(here);
    return;
  }
  for (const auto& name : *only) {
    const auto found = here.find(name);
    if (found == here.end())
      core::fail_request("{}: says that tensor '{}' is in '{}', but it is not there", where_,
                         name.substr(0, 200), path);
    tensors_[name] = found->second;
    names_.push_back(name);
  }
}

const StoredTensor* WeightFiles::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : found->second;
}

std::int64_t TensorToWrite::bytes() const {
  std::int64_t count = static_cast<std::int64_t>(c10::elementSize(dtype));
  for (const auto size : shape) count *= size;
  return count;
}

void write_safetensors(const std::string& path, std::vector<TensorToWrite> tensors,
                       const std::map<std::string, std::string>& notes) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorToWrite& a, const TensorToWrite& b) {
    const auto width_a = c10::elementSize(a.dtype), width_b = c10::elementSize(b.dtype);
    return width_a != width_b ? width_a > width_b : a.name < b.name;
  });
  const std::string header = header_of(tensors, notes);
  core::write_file_atomically(path, [&](const core::Sink& sink) {
    sink(little_endian(header.size()));
    sink(header);
    for (const auto& tensor : tensors) {
      const at::Tensor value = tensor.get().detach().to(at::kCPU, tensor.dtype).contiguous();
      ATTUNE_ASSERT(value.sizes().equals(tensor.shape));
      sink({static_cast<const char*>(value.const_data_ptr()), static_cast<std::size_t>(tensor.bytes())});
    }
  });
}

void write_weight_files(const std::string& folder, std::vector<TensorToWrite> tensors,
                        std::int64_t shard_bytes) {
  std::vector<std::vector<TensorToWrite>> shards(1);
  std::int64_t total = 0, in_shard = 0;
  for (auto& tensor : tensors) {
    const std::int64_t bytes = tensor.bytes();
    if (!shards.back().empty() && in_shard + bytes > shard_bytes) {
      shards.emplace_back();
      in_shard = 0;
    }
    in_shard += bytes;
    total += bytes;
    shards.back().push_back(std::move(tensor));
  }
  if (shards.size() == 1)
    return write_safetensors(core::join_path(folder, "model.safetensors"), std::move(shards[0]));
  core::Json index;
  index["metadata"]["total_size"] = total;
  core::Json map = core::Json::object();
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    for (const auto& tensor : shards[i]) map.get_ref<core::Json::object_t&>().emplace_back(tensor.name, name);
    write_safetensors(core::join_path(folder, name), std::move(shards[i]));
  }
  index["weight_map"] = std::move(map);
  core::write_file_atomically(core::join_path(folder, "model.safetensors.index.json"), index.dump(2) + "\n");
}

}  // namespace attune::model
