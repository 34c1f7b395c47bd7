#include "record/finish_reason.h"

#include <map>

#include "core/ascii.h"

namespace attune::record {
namespace {

const std::map<std::string, Ending, std::less<>>& endings() {
  using enum Ending;
  static const std::map<std::string, Ending, std::less<>> all = {
      {"stop", kOwn},
      {"stopped", kOwn},
      {"eos", kOwn},
      {"eos_token", kOwn},
      {"eos_found", kOwn},
      {"end_of_text", kOwn},
      {"end_turn", kOwn},
      {"stop_sequence", kOwn},
      {"stop_token", kOwn},
      {"stop_word", kOwn},
      {"word", kOwn},
      {"complete", kOwn},
      {"completed", kOwn},
      {"finish", kOwn},
      {"finished", kOwn},
      {"done", kOwn},
      {"tool_call", kOwn},
      {"tool_calls", kOwn},
      {"tool_use", kOwn},
      {"function_call", kOwn},
      {"refusal", kOwn},
      {"length", kLimit},
      {"limit", kLimit},
      {"max_length", kLimit},
      {"length_capped", kLimit},
      {"max_tokens", kLimit},
      {"max_new_tokens", kLimit},
      {"max_output_tokens", kLimit},
      {"max_completion_tokens", kLimit},
      {"max_tokens_reached", kLimit},
      {"token_limit", kLimit},
      {"token_limit_reached", kLimit},
      {"model_length", kLimit},
      {"context_length", kLimit},
      {"context_length_exceeded", kLimit},
      {"model_context_window_exceeded", kLimit},
      {"error_limit", kLimit},
      {"truncated", kLimit},
      {"incomplete", kLimit},
      {"content_filter", kBrokenOff},
      {"content_filtered", kBrokenOff},
      {"guardrail_intervened", kBrokenOff},
      {"safety", kBrokenOff},
      {"recitation", kBrokenOff},
      {"language", kBrokenOff},
      {"blocklist", kBrokenOff},
      {"prohibited_content", kBrokenOff},
      {"spii", kBrokenOff},
      {"malformed_function_call", kBrokenOff},
      {"abort", kBrokenOff},
      {"aborted", kBrokenOff},
      {"cancel", kBrokenOff},
      {"cancelled", kBrokenOff},
      {"canceled", kBrokenOff},
      {"user_cancel", kBrokenOff},
      {"pause_turn", kBrokenOff},
      {"timeout", kBrokenOff},
      {"time_limit", kBrokenOff},
      {"error", kBrokenOff},
      {"error_toxic", kBrokenOff},
      {"failed", kBrokenOff},
      {"other", kBrokenOff},
  };
  return all;
}

}  // namespace

Ending ending_of(std::string_view finish_reason) {
  std::string word = core::snake_case(core::trimmed(finish_reason));
  word = word.substr(word.rfind('.') + 1);
  constexpr std::string_view kPrefix = "finish_reason_";
  if (word.starts_with(kPrefix)) word = word.substr(kPrefix.size());
  const auto found = endings().find(word);
  return found == endings().end() ? Ending::kUnknown : found->second;
}

}  // namespace attune::record
