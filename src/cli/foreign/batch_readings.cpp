// How much an update learns from. Trainers count rows of their own making: completions of a group, both sides of a pair
// where a method learns from labels; and each process counts for itself.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "cli/foreign/reader.h"

namespace attune::cli {
namespace {

using core::Value;

/// What TRL takes where nothing is said.
constexpr std::int64_t kRows = 8, kGenerations = 8, kLength = 1024;

const Value* rows_of_device(const ForeignReader& reader) {
  const Value* rows = reader.given("per_device_train_batch_size");
  return rows == nullptr ? reader.given("micro_batch_size") : rows;
}

/// Whether the trainers' names say how large an update is, and not ours after them.
bool theirs_count(const ForeignReader& reader) {
  const auto ours = reader.order_of("batch_size");
  const bool rows_win =
      std::max(reader.order_of("per_device_train_batch_size"), reader.order_of("micro_batch_size")) > ours;
  return rows_win || ours < 0;
}

/// Read once all is known, by settle_batch(), or as a factor of ours.
void read_factor(ForeignReader& reader, const std::string& name, const Value& value) {
  if (value.is_null() || theirs_count(reader)) return;
  if (name == "gradient_accumulation_steps") return reader.set("training." + name, value);
  reader.note(name, "training.batch_size says how large an update is");
}

void read_generations(ForeignReader& reader, const std::string& name, const Value& value) {
  const bool counts =
      rows_of_device(reader) != nullptr || reader.given("gradient_accumulation_steps") != nullptr;
  const auto method = method_of(reader);
  const bool of_groups = method == nullptr || method->shape() == algorithm::GroupShape::kGroups;
  if (value.is_null() || (of_groups && counts && theirs_count(reader))) return;
  reader.note(name, of_groups ? "" : "of methods that learn from groups");
}

/// A whole number above 0; nothing where it is anything else.
std::optional<std::int64_t> count_in(const Value* value, std::int64_t otherwise) {
  if (value == nullptr) return otherwise;
  const core::Json json = value->to_json();
  if (!json.is_number_integer() || json.get<std::int64_t>() < 1) return std::nullopt;
  return json.get<std::int64_t>();
}

/// Answers in a record of the data, as far as they were looked at.
struct Sizes {
  std::int64_t least = 0, most = 0;
  double mean = 0;
  bool all = true;
  explicit operator bool() const { return most > 0; }
  bool even() const { return least == most; }
  /// "4", or "2 to 4 (3.2 in the mean)"
  std::string text() const {
    std::string sizes =
        even() ? fmt::format("{}", most) : fmt::format("{} to {} ({:.3g} in the mean)", least, most, mean);
    return all ? sizes : sizes + " in the first rows";
  }
};

Sizes sizes_of_records(const ForeignReader& reader) {
  const FirstRows firsts = first_rows(reader);
  Sizes sizes;
  sizes.all = firsts.all;
  double answers = 0, records = 0;
  for (const record::Example& row : firsts.rows) {
    const std::int64_t size = std::ssize(row.candidates);
    sizes.least = records == 0 ? size : std::min(sizes.least, size);
    sizes.most = std::max(sizes.most, size);
    answers += static_cast<double>(size);
    records += 1;
  }
  sizes.mean = records > 0 ? answers / records : 0;
  return sizes;
}

/// What the trainer makes of one record, and in what words.
struct Counted {
  double rows = 1;   ///< of the trainer's
  std::string what;  ///< "completions"
  Sizes there;       ///< in the data
};

Counted counted_by_trainer(ForeignReader& reader) {
  const auto method = method_of(reader);
  if (method == nullptr) return {};
  const bool labels =
      method->shape() == algorithm::GroupShape::kLabels && method->info().is_of_trainer("kto");
  if (!labels && method->shape() != algorithm::GroupShape::kGroups) return {};
  const Sizes there = sizes_of_records(reader);
  if (labels) return {std::max(1.0, there.mean), "rows of one answer", there};
  const std::int64_t asked = count_in(reader.given("num_generations"), 0).value_or(0);
  if (asked > 0 && there && !(there.even() && asked == there.most))
    reader.remark_on(
        fmt::format("num_generations={}, and the groups of the data have {}", asked, there.text()));
  return {asked > 0 ? static_cast<double>(asked) : there ? there.mean : kGenerations, "completions", there};
}

/// Sizes of the records that an update has, and how many answers that makes where it is not what was asked for.
std::string size_text(std::int64_t records, std::int64_t rows, const Counted& counted) {
  if (!counted.there) return fmt::format("{:g}", counted.rows);
  const double made = static_cast<double>(records) * counted.there.mean;
  if (made == static_cast<double>(rows) && counted.there.even()) return counted.there.text();
  return fmt::format("{}, {}{:g} in all", counted.there.text(), counted.there.even() ? "" : "about ", made);
}

void set_groups(ForeignReader& reader, const Value& from, std::int64_t rows, const Counted& counted) {
  const double groups = static_cast<double>(rows) / counted.rows;
  const std::string said = fmt::format("{} {} an update", rows, counted.what);
  const bool whole = groups == std::floor(groups), mean = counted.rows != std::floor(counted.rows);
  if (!whole && !mean && counted.what == "completions")
    return reader.refuse("per_device_train_batch_size", from,
                         fmt::format("{} are no whole number of groups of {:g}: give num_generations, or "
                                     "training.batch_size=GROUPS",
                                     said, counted.rows));
  const auto records = std::max<std::int64_t>(1, std::llround(mean ? std::round(groups) : std::ceil(groups)));
  reader.remark_on(fmt::format("{}: training.batch_size={} records of {}", said, records,
                               size_text(records, rows, counted)));
  reader.set("training.batch_size", fmt::format("{}", records), from);
}

/// What blocks of packed rows hold, by whatever name; 0 where it is not known.
std::int64_t length_of_block(const ForeignReader& reader) {
  for (const char* name : {"max_length", "max_seq_length", "sequence_len", "cutoff_len"})
    if (const Value* length = reader.given(name)) return count_in(length, 0).value_or(0);
  return is_written_for_trl(reader) ? kLength : 0;
}

/// Trainers that pack rows into blocks count these.
void read_packing(ForeignReader& reader, const std::string& name, const Value& value) {
  if (is_off(value)) return;
  reader.note(name);
  const auto method = method_of(reader);
  const bool packs = method == nullptr || method->info().is_of_trainer("sft");
  if (!packs || reader.given("tokens_per_batch") != nullptr) return;
  const std::int64_t tokens = length_of_block(reader) * count_in(rows_of_device(reader), kRows).value_or(0) *
                              count_in(reader.given("gradient_accumulation_steps"), 1).value_or(0) *
                              count_in(reader.given("num_processes"), 1).value_or(0);
  reader.remark_on(fmt::format(
      "{}: an update there holds batch × max_length tokens, packed, and one here training.batch_size "
      "records, however long: training.batch_size=100000 training.tokens_per_batch={} holds as many",
      name, tokens > 0 ? fmt::format("{}", tokens) : "N"));
}

constexpr Reading kBatchReadings[] = {
    {"per_device_train_batch_size", read_factor},
    {"micro_batch_size", read_factor},
    {"gradient_accumulation_steps", read_factor},
    {"num_processes", read_factor},
    {"num_generations", read_generations},
    {"packing", read_packing},
    {"sample_packing", read_packing},
    {"neat_packing", read_packing},
};

}  // namespace

void settle_batch(ForeignReader& reader) {
  const Value *rows = rows_of_device(reader), *accumulation = reader.given("gradient_accumulation_steps"),
              *processes = reader.given("num_processes");
  const Value* from = rows != nullptr ? rows : accumulation != nullptr ? accumulation : processes;
  if (from == nullptr || !theirs_count(reader)) return;
  const auto a_device = count_in(rows, kRows), steps = count_in(accumulation, 1),
             all = count_in(processes, 1);
  const Counted counted = a_device && steps && all ? counted_by_trainer(reader) : Counted{};
  if (counted.rows > 1) return set_groups(reader, *from, *a_device * *steps * *all, counted);
  if (rows != nullptr) reader.set("training.batch_size", *rows);
  if (steps && all && *all > 1)
    reader.set("training.gradient_accumulation_steps", fmt::format("{}", *steps * *all), *from);
  else if (accumulation != nullptr)
    reader.set("training.gradient_accumulation_steps", *accumulation);
}

std::span<const Reading> batch_readings() { return kBatchReadings; }

}  // namespace attune::cli
