#include "feedback/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/error.h"
#include "core/owned.h"

namespace attune::feedback {
namespace {

/// Steps of one match: milliseconds, plenty for patterns that do not explode.
constexpr std::uint32_t kMatchLimit = 1'000'000;
constexpr std::uint32_t kHeapLimitKilobytes = 64 << 10;

}  // namespace

struct Pattern::Code {
  core::Owned<pcre2_code, pcre2_code_free> compiled;
  core::Owned<pcre2_match_data, pcre2_match_data_free> data;
  core::Owned<pcre2_match_context, pcre2_match_context_free> context;
};

Pattern::Pattern(const std::string& pattern, bool ignore_case, const std::string& where)
    : code_(std::make_unique<Code>()) {
  int error = 0;
  PCRE2_SIZE at = 0;
  const std::uint32_t options =
      PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | (ignore_case ? PCRE2_CASELESS : 0U);
  code_->compiled.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options,
                                      &error, &at, nullptr));
  if (!code_->compiled) {
    PCRE2_UCHAR message[160] = {};
    pcre2_get_error_message(error, message, sizeof message);
    core::fail_request("{}: the pattern '{}' is malformed at character {}: {}", where, pattern, at + 1,
                       reinterpret_cast<const char*>(message));
  }
  code_->data.reset(pcre2_match_data_create_from_pattern(code_->compiled.get(), nullptr));
  code_->context.reset(pcre2_match_context_create(nullptr));
  ATTUNE_ASSERT(code_->data && code_->context);
  pcre2_set_match_limit(code_->context.get(), kMatchLimit);
  pcre2_set_heap_limit(code_->context.get(), kHeapLimitKilobytes);
}

Pattern::~Pattern() = default;

Pattern::Found Pattern::match(std::string_view text, bool whole) const {
  const std::uint32_t options = whole ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0U;
  const int result = pcre2_match(code_->compiled.get(), reinterpret_cast<PCRE2_SPTR>(text.data()),
                                 text.size(), 0, options, code_->data.get(), code_->context.get());
  if (result >= 0) return Found::kYes;
  return result == PCRE2_ERROR_NOMATCH ? Found::kNo : Found::kGaveUp;
}

}  // namespace attune::feedback
