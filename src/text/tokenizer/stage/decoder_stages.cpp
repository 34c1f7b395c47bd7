#include "text/tokenizer/stage/decoder_stages.h"

#include <charconv>
#include <optional>
#include <utility>

#include "text/tokenizer/stage/byte_level.h"
#include "text/unicode.h"

namespace attune::text {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

class PerToken : public DecodeStage {
 public:
  PerToken(std::function<std::string(std::size_t, std::string_view)> map, bool fused)
      : map_(std::move(map)), fused_(fused) {}
  void push(std::string_view token) override {
    emit(map_(index_, token));
    if (!fused_) ++index_;
  }

 private:
  std::function<std::string(std::size_t, std::string_view)> map_;
  bool fused_;
  std::size_t index_ = 0;
};

class WholeText : public DecodeStage {
 public:
  explicit WholeText(std::function<std::string(std::string_view)> map) : map_(std::move(map)) {}
  void push(std::string_view token) override { text_ += token; }
  void finish() override { emit(map_(std::exchange(text_, {}))); }

 private:
  std::function<std::string(std::string_view)> map_;
  std::string text_;
};

class ByteLevelStage : public DecodeStage {
 public:
  void push(std::string_view token) override {
    append_token_bytes(bytes_, token);
    std::string_view rest = bytes_;
    std::string text;
    while (!rest.empty()) {
      const std::size_t good = valid_utf8_prefix(rest);
      text += rest.substr(0, good);
      rest.remove_prefix(good);
      if (rest.empty() || is_incomplete_utf8(rest)) break;
      text += kReplacement;
      rest.remove_prefix(ill_formed_length(rest));
    }
    bytes_ = std::string(rest);
    if (!text.empty()) emit(text);
  }
  void finish() override {
    if (!bytes_.empty()) emit(kReplacement);
    bytes_.clear();
  }

 private:
  std::string bytes_;  // an incomplete sequence: three bytes at most
};

class ByteFallbackStage : public DecodeStage {
 public:
  void push(std::string_view token) override {
    if (const auto byte = byte_of(token)) {
      run_.push_back(static_cast<char>(*byte));
      return;
    }
    finish();
    emit(token);
  }
  void finish() override {
    if (run_.empty()) return;
    if (valid_utf8_prefix(run_) == run_.size()) {
      emit(run_);
    } else {
      for (std::size_t i = 0; i < run_.size(); ++i) emit(kReplacement);
    }
    run_.clear();
  }

 private:
  static std::optional<unsigned> byte_of(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
    unsigned byte = 0;
    const auto [end, error] = std::from_chars(token.data() + 3, token.data() + 5, byte, 16);
    if (error != std::errc() || end != token.data() + 5) return std::nullopt;
    return byte;
  }
  std::string run_;
};

class StripStage : public DecodeStage {
 public:
  StripStage(std::string content, std::size_t start, std::size_t stop, bool fused)
      : content_(std::move(content)), start_(start), stop_(stop), fused_(fused), left_(start) {}

  void push(std::string_view token) override {
    while (left_ > 0 && token.starts_with(content_)) {
      token.remove_prefix(content_.size());
      --left_;
    }
    if (!token.empty() || !fused_) left_ = fused_ ? 0 : start_;
    if (!fused_) {
      for (std::size_t i = 0; i < stop_ && token.ends_with(content_); ++i)
        token.remove_suffix(content_.size());
      emit(token);
    } else if (stop_ == 0) {
      emit(token);
    } else {
      push_fused(token);
    }
  }

  void finish() override {
    for (std::size_t i = stop_; i < held_; ++i) emit(content_);
    held_ = 0;
  }

 private:
  /// Holds trailing contents back: they may be the last.
  void push_fused(std::string_view token) {
    std::size_t trailing = 0;
    std::string_view body = token;
    while (body.ends_with(content_)) {
      body.remove_suffix(content_.size());
      ++trailing;
    }
    if (!body.empty()) {
      for (; held_ > 0; --held_) emit(content_);
      emit(body);
    }
    held_ += trailing;
  }

  std::string content_;
  std::size_t start_, stop_;
  bool fused_;
  std::size_t left_, held_ = 0;
};

class LastAware : public DecodeStage {
 public:
  explicit LastAware(std::function<std::string(std::string_view, bool)> map) : map_(std::move(map)) {}
  void push(std::string_view token) override {
    if (held_) emit(map_(*held_, false));
    held_ = std::string(token);
  }
  void finish() override {
    if (held_) emit(map_(*held_, true));
    held_.reset();
  }

 private:
  std::function<std::string(std::string_view, bool)> map_;
  std::optional<std::string> held_;
};

class UniqueStage : public DecodeStage {
 public:
  void push(std::string_view token) override {
    if (previous_ && *previous_ == token) return;
    previous_ = std::string(token);
    emit(token);
  }

 private:
  std::optional<std::string> previous_;
};

}  // namespace

std::unique_ptr<DecodeStage> per_token_stage(std::function<std::string(std::size_t, std::string_view)> map,
                                             bool fused) {
  return std::make_unique<PerToken>(std::move(map), fused);
}
std::unique_ptr<DecodeStage> whole_text_stage(std::function<std::string(std::string_view)> map) {
  return std::make_unique<WholeText>(std::move(map));
}
std::unique_ptr<DecodeStage> byte_level_stage() { return std::make_unique<ByteLevelStage>(); }
std::unique_ptr<DecodeStage> byte_fallback_stage() { return std::make_unique<ByteFallbackStage>(); }
std::unique_ptr<DecodeStage> strip_stage(std::string content, std::size_t start, std::size_t stop,
                                         bool fused) {
  return std::make_unique<StripStage>(std::move(content), start, stop, fused);
}
std::unique_ptr<DecodeStage> last_aware_stage(std::function<std::string(std::string_view, bool)> map) {
  return std::make_unique<LastAware>(std::move(map));
}
std::unique_ptr<DecodeStage> unique_stage() { return std::make_unique<UniqueStage>(); }

}  // namespace attune::text
