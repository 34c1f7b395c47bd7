// A request while it is put into our words.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithm/method.h"
#include "cli/foreign/guide.h"
#include "cli/foreign/translate.h"
#include "core/config/fields.h"
#include "core/config/truth.h"
#include "core/config/value.h"
#include "record/example.h"

namespace attune::cli {

class ForeignReader {
 public:
  /// @param request, fields outlive the reader
  ForeignReader(const core::Value& request, const core::Fields& fields)
      : request_(request), fields_(fields) {}

  /// Takes a name as its row says; false when no page has it.
  bool take(const std::string& name, const core::Value& given);
  /// Sets one of ours, dotted; later wins.
  void set(std::string_view ours, core::Value value);
  void set(std::string_view ours, const std::string& text, const core::Value& from);
  /// Sets what a plain name means; two such names of one request that say different things are refused.
  void set_once(const std::string& name, const core::Value& value);
  /// Sets one of ours as it was given, and refuses it likewise beside such a name.
  void set_ours(const std::string& ours, const core::Value& value);
  /// Takes back what was set.
  void drop(std::string_view ours);
  /// What was set from names, latest last.
  const std::vector<Origin>& origins() const { return origins_; }
  /// Puts an entry there as it is.
  void keep(const std::string& key, const core::Value& value) {
    settings_.entries().emplace_back(key, value);
  }
  /// Sets one of ours to what the other program does by itself, unless the request says so under one of
  /// `names` or under ours.
  void set_default(std::string_view ours, const std::string& text, const core::Value& from,
                   std::initializer_list<std::string_view> names);
  /// Learns demonstrations by what the assistant said, where anybody speaks and nothing else is asked for.
  void learn_replies(const core::Value& from) { replies_from_ = from; }
  const core::Value& replies_from() const { return replies_from_; }
  /// A name as it was given alone or in a section, or null; null where it says None.
  const core::Value* given(std::string_view name) const;
  /// Whether one of ours, dotted, is in the request.
  bool given_as_ours(std::string_view ours) const;
  /// Where a key stands in the request, alone or in a section: the later, the greater; -1 for nowhere.
  std::ptrdiff_t order_of(std::string_view key) const;
  /// Whether a name was taken that TRL, transformers or PEFT have.
  bool speaks_trl() const { return speaks_trl_; }
  /// What is set so far.
  const core::Value& settings() const { return settings_; }

  /// @param why "": what the row of the name says
  void refuse(const std::string& name, const core::Value& value, const std::string& why = "");
  /// It has no effect here. @param why "": what the row of the name says
  void note(const std::string& name, const std::string& why = "");
  /// A line about what was read, for the person who asked.
  void remark_on(const std::string& text) { remarks_.push_back(text); }

  /// What was refused, each with its row; `settings` are what remains.
  const std::vector<std::string>& refused() const { return refused_; }
  /// What of ours refused names were to say, and nothing else says.
  std::vector<std::string> unsettled() const;
  /// What had no effect, in one line, and what else there is to say, a line each.
  std::vector<std::string> remarks() const;

