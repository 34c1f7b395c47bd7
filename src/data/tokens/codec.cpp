#include "data/tokens/codec.h"

#include "core/files/files.h"

namespace attune::data {
namespace {

std::int64_t number_of(const core::Json& config, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const auto found = config.find(name);
    if (found != config.end() && found->is_number_integer() && *found > 0) return found->get<std::int64_t>();
  }
  return 0;
}

/// Context and vocabulary of config.json, for commands that read data without a model.
void read_config(const std::string& path, TextCodec& codec) {
  core::Json config = core::read_json_file(path);
  if (!config.is_object()) core::fail_request("{}: must be a JSON object", path);
  if (config.contains("text_config") && config["text_config"].is_object())
    config = core::Json(config["text_config"]);
  codec.max_positions = number_of(config, {"max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"});
  codec.vocab_size = number_of(config, {"vocab_size"});
  if (codec.eos_id || !config.contains("eos_token_id")) return;
  const core::Json& eos = config["eos_token_id"];
  const core::Json& first = eos.is_array() && !eos.empty() ? eos[0] : eos;
  if (first.is_number_integer() && first >= 0 && first < (std::int64_t{1} << 31))
    codec.eos_id = first.get<std::int32_t>();
}

}  // namespace

TextCodec TextCodec::load(const std::string& model_folder) {
  namespace fs = core::fs;
  TextCodec codec;
  const fs::path path(model_folder);
  if (!fs::exists(path)) core::fail_request("{}: no such model folder or tokenizer file", model_folder);
  const bool is_file = !fs::is_directory(path);
  if (!is_file) codec.no_tokenizer = text::Tokenizer::missing_from(model_folder);
  if (codec.no_tokenizer.empty()) {
    codec.tokenizer = text::Tokenizer::load(model_folder);
    codec.eos_id = codec.tokenizer->eos_id();
  }
  if (is_file) return codec;
  codec.chat_template = text::ChatTemplate::load(model_folder);
  if (fs::exists(path / "config.json")) read_config(path / "config.json", codec);
  return codec;
}

TextCodec TextCodec::load(const std::string& model_folder, const ModelLimits& limits) {
  TextCodec codec = load(model_folder);
  codec.max_positions = limits.context;
  codec.vocab_size = limits.vocab_size;
  codec.positions_end = limits.positions_end;
  return codec;
}

}  // namespace attune::data
