#include "data/tokens/watch/trained_watch.h"

#include "data/rows/column/columns.h"
#include "data/tokens/conversation/end_token.h"

namespace attune::data {
namespace {

/// A message that another program would not train on.
bool asks_to_be_left(const core::Json& message) {
  for (const char* name : {"weight", "train"}) {
    if (!has_column(message, name)) continue;
    const core::Json& value = message.at(name);
    if (value == false || (value.is_number() && value == 0)) return true;
  }
  return false;
}

void look_at_turns(const record::Example& example, const core::Json& completion, const DataOptions& options,
                   const std::string& where, Noticed& noticed) {
  for (const auto& message : completion) {
    const std::string role = message.value("role", "");
    if (asks_to_be_left(message))
      noticed.add("a message with \"weight\" 0 or \"train\" false is read like any other", where);
    if (role == "assistant" || example.language_modelling || options.assistant_only) continue;
    noticed.add(fmt::format("a completion holds a turn of the role \"{}\", which is trained on as well "
                            "(data.assistant_only=true leaves it out)",
                            role),
                where);
  }
}

bool brings_an_end(const core::Json& messages, const TextCodec& codec) {
  return messages.is_array() && codec.chat_template && without_own_ends(messages, codec) != messages;
}

}  // namespace

void notice_trained(const record::Example& example, const TextCodec& codec, const DataOptions& options,
                    const std::string& where, Noticed& noticed) {
  bool template_ends = brings_an_end(example.prompt, codec), text_ends = false;
  const std::string end = options.append_eos ? end_text(codec) : "";
  for (const record::Candidate& candidate : example.candidates) {
    const core::Json& said = candidate.completion;
    if (said.is_array()) {
      look_at_turns(example, said, options, where, noticed);
      template_ends = template_ends || brings_an_end(said, codec);
    } else if (said.is_string() && !record::was_cut(candidate)) {
      const auto& text = said.get_ref<const std::string&>();
      text_ends = text_ends || with_one_end(text, end).size() != text.size();
    }
  }
  if (template_ends)
    noticed.add("an answer ends in the token that the chat template puts behind it, which is read once",
                where);
  if (text_ends)
    noticed.add("a text ends in several end tokens, or in one with blanks behind, and is read with one",
                where);
}

}  // namespace attune::data
