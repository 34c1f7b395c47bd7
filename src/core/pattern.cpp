#include "core/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "core/error.h"
#include "core/owned.h"

namespace attune::core {
namespace {

constexpr std::uint32_t kHeapLimitKilobytes = 64 << 10;

std::string message_of(int code) {
  std::array<PCRE2_UCHAR, 160> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

/// As much of a pattern as a message repeats, in whole characters.
std::string shown(const std::string& pattern) {
  std::size_t end = 200;
  if (pattern.size() <= end) return pattern;
  while (end > 0 && (static_cast<unsigned char>(pattern[end]) & 0xC0) == 0x80) --end;
  return pattern.substr(0, end) + "…";
}

}  // namespace

struct Pattern::Code {
  Owned<pcre2_code, pcre2_code_free> compiled;
  Owned<pcre2_match_data, pcre2_match_data_free> data;
  Owned<pcre2_match_context, pcre2_match_context_free> context;
};

Pattern::Pattern(std::string pattern, std::string where, Limits limits)
    : pattern_(std::move(pattern)), where_(std::move(where)), code_(std::make_unique<Code>()) {
  int error = 0;
  PCRE2_SIZE at = 0;
  const std::uint32_t options =
      PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | (limits.ignore_case ? PCRE2_CASELESS : 0U);
  code_->compiled.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern_.data()), pattern_.size(), options,
                                      &error, &at, nullptr));
  if (!code_->compiled) {
    fail_request("{}: the pattern '{}' is malformed at byte {}: {}", where_, shown(pattern_), at + 1,
                 message_of(error));
  }
  code_->data.reset(pcre2_match_data_create_from_pattern(code_->compiled.get(), nullptr));
  code_->context.reset(pcre2_match_context_create(nullptr));
  ATTUNE_ASSERT(code_->data && code_->context);
  pcre2_set_match_limit(code_->context.get(), limits.steps);
  pcre2_set_heap_limit(code_->context.get(), kHeapLimitKilobytes);
}

Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;

int Pattern::run(std::string_view text, Part part) const {
  const std::uint32_t options = part == Part::kWhole ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0U;
  return pcre2_match(code_->compiled.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0,
                     options, code_->data.get(), code_->context.get());
}

Pattern::Found Pattern::match(std::string_view text, Part part) const {
  const int result = run(text, part);
  if (result >= 0) return Found::kYes;
  return result == PCRE2_ERROR_NOMATCH ? Found::kNo : Found::kGaveUp;
}

bool Pattern::matches(std::string_view text, Part part) const {
  const int result = run(text, part);
  if (result < 0 && result != PCRE2_ERROR_NOMATCH)
    fail_request("{}: the pattern '{}' cannot be matched: {}", where_, shown(pattern_), message_of(result));
  return result >= 0;
}

}  // namespace attune::core
