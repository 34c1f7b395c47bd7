#include "text/tokenizer/stage/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include "core/error.h"
#include "core/owned.h"

namespace attune::text {
namespace {

// Bounds on one call: enough for every sane pattern on megabytes of text, small enough to end within seconds.
constexpr std::uint32_t kMatchLimit = 50'000'000;
// A search looks at so many start positions at a time, which takes microseconds with a sane pattern. What
// takes longer adds up, and is stopped: failing at every position of a long text is quadratic.
constexpr std::size_t kWindow = 4096;
constexpr std::chrono::milliseconds kSlowWindow{50}, kSlowTotal{3'000};
constexpr std::size_t kJitStackStart = 32 << 10, kJitStackMax = 16 << 20;

std::string error_text(int code) {
  PCRE2_UCHAR buffer[160] = {};
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

/// Of this thread: a busy machine must not look like a bad pattern.
std::chrono::nanoseconds processor_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

struct RegexScratch::Memory {
  core::Owned<pcre2_match_data, pcre2_match_data_free> data{pcre2_match_data_create(1, nullptr)};
  core::Owned<pcre2_match_context, pcre2_match_context_free> context{pcre2_match_context_create(nullptr)};
  core::Owned<pcre2_jit_stack, pcre2_jit_stack_free> stack{
      pcre2_jit_stack_create(kJitStackStart, kJitStackMax, nullptr)};
  std::chrono::nanoseconds slow{};
  std::size_t longest = std::size_t{256} << 20;  // until begin_text says better
  Memory() {
    ATTUNE_ASSERT(data && context);
    pcre2_set_match_limit(context.get(), kMatchLimit);
    if (stack) pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }
};

void fail_growth(std::size_t limit) {
  core::fail_request(
      "the rules of the tokenizer make this text longer than {} bytes, which no usable tokenizer does: its "
      "tokenizer.json is damaged or hostile",
      limit);
}

RegexScratch::RegexScratch() : memory_(std::make_unique<Memory>()) {}
void RegexScratch::begin_text(std::size_t bytes) {
  memory_->slow = {};
  memory_->longest = text_growth_limit(bytes);
}
void RegexScratch::check_growth(std::size_t bytes) const {
  if (bytes > memory_->longest) fail_growth(memory_->longest);
}
RegexScratch::~RegexScratch() = default;
RegexScratch::RegexScratch(RegexScratch&&) noexcept = default;
RegexScratch& RegexScratch::operator=(RegexScratch&&) noexcept = default;

struct Regex::Code {
  core::Owned<pcre2_code, pcre2_code_free> compiled;
  bool has_jit = false;
  std::string where;
};

Regex::Regex(std::string_view pattern, const std::string& where) : code_(std::make_unique<Code>()) {
  const std::string translated = to_pcre2(pattern, where);
  core::Owned<pcre2_compile_context, pcre2_compile_context_free> context{
      pcre2_compile_context_create(nullptr)};
  // Ruby's ^ and $ match at every line, and a line ends at \n alone.
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE at = 0;
  code_->where = where;
  code_->compiled.reset(pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT, &error, &at,
      context.get()));
  if (!code_->compiled) {
    core::fail_request("{}: the pattern {} cannot be used: {} (at byte {} of {})", where, pattern,
                       error_text(error), at, translated);
  }
  code_->has_jit = pcre2_jit_compile(code_->compiled.get(), PCRE2_JIT_COMPLETE) == 0;
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

bool Regex::find(std::string_view text, std::size_t from, RegexScratch& scratch, Match& match) const {
  auto& memory = *scratch.memory_;
  const auto fail = [&](std::string_view why) {
    core::fail_request("{}: the pattern cannot be matched against this text of {} bytes: {}", code_->where,
                       text.size(), why);
  };
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const auto* code = code_->compiled.get();
  std::chrono::nanoseconds before{};
  for (std::size_t start = from;;) {
    // The window ends at the start of a character.
    std::size_t last = std::min(text.size(), start + kWindow);
    while (last < text.size() && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) ++last;
    pcre2_set_offset_limit(memory.context.get(), last);
    const int found = code_->has_jit ? pcre2_jit_match(code, subject, text.size(), start, 0,
                                                       memory.data.get(), memory.context.get())
                                     : pcre2_match(code, subject, text.size(), start, PCRE2_NO_UTF_CHECK,
                                                   memory.data.get(), memory.context.get());
    if (found >= 0) break;
    if (found != PCRE2_ERROR_NOMATCH) fail(error_text(found));
    if (last == text.size()) return false;
    // Most searches end in their first window: only after it is the time taken at all.
    const auto now = processor_time();
    const auto taken = start == from ? std::chrono::nanoseconds{} : now - before;
    if (taken > kSlowWindow && (memory.slow += taken) > kSlowTotal) fail("it takes too long");
    before = now;
    start = last;
  }
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(memory.data.get());
  match = {std::min(bounds[0], bounds[1]), bounds[1]};
  return true;
}

}  // namespace attune::text