 private:
  /// Whether something else of the same file, or another argument, said otherwise, which is then refused.
  bool contradicts(const std::string& ours, const std::string& name, const core::Value& value);
  const core::Value& request_;
  const core::Fields& fields_;
  core::Value settings_ = core::Value::map({}, "the request");
  std::vector<std::string> refused_, meant_;  ///< and what the refused names would have set
  std::vector<std::pair<std::string, std::vector<std::string>>> noted_;  ///< by the reason
  std::vector<std::string> remarks_;
  bool speaks_trl_ = false;
  std::string name_;                   ///< the one that is being read, "" for none
  const core::Value* from_ = nullptr;  ///< and its value
  std::vector<Origin> origins_;
  std::vector<Origin> said_;  ///< what plain names and ours say, each of ours once
  core::Value replies_from_;  ///< null unless they are to be learnt
};

/// Reads one name whose value says more than "the same under another name".
using ReadName = void (*)(ForeignReader& reader, const std::string& name, const core::Value& value);
struct Reading {
  std::string_view name;
  ReadName read;
};
std::span<const Reading> run_readings();
std::span<const Reading> strategy_readings();
std::span<const Reading> data_readings();
std::span<const Reading> dataset_list_readings();
std::span<const Reading> method_readings();
std::span<const Reading> loss_readings();
std::span<const Reading> batch_readings();
std::span<const Reading> prompt_readings();
std::span<const Reading> loss_sum_readings();
std::span<const Reading> token_readings();
std::span<const Reading> epoch_readings();
/// How a name is read, or null where its row says it all.
ReadName reading_of(std::string_view name);

/// What an update learns from, which trainers count in rows, completions or blocks of tokens; once all else is read.
void settle_batch(ForeignReader& reader);
/// How often a thing is done in an epoch, in updates; once the batch is settled.
void settle_epochs(ForeignReader& reader);
/// Refuses special tokens that are not the model folder's; once all else is read.
void settle_tokens(ForeignReader& reader);
/// Refuses what rows do not have: to train on prompts where there are some, on the assistant's words where nobody speaks;
/// once all else is read.
void settle_prompts(ForeignReader& reader);
/// Takes back what is said of an adapter where every weight is trained; once all else is read.
void settle_adapter(ForeignReader& reader);
/// Likelihoods that are added to a loss, and what a trainer does by itself and a loss here does not; once all else is
/// read.
void settle_losses(ForeignReader& reader);

/// The first thousand rows of each of the data sets that are trained on, but not of those that cannot be read, which is
/// said where they are.
struct FirstRows {
  std::vector<record::Example> rows;
  bool all = true;  ///< whether there are no more
};
FirstRows first_rows(const ForeignReader& reader);
/// Where the columns of an entry stand, and which of them are read.
/// @param item as it was given @param entry as {path, split, weight} @param alone the only one of its list
void read_columns_of_entry(ForeignReader& reader, const std::string& name, const core::Value& item,
                           const core::Value& entry, bool alone);
/// The name of the method, by whatever words; null where there is none, or a list.
const core::Value* method_name_of(const ForeignReader& reader);

/// The method that the request names, by whatever words and with the loss that it says; null where it names none, an
/// unknown one, or a list.
std::unique_ptr<algorithm::Method> method_of(const ForeignReader& reader);
/// Whether it is one of those that a trainer of TRL has: "dpo", "grpo".
bool is_of_trainer(const ForeignReader& reader, std::string_view trainer);
/// Whether a method is named, and it is none of that trainer's.
bool is_of_another_trainer(const ForeignReader& reader, std::string_view trainer);
/// Whether the request is neither LLaMA-Factory's nor Axolotl's, by the name that each of these begins with.
bool is_written_for_trl(const ForeignReader& reader);
/// Reads a name that is looked at with others, or once all is known.
inline void read_nothing(ForeignReader&, const std::string&, const core::Value&) {}
/// How an option of methods is read, which some have and others not; null for other names.
ReadName reading_of_option(std::string_view name);

/// Whether the value says that the thing is not wanted: null, any spelling of false, "none", a zero, or
/// empty.
bool is_off(const core::Value& value);
inline bool is_true(const core::Value& value) { return core::truth_of(value) == true; }
/// The text of a scalar, "" of all else.
inline std::string text_of(const core::Value& value) { return value.is_scalar() ? value.text() : ""; }
/// What commas separate in a text, without blanks around it.
std::vector<std::string> parts_of(const std::string& text);
/// The entries of a list, or what is none as one.
std::vector<core::Value> items_of(const core::Value& value);
/// Whether a split's name says that it is to test on.
inline bool is_test_split(const core::Value& split) {
  return text_of(split).find("test") != std::string::npos;
}
/// Whether it is given, and not to say no.
inline bool is_on(const core::Value* value) { return value != nullptr && !is_off(*value); }

}  // namespace attune::cli
