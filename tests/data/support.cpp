#include "tests/data/support.h"

#include <unistd.h>

#include <cstdlib>

namespace attune::data::support {
namespace {

/// GPT-2's visible character for a byte.
std::string visible(int byte) {
  static const std::vector<int> points = [] {
    std::vector<int> all(256, 0);
    int next = 0x100;
    for (int b = 0; b < 256; ++b) {
      const bool shown = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
      all[static_cast<std::size_t>(b)] = shown ? b : next++;
    }
    return all;
  }();
  const int point = points[static_cast<std::size_t>(byte)];
  if (point < 0x80) return std::string(1, static_cast<char>(point));
  return {static_cast<char>(0xC0 | (point >> 6)), static_cast<char>(0x80 | (point & 0x3F))};
}

core::Json added(int id, const std::string& content) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string name = core::fs::temp_directory_path() / "attune-data-XXXXXX";
  path_ = ::mkdtemp(name.data());
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  core::fs::remove_all(path_, ignored);
}

std::string TemporaryFolder::path(const std::string& name) const {
  return name.empty() ? path_ : path_ / name;
}

std::string TemporaryFolder::write(const std::string& name, std::string_view content) const {
  core::fs::create_directories((path_ / name).parent_path());
  core::write_file_atomically(path(name), content);
  return path(name);
}

std::string write_tokenizer(const TemporaryFolder& folder, bool bos) {
  core::Json vocabulary = {{"<s>", 0}, {"</s>", 1}, {"<|im_start|>", 2}, {"<|im_end|>", 3}};
  for (int byte = 0; byte < 256; ++byte) vocabulary[visible(byte)] = 4 + byte;
  vocabulary["th"] = 260;
  vocabulary["the"] = 261;
  vocabulary["Ġt"] = 262;
  core::Json processor = nullptr;
  if (bos)
    processor = json(R"({"type": "TemplateProcessing", "pair": [],
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}})");
  const core::Json tokenizer = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", {added(0, "<s>"), added(1, "</s>"), added(2, "<|im_start|>"), added(3, "<|im_end|>")}},
      {"normalizer", nullptr},
      {"pre_tokenizer",
       {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}}},
      {"post_processor", processor},
      {"decoder",
       {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"vocab", vocabulary},
        {"merges", {"t h", "th e", "Ġ t"}}}}};
  folder.write("tokenizer_config.json",
               R"({"bos_token": "<s>", "eos_token": "</s>", "tokenizer_class": "PreTrainedTokenizerFast"})");
  return folder.write("tokenizer.json", core::to_line(tokenizer));
}

text::ChatTemplate chat_template() {
  return text::ChatTemplate::from_source(
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}{% generation %}{{ "
      "m.content }}"
      "<|im_end|>{% endgeneration %}{% else %}{{ m.content }}<|im_end|>{% endif %}{{ '\\n' }}{% endfor %}"
      "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
      "test", {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
}

TextCodec codec(const TemporaryFolder& folder, bool bos) {
  write_tokenizer(folder, bos);
  TextCodec out;
  out.tokenizer = text::Tokenizer::load(folder.path());
  out.eos_id = out.tokenizer->eos_id();
  out.chat_template = chat_template();
  return out;
}

core::Json json(const std::string& text) { return core::parse_json(text, "test"); }

DataOptions options_for(const std::string& path) {
  DataOptions options;
  options.path = path;
  return options;
}

std::vector<record::Example> read_all(const DataOptions& options) {
  ExampleReader reader(options);
  std::vector<record::Example> all;
  for (record::Example example; reader.next(example);) all.push_back(example);
  return all;
}

}  // namespace attune::data::support
