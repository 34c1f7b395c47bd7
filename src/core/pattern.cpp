#include "core/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/error.h"
#include "core/owned.h"

namespace attune::core {
namespace {

constexpr std::uint32_t kHeapLimitKilobytes = 64 << 10;
constexpr std::size_t kShown = 200;  // bytes of a pattern that a message repeats

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
    PCRE2_UCHAR message[160] = {};
    pcre2_get_error_message(error, message, sizeof message);
    fail_request("{}: the pattern '{}' is malformed at character {}: {}", where_, pattern_.substr(0, kShown),
                 at + 1, reinterpret_cast<const char*>(message));
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

Pattern::Found Pattern::match(std::string_view text, Part part) const {
  const std::uint32_t options = part == Part::kWhole ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0U;
  const int result = pcre2_match(code_->compiled.get(), reinterpret_cast<PCRE2_SPTR>(text.data()),
                                 text.size(), 0, options, code_->data.get(), code_->context.get());
  if (result >= 0) return Found::kYes;
  return result == PCRE2_ERROR_NOMATCH ? Found::kNo : Found::kGaveUp;
}

bool Pattern::matches(std::string_view text, Part part) const {
  const Found found = match(text, part);
  if (found == Found::kGaveUp)
    fail_request(
        "{}: the pattern '{}' cannot be matched against '{}': it would try too many ways; simplify it",
        where_, pattern_.substr(0, kShown), text.substr(0, kShown));
  return found == Found::kYes;
}

}  // namespace attune::core
