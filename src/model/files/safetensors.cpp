#include "model/files/safetensors.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/error.h"
#include "core/json.h"

namespace attune::model {
namespace {

constexpr std::uint64_t kMaxHeader = 100'000'000;

/// Bits of every dtype of the format, rising alignment.
constexpr std::array<std::pair<std::string_view, unsigned>, 22> kBits = {{
    {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
    {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
    {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64},
}};

std::uint64_t read_length(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (int i = 7; i >= 0; --i)
    value = value << 8 | static_cast<std::uint64_t>(bytes[static_cast<std::size_t>(i)]);
  return value;
}

/// Reads one header entry; reports every contradiction with file and tensor.
class EntryReader {
 public:
  EntryReader(const std::string& path, const std::string& name, std::span<const std::byte> data)
      : path_(path), name_(name), data_(data) {}

  StoredTensor read(const core::Json& entry, std::uint64_t& begin, std::uint64_t& end) const {
    if (!entry.is_object()) fail("its header entry is not an object");
    const auto dtype = entry.find("dtype"), shape = entry.find("shape"), offsets = entry.find("data_offsets");
    if (dtype == entry.end() || !dtype->is_string()) fail("it has no dtype");
    if (shape == entry.end() || !shape->is_array()) fail("it has no shape");
    if (offsets == entry.end() || !offsets->is_array() || offsets->size() != 2)
      fail("it has no data_offsets [begin, end]");
    StoredTensor tensor{
        .name = name_, .dtype = dtype->get<std::string>(), .shape = {}, .bytes = {}, .file = path_};
    std::uint64_t bits = bits_of(tensor.dtype);
    for (const auto& item : *shape) {
      const std::uint64_t size = unsigned_of(item, "shape");
      if (__builtin_mul_overflow(bits, size, &bits) || size > std::uint64_t{1} << 62)
        fail("the product of its shape overflows");
      tensor.shape.push_back(static_cast<std::int64_t>(size));
    }
    begin = unsigned_of((*offsets)[0], "data_offsets"), end = unsigned_of((*offsets)[1], "data_offsets");
    if (begin > end) fail(fmt::format("data_offsets [{}, {}] run backwards", begin, end));
    if (bits % 8 != 0) fail("its elements do not fill whole bytes");
    if (end - begin != bits / 8)
      fail(fmt::format("shape {} of {} needs {} bytes, data_offsets give {}", shape_text(tensor.shape),
                       tensor.dtype, bits / 8, end - begin));
    if (end > data_.size())
      fail(fmt::format("its data ends at byte {} of {}: the file is truncated; download or copy it again",
                       end, data_.size()));
    tensor.bytes = data_.subspan(begin, end - begin);
    return tensor;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    core::fail_request("{}: tensor '{}': {}", path_, name_.substr(0, 200), what);
  }
  std::uint64_t bits_of(const std::string& dtype) const {
    for (const auto& [name, bits] : kBits)
      if (name == dtype) return bits;
    fail("unknown dtype '" + dtype.substr(0, 40) + "'");
  }
  std::uint64_t unsigned_of(const core::Json& item, const char* key) const {
    if (!item.is_number_integer() || (!item.is_number_unsigned() && item.get<std::int64_t>() < 0))
      fail(fmt::format("{} holds something that is no non-negative integer", key));
    return item.get<std::uint64_t>();
  }
  const std::string& path_;
  const std::string& name_;
  std::span<const std::byte> data_;
};

void check_metadata(const std::string& path, const core::Json& metadata) {
  const auto is_text = [](const core::Json& value) { return value.is_string(); };
  if (!metadata.is_object() || !std::all_of(metadata.begin(), metadata.end(), is_text))
    core::fail_request("{}: __metadata__ must map strings to strings", path);
}

/// Whether tensors of that shape can exist here: empty ones may have sizes that a header may hold and strides
/// may not.
bool can_be_tensor(std::span<const std::int64_t> shape) {
  constexpr std::size_t kMaxDimensions = 64;  // what operators of libtorch take
  std::int64_t stride = 1;
  for (const std::int64_t size : shape)
    if (__builtin_mul_overflow(stride, std::max<std::int64_t>(size, 1), &stride)) return false;
  return shape.size() <= kMaxDimensions;
}

/// Every byte of the buffer belongs to exactly one tensor.
void check_cover(const std::string& path, std::span<const std::pair<std::uint64_t, std::uint64_t>> ranges,
                 std::span<const StoredTensor> tensors, std::uint64_t size) {
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].first != at)
      core::fail_request(
          "{}: tensor '{}' begins at byte {} of the data, the one before it ends at {}: the header has a {}",
          path, tensors[i].name, ranges[i].first, at, ranges[i].first > at ? "gap" : "overlap");
    at = ranges[i].second;
  }
  if (at != size)
    core::fail_request("{}: the header describes {} bytes of data, the file holds {}: it is damaged", path,
                       at, size);
}

/// Numbers of a tensor that are looked at together: what that takes beside the tensor does not grow with it.
constexpr std::int64_t kLookedAtOnce = std::int64_t{1} << 18;

/// @param raw as stored. @param converted the same in the type that is computed with
void require_finite(const StoredTensor& stored, const at::Tensor& raw, const at::Tensor& converted) {
  // x * 0 is 0 for every finite x and NaN otherwise
  const auto finite = [](const at::Tensor& values) { return (values * 0).sum().eq(0).item<bool>(); };
  if (finite(converted)) return;
  core::fail_request(
      "{}: tensor '{}' holds NaN or infinite values{}: the weights are damaged", stored.file, stored.name,
      finite(raw.to(at::kDouble)) ? " in " + setting_of(converted.scalar_type()) : std::string());
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path) : map_(path) {
  const auto bytes = map_.bytes();
  if (bytes.size() < 8)
    core::fail_request("{}: {} bytes are no safetensors file: it is {}", path, bytes.size(),
                       bytes.empty() ? "empty" : "truncated");
  const std::uint64_t length = read_length(bytes);
  if (length > kMaxHeader)
    core::fail_request("{}: the header claims {} bytes (at most {} are allowed): not a safetensors file",
                       path, length, kMaxHeader);
  if (length > bytes.size() - 8)
    core::fail_request(
        "{}: the header claims {} bytes, the file holds {}: it is truncated; download or copy it again", path,
        length, bytes.size() - 8);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8, length);
  if (text.empty() || text.front() != '{')
    core::fail_request("{}: the header does not start with '{{'", path);
  const auto data = bytes.subspan(8 + length);
  const core::Json header = core::parse_json(text, path + " (header)");
  struct Entry {
    StoredTensor tensor;
    std::pair<std::uint64_t, std::uint64_t> range;
  };
  std::vector<Entry> entries;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      check_metadata(path, entry);
      notes_ = entry.get<std::map<std::string, std::string>>();
      continue;
    }
    Entry read;
    read.tensor = EntryReader(path, name, data).read(entry, read.range.first, read.range.second);
    entries.push_back(std::move(read));
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.range < b.range; });
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (auto& entry : entries) {
    ranges.push_back(entry.range);
    tensors_.push_back(std::move(entry.tensor));
  }
  check_cover(path, ranges, tensors_, data.size());
}

