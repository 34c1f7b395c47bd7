// Follows transformers 5.23: models/auto/tokenization_auto.py (the choice) and models/*/tokenization_*.py
// (recipes).
#include "text/tokenizer/tokenizer_class.h"

#include <array>
#include <string_view>

#include "core/error.h"

namespace attune::text {
namespace {

using core::Json;

std::string string_member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool flag(const Json& object, const char* key, bool fallback) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() ? found->get<bool>() : fallback;
}

std::string without_fast(std::string name) {
  if (name.ends_with("Fast") && name != "PreTrainedTokenizerFast") name.resize(name.size() - 4);
  return name;
}

/// The class registered for a model type, as far as it has a recipe here; "generic" where the file is taken
/// as it is; empty for types without an entry.
std::string_view registered_class(std::string_view model_type) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 52> kTable{{
      {"clip", "CLIPTokenizer"},
      {"codegen", "GPT2Tokenizer"},
      {"dbrx", "GPT2Tokenizer"},
      {"falcon_mamba", "GPTNeoXTokenizer"},
      {"gemma", "GemmaTokenizer"},
      {"gemma2", "GemmaTokenizer"},
      {"gemma3", "GemmaTokenizer"},
      {"gemma3_text", "GemmaTokenizer"},
      {"gemma3n", "GemmaTokenizer"},
      {"gemma3n_text", "GemmaTokenizer"},
      {"gpt2", "GPT2Tokenizer"},
      {"gpt_neo", "GPT2Tokenizer"},
      {"gpt_neox", "GPTNeoXTokenizer"},
      {"gptj", "GPT2Tokenizer"},
      {"internvl", "Qwen2Tokenizer"},
      {"jais2", "GPT2Tokenizer"},
      {"mamba", "GPTNeoXTokenizer"},
      {"mamba2", "GPTNeoXTokenizer"},
      {"mpt", "GPTNeoXTokenizer"},
      {"olmo", "GPTNeoXTokenizer"},
      {"olmoe", "GPTNeoXTokenizer"},
      {"opt", "GPT2Tokenizer"},
      {"phi", "GPT2Tokenizer"},
      {"qwen2", "Qwen2Tokenizer"},
      {"qwen2_5_vl", "Qwen2Tokenizer"},
      {"qwen2_audio", "Qwen2Tokenizer"},
      {"qwen2_moe", "Qwen2Tokenizer"},
      {"qwen2_vl", "Qwen2Tokenizer"},
      {"qwen3", "Qwen2Tokenizer"},
      {"qwen3_moe", "Qwen2Tokenizer"},
      {"qwen3_next", "Qwen2Tokenizer"},
      {"qwen3_vl", "Qwen2Tokenizer"},
      {"qwen3_vl_moe", "Qwen2Tokenizer"},
      {"recurrent_gemma", "GemmaTokenizer"},
      {"rwkv", "GPTNeoXTokenizer"},
      {"starcoder2", "GPT2Tokenizer"},
      {"t5gemma", "GemmaTokenizer"},
      {"xlstm", "GPTNeoXTokenizer"},
      {"mistral", "generic"},
      {"mixtral", "generic"},
      {"phi3", "generic"},
      {"stablelm", "generic"},
      {"ministral", "generic"},
      {"ministral3", "generic"},
      {"olmo2", "generic"},
      {"granite", "generic"},
      {"gpt_bigcode", "generic"},
      {"jamba", "generic"},
      {"nemotron", "generic"},
      {"phimoe", "generic"},
      {"internlm2", "generic"},
      {"internlm3", "generic"},
  }};
  for (const auto& [type, name] : kTable) {
    if (type == model_type) return name;
  }
  return {};
}

/// Model types whose published folders name a wrong class: the registered one is taken instead.
bool names_wrong_class(std::string_view model_type) {
  static constexpr std::array<std::string_view, 8> kTypes{"qwen2",     "phi3",      "jamba",  "nemotron",
                                                          "internlm2", "internlm3", "phimoe", "minicpm3"};
  for (const auto type : kTypes) {
    if (type == model_type) return true;
  }
  return false;
}

constexpr std::string_view kByteLevelDecoder = R"({"type": "ByteLevel"})";
constexpr std::string_view kNfc = R"({"type": "NFC"})";

std::string byte_level(bool add_prefix_space, bool use_regex) {
  return fmt::format(R"({{"type": "ByteLevel", "add_prefix_space": {}, "use_regex": {}}})", add_prefix_space,
                     use_regex);
}

ClassRecipe gpt2(const Json& config) {
  ClassRecipe recipe;
  recipe.pre_tokenizer = byte_level(flag(config, "add_prefix_space", false), true);
  recipe.decoder = kByteLevelDecoder;
  recipe.default_tokens = {
      {"unk_token", "<|endoftext|>"}, {"bos_token", "<|endoftext|>"}, {"eos_token", "<|endoftext|>"}};
  return recipe;
}

ClassRecipe gpt_neox(const Json& config) {
  ClassRecipe recipe = gpt2(config);
  recipe.normalizer = kNfc;
  recipe.default_tokens.emplace_back("pad_token", "<|padding|>");
  recipe.frame = ClassRecipe::Frame::kSettings;
  return recipe;
}

