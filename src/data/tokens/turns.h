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
std::string split_text(const DataOptions& options);

/// Tokenises an example, or as many as data.turns makes of it, and visits each with its outcome.
/// @param tokenize (example) → core::Result, with the reason text::kRewritesHistory where auto is to split
/// @return whether it was split
template <class Tokenize, class Visit>
bool for_each_row_of(const record::Example& example, const DataOptions& options, Tokenize&& tokenize,
                     Visit&& visit) {
  const bool may_split = is_conversation(example) && options.turns != "whole";
  if (!may_split || options.turns == "auto") {
    auto tokens = tokenize(example);
    if (!may_split || tokens.ok() || tokens.error().reason != text::kRewritesHistory) {
      visit(example, std::move(tokens));
      return false;
    }
  }
  const auto turns = one_for_each_turn(example);
  for (const record::Example& turn : turns) visit(turn, tokenize(turn));
  if (turns.empty()) visit(example, tokenize(example));
  return !turns.empty();
}

}  // namespace attune::data
