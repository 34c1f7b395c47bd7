#include "text/tokenizer/tokenizer.h"

#include <algorithm>

#include "text/tokenizer/tokenizer_core.h"

namespace attune::text {
namespace {

std::optional<std::int32_t> named_id(const TokenizerCore& core, const std::string& name) {
  const auto& texts = core.parts().special_texts;
  const auto found = texts.find(name);
  return found == texts.end() ? std::nullopt : core.id_of(found->second);
}

}  // namespace

Tokenizer Tokenizer::load(const std::string& folder_or_file) {
  return Tokenizer(std::make_shared<const TokenizerCore>(load_tokenizer_parts(folder_or_file)));
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  return core_->encode(text, add_special_tokens);
}

PlacedIds Tokenizer::encode_placed(std::string_view text, bool add_special_tokens) const {
  PlacedIds out;
  out.ids = core_->encode(text, add_special_tokens, &out.places);
  return out;
}

std::span<const std::int32_t> Tokenizer::closing_ids() const { return core_->parts().frame.after; }

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  return core_->decode(ids, skip_special_tokens);
}

std::string Tokenizer::token(std::int32_t id) const { return std::string(core_->token(id).value_or("")); }
std::optional<std::int32_t> Tokenizer::id_of(std::string_view token) const { return core_->id_of(token); }
std::int32_t Tokenizer::vocab_size() const { return core_->vocab_size(); }
std::optional<std::int32_t> Tokenizer::bos_id() const { return named_id(*core_, "bos_token"); }
std::optional<std::int32_t> Tokenizer::eos_id() const { return named_id(*core_, "eos_token"); }
std::optional<std::int32_t> Tokenizer::pad_id() const { return named_id(*core_, "pad_token"); }

std::optional<std::int32_t> Tokenizer::unk_id() const {
  const auto named = named_id(*core_, "unk_token");
  return named ? named : core_->parts().model->unk_id();
}

bool Tokenizer::is_special(std::int32_t id) const {
  const auto text = core_->token(id);
  return text && core_->parts().added.is_special(*text);
}

const std::map<std::string, std::string>& Tokenizer::special_token_texts() const {
  return core_->parts().special_texts;
}
const std::string& Tokenizer::folder() const { return core_->parts().folder; }
std::uint64_t Tokenizer::fingerprint() const { return core_->parts().fingerprint; }

StreamDecoder::StreamDecoder(Tokenizer tokenizer, bool skip_special_tokens)
    : tokenizer_(std::move(tokenizer)),
      skip_special_(skip_special_tokens),
      run_(std::make_unique<DecodeRun>(tokenizer_.core_->parts().decoder.get())) {}
StreamDecoder::~StreamDecoder() = default;
StreamDecoder::StreamDecoder(StreamDecoder&&) noexcept = default;
StreamDecoder& StreamDecoder::operator=(StreamDecoder&&) noexcept = default;

std::string StreamDecoder::push(std::int32_t id) {
  tokenizer_.core_->push_token(*run_, id, skip_special_);
  return run_->take();
}

std::string StreamDecoder::finish() {
  run_->finish();
  std::string rest = run_->take();
  run_ = std::make_unique<DecodeRun>(tokenizer_.core_->parts().decoder.get());
  return rest;
}

PromptCompletionIds encode_pair(const Tokenizer& tokenizer, std::string_view prompt,
                                std::string_view completion) {
  std::vector<std::int32_t> alone = tokenizer.encode(prompt);
  // What the post-processor puts after the prompt alone is no part of the prompt.
  alone.resize(alone.size() - tokenizer.closing_ids().size());
  const std::vector<std::int32_t> whole = tokenizer.encode(std::string(prompt).append(completion));
  const auto cut = std::mismatch(alone.begin(), alone.end(), whole.begin(), whole.end()).second;
  PromptCompletionIds out;
  out.prompt.assign(whole.begin(), cut);
  out.completion.assign(cut, whole.end());
  out.straddles = out.prompt.size() < alone.size();
  return out;
}

}  // namespace attune::text
