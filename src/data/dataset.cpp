#include "data/dataset.h"

#include <algorithm>
#include <optional>

#include "core/system.h"
#include "data/cache/file.h"
#include "data/cache/layout.h"
#include "data/read_rows.h"
#include "data/rows/file/file_content.h"
#include "data/rows/file/source_files.h"
#include "data/tokens/row_tokens.h"

namespace attune::data {

struct Dataset::Map {
  std::shared_ptr<const CacheFile> file;
  DatasetSummary summary;
  RowUse use = RowUse::anything();
  std::optional<std::vector<std::uint32_t>> rows;  ///< of the file; without it all
};

namespace {

std::uint64_t mix(std::uint64_t state, std::string_view text) {
  const std::uint64_t size = text.size();
  state = core::fingerprint({reinterpret_cast<const char*>(&size), sizeof size}, state);
  return core::fingerprint(text, state);
}

/// Of everything that the cached tokens depend on.
std::uint64_t fingerprint_of(const DataOptions& options, const TextCodec& codec, const RowUse& use,
                             const KnownContent& known) {
  core::Json settings = {{"format", options.format},
                         {"field", options.field},
                         {"on_error", options.on_error},
                         {"columns", options.columns},
                         {"limit", options.limit},
                         {"truncation", options.truncation},
                         {"max_length", options.max_length},
                         {"max_prompt_length", options.max_prompt_length},
                         {"append_eos", options.append_eos},
                         {"assistant_only", options.assistant_only},
                         {"turns", options.turns},
                         {"teacher_system", options.teacher_system},
                         {"use", use.described()},
                         {"max_positions", codec.max_positions},
                         {"positions_end", codec.positions_end},
                         {"vocab_size", codec.vocab_size},
                         {"eos", codec.eos_id.value_or(-1)},
                         {"rules", kTokenRules}};
  std::uint64_t state = mix(core::fingerprint("attune dataset"), core::to_line(settings));
  if (codec.tokenizer) state = mix(state, std::to_string(codec.tokenizer->fingerprint()));
  if (codec.chat_template) {
    state = mix(state, codec.chat_template->source());
    for (const auto& [name, text] : codec.chat_template->special_tokens())
      state = mix(mix(state, name), text);
  }
  for (const auto& entry : source_entries(options)) {
    state = mix(state, std::to_string(entry.weight));
    if (!entry.slice.is_all()) state = mix(state, entry.slice.text());
    for (const auto& file : source_files(entry, options)) {
      const auto told = known.find(file.path);
      const std::uint64_t content = told != known.end() ? told->second : content_fingerprint(file, options);
      state = mix(state, fmt::format("{} {}", static_cast<int>(file.kind), content));
    }
  }
  return state;
}

/// The files of a dataset in the order in which they are read.
std::vector<std::string> file_names(const DataOptions& options) {
  std::vector<std::string> names;
  for (const auto& entry : source_entries(options))
    for (const auto& file : source_files(entry, options)) names.push_back(file.path);
  return names;
}

/// A cache belongs to content, wherever it lies: places such as "prefs.jsonl:17" are told of the files that
/// are read now.
void move_places(core::Json& json, std::span<const std::string> then, std::span<const std::string> now) {
  if (json.is_structured()) {
    for (auto& item : json) move_places(item, then, now);
  } else if (json.is_string()) {
    const auto& text = json.get_ref<const std::string&>();
    for (std::size_t i = 0; i < std::min(then.size(), now.size()); ++i)
      if (text.starts_with(then[i] + ":")) {
        json = now[i] + text.substr(then[i].size());
        return;
      }
  }
}

void build_cache(const DataOptions& options, const TextCodec& codec, const RowUse& use,
                 std::uint64_t fingerprint, const core::Sink& sink) {
  CacheWriter writer(sink, fingerprint);
  const auto keep = [&](const SourceRow& row, const record::Example&, const CachedRow& tokens) {
    if (row.copies > 0) writer.add(tokens, row.copies);
  };
  const auto summary = read_rows(options, codec, use, {keep});
  auto kept = to_json(summary);
  kept["files"] = file_names(options);
  writer.finish(kept);
}

}  // namespace

Dataset Dataset::open(const DataOptions& options, const TextCodec& codec, const RowUse& use,
                      const std::string& cache_folder, const KnownContent& known) {
  const std::uint64_t fingerprint = fingerprint_of(options, codec, use, known);
  const std::string folder = cache_folder.empty() ? core::cache_folder() : cache_folder;
  core::ensure_folder(folder);
  const std::string path = fmt::format("{}/tokens{}-{:016x}.bin", folder, cache::kVersion, fingerprint);
  auto file = CacheFile::open(path, fingerprint);
  if (!file) {
    core::write_file_atomically(
        path, [&](const core::Sink& sink) { build_cache(options, codec, use, fingerprint, sink); });
    file = CacheFile::open(path, fingerprint);
    if (!file) core::fail_run("{}: the token cache cannot be read back; is the disk sound?", path);
  }
  auto map = std::make_shared<Map>();
  auto kept = file->summary();
  const auto then = kept.at("files").get<std::vector<std::string>>();
  move_places(kept, then, file_names(options));
  map->summary = summary_from_json(kept, fingerprint);
  map->file = std::move(file);
  map->use = use;
  Dataset dataset;
  dataset.map_ = std::move(map);
  return dataset;
}

Dataset Dataset::some_rows(std::vector<std::uint32_t> rows, DatasetSummary summary) const {
  auto map = std::make_shared<Map>(*map_);
  if (map_->rows)
    for (auto& row : rows) row = (*map_->rows)[row];
  map->rows = std::move(rows);
  map->summary = std::move(summary);
  Dataset part;
  part.map_ = std::move(map);
  return part;
}

std::int64_t Dataset::size() const { return map_->rows ? std::ssize(*map_->rows) : map_->file->size(); }
TokenizedRow Dataset::row(std::int64_t i) const {
  return map_->file->row(map_->rows ? (*map_->rows)[static_cast<std::size_t>(i)] : i);
}
const DatasetSummary& Dataset::summary() const { return map_->summary; }
const RowUse& Dataset::use() const { return map_->use; }

}  // namespace attune::data
