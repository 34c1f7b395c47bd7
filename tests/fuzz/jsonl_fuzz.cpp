// Data files: rows of every file type, through every format, tokenised. Input: a byte that chooses the file
// type ("jJctx": JSON Lines, JSON, comma- or tab-separated, text), then the file, which may be compressed.
#include "data/format.h"
#include "data/rows/example_reader.h"
#include "data/rows/file/reader.h"
#include "data/tokens/tokenize.h"
#include "tests/fuzz/input.h"

namespace attune::fuzz {
namespace {

constexpr std::string_view kTemplate =
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";
constexpr std::size_t kMaxLine =
    1 << 20;                          // a few compressed bytes may become 256 MiB, which are slow and no more
constexpr std::size_t kMaxRows = 64;  // of one file: more of them say nothing new and take time

data::TextCodec make_codec(bool chat) {
  data::TextCodec codec;
  codec.tokenizer = text::Tokenizer::load(ATTUNE_SOURCE "/assets/tinystories-656k/tokenizer.json");
  if (chat) codec.chat_template = text::ChatTemplate::from_source(std::string(kTemplate), "template", {});
  codec.eos_id = 1;
  codec.max_positions = 512;
  codec.vocab_size = codec.tokenizer->vocab_size();
  return codec;
}

void check_tokens(const data::TokenizedExample& tokens, const data::TextCodec& codec, std::int64_t limit) {
  for (const auto& completion : tokens.completions) {
    expect(completion.mask.size() == completion.ids.size(), "a mask of another length than its ids");
    expect(static_cast<std::int64_t>(tokens.prompt.size() + completion.ids.size()) <= limit,
           "longer than the limit");
    for (const std::int32_t id : completion.ids)
      expect(id >= 0 && id < codec.vocab_size, "an id beyond the vocabulary");
    for (const std::int32_t end : completion.step_ends)
      expect(end >= 0 && end < static_cast<std::int32_t>(completion.ids.size()),
             "a step ends beyond its completion");
  }
}

/// One of many ways, chosen by what the row holds: all of them for every row would be slow.
void tokenize(const record::Example& example, std::size_t choice) {
  static const data::TextCodec plain = make_codec(false), chat = make_codec(true);
  const data::TextCodec& codec = choice % 2 == 0 ? chat : plain;
  data::DataOptions options;
  options.truncation = choice / 2 % 2 == 0 ? "keep_start" : "keep_end";
  options.max_length = 12;
  options.max_prompt_length = 7;
  options.assistant_only = choice / 8 % 2 == 0;
  const bool training = choice / 4 % 2 == 0;
  accepts([&] {
    const auto tokens = data::tokenize_example(example, codec, options, training);
    if (tokens.ok()) check_tokens(tokens.value(), codec, options.max_length);
    data::tokenize_prompt(example, codec);
  });
}

/// Any format may be asked for, whatever the columns are.
void read_as_every_format(const core::Json& row) {
  const std::string line = core::to_line(row);
  if (line.size() > kMaxLine) return;
  const std::size_t choice = std::hash<std::string>()(line);
  for (const auto& [name, make] : data::format_entries()) {
    const data::Format& format = *make();
    format.recognises(row);
    accepts([&] {
      const auto example = format.read(row);
      if (!example.ok()) {
        expect(!example.error().reason.empty(), "a malformed row without a reason");
        return;
      }
      core::to_line(record::to_json(example.value()));
      tokenize(example.value(), choice);
    });
  }
}

data::SourceFile file_of(std::string_view input) {
  constexpr std::string_view kLetters = "jJctx";
  std::size_t choice = kLetters.find(input[0]);
  if (choice == std::string_view::npos) choice = static_cast<unsigned char>(input[0]) % kLetters.size();
  return {scratch_folder().write("rows", input.substr(1)), static_cast<data::FileKind>(choice)};
}

void run(std::string_view input) {
  if (input.empty()) return;
  const data::SourceFile file = file_of(input);
  const auto reader = data::open_rows(file);
  data::RawRow row;
  for (std::size_t count = 0; count < kMaxRows && reader->next(row); ++count) {
    if (row.problem) continue;
    if (row.cells) data::read_cells(row.row);
    read_as_every_format(row.row);
  }
}

/// The way of a whole file: format recognised, malformed rows left out.
void run_reader(std::string_view input) {
  if (input.empty()) return;
  data::DataOptions options;
  options.path = scratch_folder().write("rows.jsonl", input.substr(1));
  options.on_error = "skip";
  data::ExampleReader reader(options);
  record::Example example;
  while (reader.next(example)) expect(reader.index() >= 0, "a row without its number");
}

}  // namespace
}  // namespace attune::fuzz

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  attune::fuzz::accepts([&] { attune::fuzz::run(attune::fuzz::text_of(data, size)); });
  attune::fuzz::accepts([&] { attune::fuzz::run_reader(attune::fuzz::text_of(data, size)); });
  return 0;
}
