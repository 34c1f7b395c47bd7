#include "data/cache/feedback.h"

#include <cstring>

#include "core/error.h"

namespace attune::data::cache {
namespace {

class Out {
 public:
  explicit Out(std::string& bytes) : bytes_(bytes) {}

  void put(double value) { raw(&value, sizeof value); }
  void put(bool value) { bytes_.push_back(value ? '\1' : '\0'); }
  void put(std::uint32_t value) { raw(&value, sizeof value); }
  void put(const std::string& text) {
    size(text.size());
    bytes_ += text;
  }
  template <class T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  void put(const std::vector<double>& values) {
    size(values.size());
    for (const double value : values) put(value);
  }
  void put(const record::Scores& scores) {
    size(scores.size());
    for (const auto& [name, value] : scores) put(name), put(value);
  }

 private:
  void size(std::size_t count) { put(static_cast<std::uint32_t>(count)); }
  void raw(const void* data, std::size_t count) { bytes_.append(static_cast<const char*>(data), count); }
  std::string& bytes_;
};

class In {
 public:
  explicit In(std::span<const char> bytes) : bytes_(bytes) {}

  void take(double& value) { raw(&value, sizeof value); }
  void take(bool& value) { value = part(1)[0] != '\0'; }
  void take(std::uint32_t& value) { raw(&value, sizeof value); }
  void take(std::string& text) {
    const auto found = part(size());
    text.assign(found.begin(), found.end());
  }
  template <class T>
  void take(std::optional<T>& value) {
    bool given = false;
    take(given);
    if (given) take(value.emplace());
  }
  void take(std::vector<double>& values) {
    values.resize(part(size() * sizeof(double), /*advance=*/false).size() / sizeof(double));
    for (double& value : values) take(value);
  }
  void take(record::Scores& scores) {
    for (std::size_t left = size(); left > 0; --left) {
      std::string name;
      take(name);
      take(scores[name]);
    }
  }

 private:
  std::span<const char> part(std::size_t count, bool advance = true) {
    if (count > bytes_.size()) core::fail_run("the token cache changed while it was read; run again");
    const auto found = bytes_.first(count);
    if (advance) bytes_ = bytes_.subspan(count);
    return found;
  }
  std::size_t size() {
    std::uint32_t count = 0;
    take(count);
    return count;
  }
  void raw(void* data, std::size_t count) { std::memcpy(data, part(count).data(), count); }
  std::span<const char> bytes_;
};

}  // namespace

void append_feedback(std::string& out, const record::Candidate& candidate) {
  Out bytes(out);
  bytes.put(candidate.index);
  bytes.put(candidate.truncated);
  record::visit_feedback(candidate, [&](const char*, const auto& value) { bytes.put(value); });
}

record::Candidate read_feedback(std::span<const char> bytes) {
  In in(bytes);
  record::Candidate candidate;
  in.take(candidate.index);
  in.take(candidate.truncated);
  record::visit_feedback(candidate, [&](const char*, auto& value) { in.take(value); });
  return candidate;
}

}  // namespace attune::data::cache