at::ScalarType StoredTensor::loadable_type() const {
  const auto type = scalar_type_of(dtype);
  if (!type || !at::isFloatingType(*type))
    core::fail_request(
        "{}: tensor '{}' is stored as {}: only F32, BF16, F16, F64 (and F8) weights can be read; quantised "
        "files are not supported",
        file, name, dtype);
  if (!can_be_tensor(shape))
    core::fail_request("{}: tensor '{}': its shape {} is beyond what can be computed with", file,
                       name.substr(0, 200), shape_text(shape).substr(0, 200));
  return *type;
}

at::Tensor StoredTensor::load(at::ScalarType target) const {
  const at::Tensor raw = at::empty(shape, at::TensorOptions().dtype(loadable_type()));
  if (!bytes.empty()) std::memcpy(raw.mutable_data_ptr(), bytes.data(), bytes.size());
  const at::Tensor out = raw.to(target);
  const at::Tensor values = out.flatten(), stored = raw.flatten();
  for (std::int64_t at = 0; at < values.numel(); at += kLookedAtOnce)
    require_finite(*this, stored.slice(0, at, at + kLookedAtOnce), values.slice(0, at, at + kLookedAtOnce));
  return out;
}

void StoredTensor::check(at::ScalarType target) const {
  const at::ScalarType type = loadable_type();
  const std::size_t width = c10::elementSize(type), part = static_cast<std::size_t>(kLookedAtOnce) * width;
  for (std::size_t at = 0; at < bytes.size(); at += part) {
    const auto some = bytes.subspan(at, std::min(part, bytes.size() - at));
    const at::Tensor raw =
        at::empty({static_cast<std::int64_t>(some.size() / width)}, at::TensorOptions().dtype(type));
    std::memcpy(raw.mutable_data_ptr(), some.data(), some.size());
    require_finite(*this, raw, raw.to(target));
  }
}

}  // namespace attune::model
