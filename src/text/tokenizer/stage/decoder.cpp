#include "text/tokenizer/stage/decoder.h"

#include <utility>

#include "core/error.h"
#include "text/tokenizer/stage/decoder_stages.h"
#include "text/tokenizer/stage/pattern.h"
#include "text/unicode.h"

namespace attune::text {
namespace {

using Stages = std::vector<std::unique_ptr<DecodeStage>>;

/// A decoder that a function describes.
class FunctionDecoder : public Decoder {
 public:
  using AddStages = std::function<void(Stages&, bool& fused)>;
  explicit FunctionDecoder(AddStages add) : add_(std::move(add)) {}
  void add_stages(Stages& stages, bool& fused) const override { add_(stages, fused); }

 private:
  AddStages add_;
};

using AddStages = FunctionDecoder::AddStages;

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  std::size_t done = 0;
  for (std::size_t at = 0; !from.empty() && (at = text.find(from, done)) != std::string_view::npos;) {
    out.append(text.substr(done, at - done)).append(to);
    done = at + from.size();
  }
  return out.append(text.substr(done));
}

/// The English clean-up of WordPiece and CTC decoders.
std::string clean_up(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kRules) text = replace_all(text, from, to);
  return text;
}

AddStages replace_stages(const JsonView& view) {
  const auto pattern = std::make_shared<const Pattern>(Pattern::from_json(view.at("pattern")));
  const std::string content(view.at("content").text());
  const auto map = [pattern, content](std::string_view token, RegexScratch& scratch) {
    return pattern->replace(token, content, scratch);
  };
  return [map](Stages& stages, bool& fused) {
    const auto scratch = std::make_shared<RegexScratch>();
    if (fused) {  // a match may span what arrived at different times
      stages.push_back(whole_text_stage([=](std::string_view text) { return map(text, *scratch); }));
    } else {
      stages.push_back(
          per_token_stage([=](std::size_t, std::string_view token) { return map(token, *scratch); }, false));
    }
  };
}

AddStages metaspace_stages(const JsonView& view) {
  const std::string mark = view.text_or("replacement", "\u2581");
  std::string scheme = view.text_or("prepend_scheme", "always");
  if (const auto old = view.find("add_prefix_space"); old && !old->boolean()) scheme = "never";
  return [mark, drop = scheme != "never"](Stages& stages, bool& fused) {
    stages.push_back(per_token_stage(
        [=](std::size_t index, std::string_view token) {
          return replace_all(token, mark, index == 0 && drop ? "" : " ");
        },
        fused));
  };
}

AddStages word_piece(const JsonView& view) {
  return [prefix = view.text_or("prefix", "##"), cleanup = view.boolean_or("cleanup", true)](Stages& stages,
                                                                                             bool& fused) {
    stages.push_back(per_token_stage(
        [=](std::size_t index, std::string_view token) {
          std::string text(token);
          if (index > 0) text = text.starts_with(prefix) ? text.substr(prefix.size()) : " " + text;
          return cleanup ? clean_up(std::move(text)) : text;
        },
        fused));
  };
}

AddStages bpe_decoder(const JsonView& view) {
  return [suffix = view.text_or("suffix", "</w>")](Stages& stages, bool&) {
    stages.push_back(last_aware_stage(
        [=](std::string_view token, bool last) { return replace_all(token, suffix, last ? "" : " "); }));
  };
}

AddStages ctc_stages(const JsonView& view) {
  const std::string pad = view.text_or("pad_token", "<pad>"),
                    word = view.text_or("word_delimiter_token", "|");
  return [=, cleanup = view.boolean_or("cleanup", true)](Stages& stages, bool&) {
    stages.push_back(unique_stage());
    stages.push_back(per_token_stage(
        [=](std::size_t, std::string_view token) {
          std::string text = replace_all(token, pad, "");
          return cleanup ? replace_all(clean_up(std::move(text)), word, " ") : text;
        },
        false));
  };
}

AddStages strip_stages(const JsonView& view) {
  const std::string content(view.at("content").text());
  if (content.empty()) view.at("content").fail("one character is needed here");
  const auto count = [&](std::string_view key) {
    return static_cast<std::size_t>(view.at(key).integer(0, std::int64_t{1} << 32));
  };
  return [content, start = count("start"), stop = count("stop")](Stages& stages, bool& fused) {
    stages.push_back(strip_stage(content, start, stop, fused));
  };
}

AddStages sequence_stages(const JsonView& view) {
  auto parts = std::make_shared<std::vector<std::unique_ptr<const Decoder>>>();
  view.at("decoders").each([&](const JsonView& part) { parts->push_back(make_decoder(part)); });
  return [parts](Stages& stages, bool& fused) {
    for (const auto& part : *parts) part->add_stages(stages, fused);
  };
}

/// Python's str.strip(), for classes that put it after their decoder.
std::string trimmed(std::string_view text) {
  while (!text.empty() && is_white_space(next_code_point(text).value)) {
    text.remove_prefix(next_code_point(text).length);
  }
  while (!text.empty() && is_white_space(last_code_point(text).value)) {
    text.remove_suffix(last_code_point(text).length);
  }
  return std::string(text);
}

AddStages make_stages(const JsonView& view) {
  const std::string_view type = view.at("type").text();
  if (type == "Sequence") return sequence_stages(view);
  if (type == "Replace") return replace_stages(view);
  if (type == "Metaspace") return metaspace_stages(view);
  if (type == "WordPiece") return word_piece(view);
  if (type == "BPEDecoder") return bpe_decoder(view);
  if (type == "CTC") return ctc_stages(view);
  if (type == "Strip") return strip_stages(view);
  if (type == "Fuse") return [](Stages&, bool& fused) { fused = true; };
  if (type == "ByteFallback") {
    return [](Stages& stages, bool&) { stages.push_back(byte_fallback_stage()); };
  }
  if (type == "ByteLevel") {
    return [](Stages& stages, bool& fused) {
      stages.push_back(byte_level_stage());
      fused = true;
    };
  }
  if (type == "AttuneTrim") {  // only in our own descriptions of transformers' classes
    return [](Stages& stages, bool&) { stages.push_back(whole_text_stage(trimmed)); };
  }
  view.fail(fmt::format("the decoder type \"{}\" is not supported", type));
}

/// The end of the chain.
class Sink : public DecodeStage {
 public:
  explicit Sink(std::string& out) : out_(out) {}
  void push(std::string_view token) override { out_ += token; }

 private:
  std::string& out_;
};

}  // namespace

std::unique_ptr<const Decoder> make_decoder(const JsonView& view) {
  return std::make_unique<FunctionDecoder>(make_stages(view));
}

DecodeRun::DecodeRun(const Decoder* decoder) {
  bool fused = false;
  if (decoder != nullptr) {
    decoder->add_stages(stages_, fused);
  } else {
    stages_.push_back(per_token_stage(
        [](std::size_t index, std::string_view token) { return (index > 0 ? " " : "") + std::string(token); },
        false));
  }
  stages_.push_back(std::make_unique<Sink>(out_));
  for (std::size_t i = 0; i + 1 < stages_.size(); ++i) stages_[i]->set_next(stages_[i + 1].get(), &pushed_);
}

void DecodeRun::finish() {
  for (const auto& stage : stages_) stage->finish();
}

std::string DecodeRun::take() { return std::exchange(out_, {}); }

}  // namespace attune::text
