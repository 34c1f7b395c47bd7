// Conversations that are trained on turn by turn.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "data/options.h"
#include "record/example.h"
#include "text/chat_template.h"

namespace attune::data {

/// Whether an example is one conversation that is learned from, or one that goes on from its prompt for
/// several messages.
bool is_conversation(const record::Example& example);

/// An example for each assistant turn: what stands before it is the prompt, it is the completion. Nothing
/// where the assistant says nothing.
std::vector<record::Example> one_for_each_turn(const record::Example& example);

/// How data.turns=… is said in counts: "a row for each assistant turn", with the reason where it was chosen
/// by itself.
std::string split_text(const DataOptions& options, const std::string& reason);

/// Whether a conversation that is no row for this reason is several, one for each assistant turn.
bool asks_for_split(const core::ItemError& error);

/// Tokenises an example, or as many as data.turns makes of it, and visits each with its outcome.
/// @param tokenize (example) → core::Result, with a reason that asks_for_split() where auto is to split
/// @return how it was split (split_text), "" where it was not
template <class Tokenize, class Visit>
std::string for_each_row_of(const record::Example& example, const DataOptions& options, Tokenize&& tokenize,
                            Visit&& visit) {
  const bool may_split = is_conversation(example) && options.turns != "whole";
  std::string reason;
  if (!may_split || options.turns == "auto") {
    auto tokens = tokenize(example);
    if (!may_split || tokens.ok() || !asks_for_split(tokens.error())) {
      visit(example, std::move(tokens));
      return "";
    }
    reason = tokens.error().reason;
  }
  const auto turns = one_for_each_turn(example);
  for (const record::Example& turn : turns) visit(turn, tokenize(turn));
  if (turns.empty()) visit(example, tokenize(example));
  return turns.empty() ? "" : split_text(options, reason);
}

}  // namespace attune::data
