#include "cli/tokens/record_tokens.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "cli/tokens/token_pieces.h"
#include "core/files/files.h"
#include "core/system.h"
#include "data/tokens/trained.h"
#include "generation/codec.h"
#include "model/files/peft.h"
#include "net/hub.h"

namespace attune::cli {
namespace {

using core::Json;

/// The folder that holds the tokenizer files of a model setting: of an adapter, its base model's.
std::string text_folder(const model::ModelOptions& options) {
  const std::string folder = net::resolve_model_folder(options.path);
  const core::fs::path path(folder);
  if (core::fs::exists(path / "config.json") || !core::fs::exists(path / "adapter_config.json"))
    return folder;
  return net::resolve_model_folder(options.base.empty() ? model::base_of_adapter(folder) : options.base);
}

struct Sequence {
  std::vector<std::int32_t> ids;
  std::vector<std::uint8_t> mask;
};

Sequence sequence_of(const data::TokenizedExample& example, std::size_t candidate) {
  Sequence out{example.prompt, std::vector<std::uint8_t>(example.prompt.size(), 0)};
  if (candidate >= example.completions.size()) return out;
  const auto& completion = example.completions[candidate];
  out.ids.insert(out.ids.end(), completion.ids.begin(), completion.ids.end());
  out.mask.insert(out.mask.end(), completion.mask.begin(), completion.mask.end());
  if (example.prompt.empty())
    std::fill_n(out.mask.begin(), std::min(data::first_predicted(0), out.mask.size()), std::uint8_t{0});
  return out;
}

Json sequence_json(const Sequence& sequence, const data::TextCodec& codec) {
  return {{"ids", sequence.ids}, {"tokens", token_texts(sequence.ids, codec)}, {"mask", sequence.mask}};
}

/// Tokens one after another that are all trained on, or none of them.
struct Run {
  std::size_t begin, end;
  bool trained;
};

std::vector<Run> runs_of(const std::vector<std::uint8_t>& mask) {
  std::vector<Run> runs;
  for (std::size_t i = 0; i < mask.size(); ++i) {
    if (runs.empty() || runs.back().trained != (mask[i] != 0)) runs.push_back({i, i, mask[i] != 0});
    runs.back().end = i + 1;
  }
  return runs;
}

/// Of every run at least so many tokens are shown.
constexpr std::size_t kShortestRun = 24;

/// Line ends and tabs made visible, other control bytes left out.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n')
      out += "↵\n";
    else if (c == '\t')
      out += "⇥";
    else if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f)
      out += c;
  }
  return out;
}

/// The text that each token adds to the sequence; a character of several tokens stands at its last one. A
/// token alone would lose its space, or the half of a character.
std::vector<std::string> texts_in_place(std::span<const std::int32_t> ids, const data::TextCodec& codec) {
  std::vector<std::string> texts;
  if (!codec.tokenizer) {
    for (const std::int32_t id : ids) texts.push_back(fmt::format(" {}", id));
    return texts;
  }
  text::StreamDecoder decoder(*codec.tokenizer);
  for (const std::int32_t id : ids) {
    texts.push_back(shown(decoder.push(id)));
    if (codec.tokenizer->token(id).empty()) texts.back() += written_token(id, *codec.tokenizer);
  }
  if (!texts.empty()) texts.back() += shown(decoder.finish());
  return texts;
}

}  // namespace

data::TextCodec load_codec(const model::ModelOptions& model, const std::string& tokenizer) {
  if (!tokenizer.empty()) {
    data::TextCodec codec = data::TextCodec::load(tokenizer);
    codec.max_positions = codec.vocab_size = 0;  // no model, no limits of one
    return codec;
  }
  if (model.path.empty())
    core::fail_request("give model=FOLDER, or tokenizer=FOLDER for the tokenizer alone");
  const std::string folder = text_folder(model);
  const core::fs::path config = core::fs::path(folder) / "config.json";
  // texts of models that this program cannot run can still be looked at
  if (!core::fs::exists(config) || !model::knows_family(core::read_json_file(config)))
    return data::TextCodec::load(folder);
  return data::TextCodec::load(folder, generation::limits_of(model::Model::peek_config(model)));
}

Json token_texts(std::span<const std::int32_t> ids, const data::TextCodec& codec) {
  Json out = Json::array();
  if (codec.tokenizer)
    for (const std::int32_t id : ids) out.push_back(written_token(id, *codec.tokenizer));
  return out;
}

Json record_json(const std::string& id, const data::TokenizedExample& example, const data::TextCodec& codec) {
  Json out = {{"id", id}, {"text", example.rendered}};
  out.update(sequence_json(sequence_of(example, 0), codec));
  if (example.completions.size() < 2) return out;
  Json all = Json::array();
  for (std::size_t i = 0; i < example.completions.size(); ++i)
    all.push_back(sequence_json(sequence_of(example, i), codec));
  out["candidates"] = std::move(all);
  return out;
}

std::string token_picture(const data::TokenizedExample& example, std::size_t candidate,
                          const data::TextCodec& codec, bool colour, std::size_t budget) {
  const Sequence sequence = sequence_of(example, candidate);
  const std::vector<std::string> texts = texts_in_place(sequence.ids, codec);
  const std::vector<Run> runs = runs_of(sequence.mask);
  const std::size_t size = texts.size();
  const std::size_t share = size <= budget ? size : std::max(kShortestRun, budget / runs.size());
  std::string out;
  for (const Run& run : runs) {
    const std::string_view on = !run.trained ? "" : colour ? "\x1b[1;32m" : "⟦";
    out += on;
    const std::size_t skipped = run.end - run.begin > share ? run.end - run.begin - share : 0;
    for (std::size_t i = run.begin; i < run.end; ++i) {
      if (skipped > 0 && i == run.begin + share / 2) {
        out += fmt::format(" … {} … ", core::counted(static_cast<std::int64_t>(skipped), "token"));
        i += skipped;
      }
      out += texts[i];
      if (colour) out += "\x1b[2m·\x1b[22m", out += on;
    }
    if (run.trained) out += colour ? "\x1b[0m" : "⟧";
  }
  return out;
}

Json unusable_json(const record::Example& example, const core::ItemError& error, const data::TextCodec& codec,
                   const data::DataOptions& options) {
  const auto tokens = data::tokenize_unusable(example, codec, options);
  Json out = record_json(example.id, tokens.value_or(data::TokenizedExample()), codec);
  out["unusable"] = error.reason;
  out["detail"] = error.detail;
  return out;
}

std::string unusable_picture(std::string_view what, const record::Example& example,
                             const core::ItemError& error, const data::TextCodec& codec,
                             const data::DataOptions& options, bool colour) {
  std::string text = fmt::format("— {}{} — left out: {}{}{}\n", what, example.id, error.reason,
                                 error.detail.empty() ? "" : " ", error.detail);
  const auto tokens = data::tokenize_unusable(example, codec, options);
  if (!tokens) return text;
  for (std::size_t i = 0; i < std::max<std::size_t>(1, tokens->completions.size()); ++i)
    text += token_picture(*tokens, i, codec, colour) + "\n";
  return text;
}

bool stdout_has_colour() { return ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr; }

}  // namespace attune::cli
