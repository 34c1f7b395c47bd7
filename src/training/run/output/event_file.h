// TensorBoard event files: the numbers and texts of a run in the format that `tensorboard --logdir OUTPUT`
// reads.
//
// A file is a sequence of records (length, masked CRC-32C of the length, data, masked CRC-32C of the data);
// the data is a protobuf message `Event`, written by hand because it has six fields
// (tensorboard/compat/proto/*.proto).
#pragma once

#include <cstdint>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>

namespace attune::training {

/// CRC-32C (Castagnoli, polynomial 0x1EDC6F41 reflected) of bytes: crc32c("123456789") = 0xe3069283.
std::uint32_t crc32c(std::string_view bytes);

/// What records carry: the CRC rotated right by 15 bits plus 0xa282ead8, so that a CRC of data that holds
/// CRCs is safe.
std::uint32_t masked_crc32c(std::string_view bytes);

/// Appends events to the one event file of a run folder.
///
/// Resuming a run: `EventFile::drop_after(folder, checkpoint_step)`, then construct; the events of the steps
/// to come continue in the same file, which so holds each step once. A record that a kill left half-written
/// is removed by either call.
class EventFile {
 public:
  /// Seconds since 1970 that an event is stamped with.
  using WallTime = std::function<double()>;
  static double now();

  /// Opens the newest events.out.tfevents.* of the folder for appending, or creates one with its file_version
  /// record.
  /// @param folder exists already.
  /// @throws Error{kRun} if it cannot be written.
  explicit EventFile(const std::string& folder, WallTime wall_time = now);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  /// One point of a curve. Tags of a run are "train/<metric>" and "eval/<metric>" (metric_tag). The value is
  /// stored as float32, as the format has it; NaN and infinities are kept.
  void scalar(std::string_view tag, std::int64_t step, double value);

  /// Markdown, shown on the Text page (samples, the recipe). TensorBoard knows it as tag
  /// "<tag>/text_summary".
  void text(std::string_view tag, std::int64_t step, std::string_view markdown);

  /// Hands everything to the operating system: it survives a kill of this process.
  /// @throws Error{kRun} naming the file (disk full).
  void flush();
  /// flush, then fsync: it survives a power cut. Call before a checkpoint is published.
  void sync();

  const std::string& path() const { return path_; }

  /// Rewrites the event files of the folder (each atomically) without events of steps greater than `step`,
  /// and without half-written records. A folder without event files is left as it is.
  static void drop_after(const std::string& folder, std::int64_t step);

 private:
  void write_event(std::string_view fields);

  std::string path_;
  WallTime wall_time_;
  std::ofstream out_;
};

/// The tag of a metric of metrics.jsonl, as transformers names it: "loss" → "train/loss", "eval_loss" →
/// "eval/loss".
std::string metric_tag(std::string_view metric);

}  // namespace attune::training