ClassRecipe qwen2(const Json& config) {
  ClassRecipe recipe;
  recipe.normalizer = kNfc;
  recipe.pre_tokenizer = fmt::format(
      R"js({{"type": "Sequence", "pretokenizers": [{{"type": "Split", "pattern": {{"Regex": {}}}, "behavior": "Isolated"}}, {}]}})js",
      Json(
          R"re((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re")
          .dump(),
      byte_level(flag(config, "add_prefix_space", false), false));
  recipe.decoder = kByteLevelDecoder;
  recipe.default_tokens = {
      {"unk_token", "<|endoftext|>"}, {"eos_token", "<|endoftext|>"}, {"pad_token", "<|endoftext|>"}};
  recipe.readds_special_tokens = true;
  return recipe;
}

constexpr std::string_view kFallbackDecoders =
    R"({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"})";

ClassRecipe llama(const Json& config) {
  const bool prefix = flag(config, "add_prefix_space", true);
  const char* scheme = !prefix ? "never" : flag(config, "legacy", false) ? "always" : "first";
  ClassRecipe recipe;
  recipe.pre_tokenizer = fmt::format(
      R"({{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "{}", "split": false}})", scheme);
  recipe.decoder = fmt::format(R"({{"type": "Sequence", "decoders": [{}{}]}})", kFallbackDecoders,
                               prefix ? R"(, {"type": "Strip", "content": " ", "start": 1, "stop": 0})" : "");
  recipe.bpe.fuse_unk = recipe.bpe.byte_fallback = true;
  recipe.default_tokens = {{"unk_token", "<unk>"}, {"bos_token", "<s>"}, {"eos_token", "</s>"}};
  return recipe;
}

ClassRecipe gemma(const Json& config) {
  ClassRecipe recipe;
  recipe.normalizer = R"({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})";
  recipe.pre_tokenizer = R"({"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious"})";
  recipe.decoder = fmt::format(R"({{"type": "Sequence", "decoders": [{}]}})", kFallbackDecoders);
  recipe.bpe.fuse_unk = recipe.bpe.byte_fallback = true;
  const std::string unk = string_member(config, "unk_token");
  recipe.bpe.unk_token = unk.empty() ? "<unk>" : unk;
  recipe.default_tokens = {{"unk_token", "<unk>"},
                           {"bos_token", "<bos>"},
                           {"eos_token", "<eos>"},
                           {"pad_token", "<pad>"},
                           {"mask_token", "<mask>"}};
  return recipe;
}

ClassRecipe clip(const Json&) {
  ClassRecipe recipe;
  recipe.normalizer =
      R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "}, {"type": "Lowercase"}]})";
  recipe.pre_tokenizer =
      R"js({"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"}, "behavior": "Removed", "invert": true}, {"type": "ByteLevel", "add_prefix_space": false}]})js";
  recipe.decoder =
      R"({"type": "Sequence", "decoders": [{"type": "ByteLevel"}, {"type": "Replace", "pattern": {"String": "</w>"}, "content": " "}, {"type": "AttuneTrim"}]})";
  recipe.bpe.end_of_word_suffix = "</w>";
  recipe.bpe.unk_token = "<|endoftext|>";
  recipe.default_tokens = {{"unk_token", "<|endoftext|>"},
                           {"bos_token", "<|startoftext|>"},
                           {"eos_token", "<|endoftext|>"},
                           {"pad_token", "<|endoftext|>"}};
  recipe.frame = ClassRecipe::Frame::kAlways;
  return recipe;
}

}  // namespace

std::string choose_tokenizer_class(const Json& config, const Json& model_config, bool file_is_byte_level) {
  const std::string type = string_member(model_config, "model_type");
  std::string stated = string_member(config, "tokenizer_class");
  if (stated.empty()) stated = string_member(model_config, "tokenizer_class");
  stated = without_fast(stated);
  const std::string registered(registered_class(type));
  // Llama 3 and others name LlamaTokenizer but are byte-level: their file is right.
  if (stated == "LlamaTokenizer" && file_is_byte_level && !names_wrong_class(type)) return "";
  if (stated.empty()) return registered == "generic" ? "" : registered;
  if (registered.empty() || registered == stated) return stated;
  if (registered == "generic") return "";
  return names_wrong_class(type) ? registered : stated;
}

std::optional<ClassRecipe> find_class_recipe(const std::string& class_name, const Json& config) {
  static constexpr std::array<std::pair<std::string_view, ClassRecipe (*)(const Json&)>, 7> kRecipes{{
      {"GPT2Tokenizer", gpt2},
      {"CodeGenTokenizer", gpt2},
      {"GPTNeoXTokenizer", gpt_neox},
      {"Qwen2Tokenizer", qwen2},
      {"LlamaTokenizer", llama},
      {"GemmaTokenizer", gemma},
      {"CLIPTokenizer", clip},
  }};
  for (const auto& [name, recipe] : kRecipes) {
    if (name == class_name) return recipe(config);
  }
  return std::nullopt;
}

}  // namespace attune::text
