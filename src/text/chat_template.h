// Chat templates of model folders: from messages to the text that the model reads, and which parts of it the
// assistant said. Follows transformers' `apply_chat_template`.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "text/jinja/template.h"
#include "text/text_span.h"

namespace attune::text {

/// A rendered conversation with the parts that the assistant wrote.
struct RenderedChat {
  std::string text;
  /// What the assistant said, in order, not overlapping. Empty when `mask_problem` is set.
  std::vector<TextSpan> assistant_spans;
  /// Why no spans could be found although the text is fine: the template has no `{% generation %}` blocks and
  /// writes earlier turns differently once later ones follow, so differences between prefixes do not show who
  /// wrote what.
  std::optional<core::ItemError> mask_problem;
  /// Earlier turns are not written as they were when they were the last ones (thinking is left out of them,
  /// tools move to the last question …), or an answer does not begin where its own prompt ends. A
  /// conversation is then several texts, one for each answer.
  bool rewrites_history = false;
};

/// The reason of mask problems for which `rewrites_history` is true.
inline constexpr const char* kRewritesHistory =
    "the chat template writes earlier turns differently once others follow";

/// The reason of mask problems where a beginning of the conversation is refused although the whole is not: a
/// template that wants a user's message first, say.
inline constexpr const char* kRefusesPart = "the chat template refuses a part of the conversation";

/// Members of a message that hold what an assistant thought. A template reads one or the other, so that all
/// are given to it, as transformers does.
inline constexpr const char* kReasoningFields[] = {"reasoning_content", "thinking", "reasoning"};

/// The chat template(s) of one model with the special tokens that they see. Immutable; usable from several
/// threads.
class ChatTemplate {
 public:
  /// What a caller may set besides the messages; names as in transformers.
  struct Options {
    /// End with the opening of an assistant message, ready for an answer.
    bool add_generation_prompt = false;
    /// Cut the text right after the last message's content, so that the model goes on with that message.
    bool continue_final_message = false;
    /// List of tool descriptions (JSON schemas), or null.
    core::Json tools;
    /// List of documents, or null.
    core::Json documents;
    /// Object of further variables (`chat_template_kwargs`, e.g. {"enable_thinking": false}), or null. They
    /// win over special tokens of the same name.
    core::Json extra;
  };

  /// Finds the template of a model folder. First found wins: chat_template.jinja (named extras in
  /// additional_chat_templates/<name>.jinja), `chat_template` in tokenizer_config.json (a string, or a list
  /// of {"name", "template"}), chat_template.json. Empty if the folder has none. Special tokens come from
  /// tokenizer_config.json and special_tokens_map.json.
  /// @throws Error{kRequest} if a file is malformed or a template has a syntax error.
  static std::optional<ChatTemplate> load(const std::string& model_folder);

  /// @param name names the template in messages.
  /// @param special_tokens e.g. {"bos_token": "<s>"}; the template sees them as variables.
  static ChatTemplate from_source(std::string source, std::string name,
                                  std::map<std::string, std::string> special_tokens);

  /// @param messages list of {"role", "content", …} objects. What a message must have is up to the template.
  /// @throws Error{kRequest}: messages are not a list of objects, the template refused them (raise_exception,
  /// a
  ///   missing field, …), a bound of the interpreter was hit, or the final message does not show in the text
  ///   (continue_final_message).
  std::string render(const core::Json& messages, const Options& options) const;
  std::string render(const core::Json& messages) const { return render(messages, Options()); }

  /// As `render`, with the spans of what the assistant wrote: from `{% generation %}` blocks if the template
  /// has them, else by differencing: the text of the messages up to an assistant message, with the generation
  /// prompt, must be a prefix of the text up to and including it, which must be a prefix of the whole text
  /// (or agree with it up to an end that depends on being last). The difference is what the assistant said,
  /// its closing token included. Costs two renderings per assistant message; a conversation for which that is
  /// unreasonably long has a mask_problem instead.
  RenderedChat render_with_masks(const core::Json& messages, const Options& options) const;
  RenderedChat render_with_masks(const core::Json& messages) const {
    return render_with_masks(messages, Options());
  }

  /// True if the default template has `{% generation %}` blocks.
  bool has_generation_blocks() const;
  /// Source of the template used when no tools are given.
  const std::string& source() const;
  /// Variables that the template sees for special tokens: {"bos_token": "<s>", …}.
  const std::map<std::string, std::string>& special_tokens() const { return special_tokens_; }

 private:
  struct Variant {
    std::string source;
    JinjaTemplate program;
  };
  ChatTemplate() = default;
  void add_variant(const std::string& name, std::string source, std::string where);
  const Variant& choose(const core::Json& tools) const;
  JinjaTemplate::Rendered run(const core::Json& messages, const Options& options) const;
  JinjaTemplate::Rendered render_prepared(core::Json messages, const Options& options) const;
  void add_differences(const core::Json& messages, const Options& options, RenderedChat& out) const;
  bool rewrites_history(const core::Json& messages, const Options& options, std::string_view whole) const;
  std::size_t common_end(std::string_view shown, std::string_view whole) const;
  bool special_token_at(std::string_view text, std::size_t at) const;

  std::map<std::string, Variant> variants_;  // "default", "tool_use", …
  std::map<std::string, std::string> special_tokens_;
};

}  // namespace attune::text
