#include "data/options.h"

#include <fmt/format.h>

#include "data/rows/file/source_files.h"

namespace attune::data {

void DataOptions::declare(core::Fields& fields) {
  fields
      .add("path", path,
           "File or folder (jsonl, json, csv, tsv, txt; also .gz, .zst), or a list of these, each with a "
           "weight if wanted: [{path: a.jsonl, weight: 2}, b.jsonl].")
      .shown_type("file, folder or list");
  fields.add(
      "split", split,
      "The split of a folder: train, validation, test, or a file's own name such as train_prefs; also a "
      "part of one: train[:90%], train[-500:]. Default: train where there is one.");
  fields.add(
      "field", field,
      "Of a JSON file that is one object: the member that holds the rows (rows, results.items). Found out "
      "where one can.");
  fields.add("format", format, "The data format (`attune list formats`); auto recognises it by the columns.");
  fields.add("columns", columns, "Names of columns, ours first: {prompt: question, completion: answer}.")
      .shown_type("map of names");
  fields.add("limit", limit, "Reads no more rows than this; 0 reads all.").non_negative();
  fields.add("shuffle", shuffle, "Whether training sees the rows in a new order every epoch.");
  fields
      .add("on_error", on_error, "Malformed rows: fail names the first five and stops, skip leaves them out.")
      .one_of({"fail", "skip"});
  fields.add("truncation", truncation, "Which end of a sequence over max_length is kept.")
      .one_of({"keep_start", "keep_end"})
      .alias("truncation_mode");
  fields
      .add("max_length", max_length, "Longest sequence in tokens, prompt included; 0 is the model's context.")
      .non_negative()
      .optional();
  fields
      .add("max_prompt_length", max_prompt_length, "Longest prompt in tokens, cut from its start; 0 is any.")
      .non_negative()
      .optional();
  fields.add("append_eos", append_eos, "Whether plain completions and texts get an end-of-sequence token.");
  fields
      .add("assistant_only", assistant_only,
           "Of conversations, train on what the assistant said and on nothing else.")
      .alias("assistant_only_loss");
  fields
      .add(
          "turns", turns,
          "What a conversation becomes: whole, one row; split, a row for each assistant turn, trained on "
          "that turn after the history as the chat template writes it then; auto splits where assistant_only "
          "asks for the assistant's words and the template writes earlier turns differently once others "
          "follow, or refuses a beginning of the conversation.")
      .one_of({"auto", "whole", "split"});
  fields.add("teacher_system", teacher_system,
             "What a teacher reads before the prompt: a system message, or text before a plain prompt.");
}

bool DataOptions::given() const { return !(path.is_null() || path.empty() || path == ""); }

std::string DataOptions::name() const {
  const auto entries = source_entries(*this);
  if (entries.empty()) return "data";
  if (entries.size() == 1) return entries[0].path;
  return fmt::format("{} and {} more", entries[0].path, entries.size() - 1);
}

}  // namespace attune::data
