// safetensors files: a checked, mapped reader and a writer in the reference writer's order.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/files/files.h"

namespace attune::model {

/// One tensor as it lies in a mapped file. Valid while the file's reader lives.
struct StoredTensor {
  std::string name;
  std::string dtype;  ///< "F32", "BF16", …
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
  std::string file;  ///< for messages

  /// A copy in `dtype`, on the CPU, contiguous. @throws Error{kRequest} naming tensor and file when the
  /// stored dtype is no floating-point type, or a value is NaN or infinite.
  at::Tensor load(at::ScalarType dtype) const;
  /// Whether load() would give the tensor: reads it in parts. @throws Error{kRequest} as load() does
  void check(at::ScalarType dtype) const;

 private:
  at::ScalarType loadable_type() const;
};

/// A mapped safetensors file whose header has passed every check.
class SafetensorsFile {
 public:
  /// @throws Error{kRequest} naming the file and what is wrong: too short, header length beyond the file or
  /// 100 MB, bad JSON, duplicate names, unknown dtype, sizes that contradict shapes, gaps, overlaps,
  /// truncated data.
  explicit SafetensorsFile(const std::string& path);
  const std::vector<StoredTensor>& tensors() const { return tensors_; }       ///< in the order of the data
  const std::map<std::string, std::string>& notes() const { return notes_; }  ///< of __metadata__

 private:
  core::MappedFile map_;
  std::vector<StoredTensor> tensors_;
  std::map<std::string, std::string> notes_;
};

/// The weights of a folder: one file or shards behind an index.
class WeightFiles {
 public:
  /// Looks for `single` ("model.safetensors"), then for its index. @throws Error{kRequest}: neither there
  /// (pickle files are named and refused), an index that leads out of the folder, names a missing file or a
  /// tensor that is not in it.
  WeightFiles(const std::string& folder, const std::string& single);
  explicit WeightFiles(const std::string& file);
  const StoredTensor* find(const std::string& name) const;  ///< null when absent
  const std::vector<std::string>& names() const { return names_; }
  const std::string& where() const { return where_; }  ///< the file or the index, for messages

 private:
  void add(const std::string& path, const std::vector<std::string>* only);
  void open_index(const std::string& folder, const std::string& index);
  std::string where_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::unordered_map<std::string, const StoredTensor*> tensors_;
  std::vector<std::string> names_;
};

/// A tensor to be written. `get` is called when its bytes are due, so that conversions happen one at a time.
struct TensorToWrite {
  std::string name;
  at::ScalarType dtype;
  std::vector<std::int64_t> shape;
  std::function<at::Tensor()> get;
  std::int64_t bytes() const;
};

/// Writes one file atomically, metadata {"format": "pt"} and `notes`, tensors sorted by dtype width (largest
/// first), then name.
void write_safetensors(const std::string& path, std::vector<TensorToWrite> tensors,
                       const std::map<std::string, std::string>& notes = {});

/// Writes `model.safetensors`, or shards with an index when the tensors exceed `shard_bytes` (in the order
/// given).
void write_weight_files(const std::string& folder, std::vector<TensorToWrite> tensors,
                        std::int64_t shard_bytes);

/// "F32" ↔ at::kFloat. Empty when there is no such type.
std::optional<at::ScalarType> scalar_type_of(std::string_view dtype);
std::string_view dtype_name(at::ScalarType type);
/// "float32" ↔ at::kFloat, as config.json and settings spell it. @throws Error{kRequest} for anything else.
at::ScalarType scalar_type_from_setting(const std::string& name);
std::string setting_of(at::ScalarType type);

/// [2, 3] for messages.
std::string shape_text(std::span<const std::int64_t> shape);

}  // namespace attune::model
