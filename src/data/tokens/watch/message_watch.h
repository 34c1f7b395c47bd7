// What a chat template leaves out of conversations, and what it adds to them: nobody sees it in a loss.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "data/noticed.h"
#include "data/tokens/codec.h"
#include "record/example.h"

namespace attune::data {

/// Looks at conversations as they were rendered. Whether a kind of message shows is found out by putting a
/// word into it that stands nowhere else; once it has shown, its texts are looked for, which costs nothing.
class MessageWatch {
 public:
  explicit MessageWatch(const TextCodec& codec) : codec_(codec) {}

  /// @param rendered the text of the prompt with the first of the completions, or of the prompt alone; "" where
  /// no template made it
  void look(const record::Example& example, const std::string& rendered, const std::string& where,
            Noticed& noticed);

 private:
  struct Conversation;
  std::string rendering(const core::Json& messages, const text::ChatTemplate::Options& options) const;
  void look_at(const Conversation& conversation, Noticed& noticed);
  bool shows(const std::string& kind, const Conversation& conversation, core::Json changed);
  void look_at_message(const Conversation& conversation, std::size_t i, std::size_t& at, Noticed& noticed);
  void look_at_calls(const Conversation& conversation, std::size_t i, Noticed& noticed);
  void look_at_old_call(const Conversation& conversation, std::size_t i, Noticed& noticed);
  void look_at_thoughts(const Conversation& conversation, std::size_t i, Noticed& noticed);
  void look_at_tools(const Conversation& conversation, Noticed& noticed);
  void look_at_beginning(const Conversation& conversation, Noticed& noticed);

  const TextCodec& codec_;
  std::set<std::string> shown_, hidden_;  ///< kinds of messages that have been seen to show, and not to
  std::int64_t trials_ = 0;
  std::string added_;  ///< the beginning of the system text that the template brought, as first seen
};

}  // namespace attune::data
