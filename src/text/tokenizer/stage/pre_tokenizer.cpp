#include "text/tokenizer/stage/pre_tokenizer.h"

#include <functional>

#include "core/error.h"
#include "text/tokenizer/stage/byte_level.h"
#include "text/tokenizer/stage/pattern.h"
#include "text/tokenizer/stage/split_behavior.h"
#include "text/unicode.h"

namespace attune::text {

Pieces::Pieces(SourcedText text, bool at_start) : text_(std::move(text)), at_start_(at_start) {
  if (!text_.text().empty()) ranges_.push_back({0, text_.text().size()});
}

std::optional<SplitBehavior> split_behavior(std::string_view name) {
  if (name == "Removed" || name == "removed") return SplitBehavior::kRemoved;
  if (name == "Isolated" || name == "isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious" || name == "merged_with_previous")
    return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext" || name == "merged_with_next") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous" || name == "contiguous") return SplitBehavior::kContiguous;
  return std::nullopt;
}

namespace {

constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// A step that a function describes.
class FunctionPreTokenizer : public PreTokenizer {
 public:
  using Step = std::function<void(Pieces&, RegexScratch&)>;
  explicit FunctionPreTokenizer(Step step) : step_(std::move(step)) {}
  void apply(Pieces& pieces, RegexScratch& scratch) const override { step_(pieces, scratch); }

 private:
  Step step_;
};

using Step = FunctionPreTokenizer::Step;

SplitBehavior behavior_of(const JsonView& view) {
  const auto name = view.at("behavior");
  const auto behavior = split_behavior(name.text());
  if (!behavior) name.fail(fmt::format("unknown behavior \"{}\"", name.text()));
  return *behavior;
}

void split_by(Pieces& pieces, RegexScratch& scratch, const Pattern& pattern, SplitBehavior behavior,
              bool invert) {
  pieces.cut_each([&](std::string_view piece, auto add) {
    RangeJoiner joiner(behavior, add);
    pattern.for_each_range(piece, scratch, [&](std::size_t begin, std::size_t end, bool is_match) {
      joiner.range(begin, end, is_match != invert);
    });
    joiner.finish();
  });
}

/// Splits at single characters for which `is_delimiter` holds.
template <class Predicate>
Step split_at(Predicate is_delimiter, SplitBehavior behavior) {
  return [=](Pieces& pieces, RegexScratch&) {
    pieces.cut_each([&](std::string_view piece, auto add) {
      RangeJoiner joiner(behavior, add);
      std::size_t done = 0, at = 0;
      while (at < piece.size()) {
        const CodePoint c = next_code_point(piece.substr(at));
        if (is_delimiter(c.value)) {
          if (at > done) joiner.range(done, at, false);
          joiner.range(at, at + c.length, true);
          done = at + c.length;
        }
        at += c.length;
      }
      if (done < piece.size()) joiner.range(done, piece.size(), false);
      joiner.finish();
    });
  };
}

Step split(const JsonView& view) {
  const auto pattern = std::make_shared<const Pattern>(Pattern::from_json(view.at("pattern")));
  return
      [pattern, behavior = behavior_of(view), invert = view.boolean_or("invert", false)](
          Pieces& pieces, RegexScratch& scratch) { split_by(pieces, scratch, *pattern, behavior, invert); };
}

Step byte_level(const JsonView& view) {
  std::shared_ptr<const Pattern> words;
  if (view.boolean_or("use_regex", true)) {
    words = std::make_shared<const Pattern>(Pattern::regex(kGpt2Pattern, view.where()));
  }
  return [words, prefix = view.boolean_or("add_prefix_space", false)](Pieces& pieces, RegexScratch& scratch) {
    if (prefix) {
      pieces.rewrite_each(
          scratch,
          [](std::size_t, std::string_view piece) -> std::string_view {
            return piece.starts_with(' ') ? "" : " ";
          },
          [](std::string_view part, std::string& out) { out += part; });
    }
    if (words) split_by(pieces, scratch, *words, SplitBehavior::kIsolated, false);
    pieces.rewrite_each(
        scratch, [](std::size_t, std::string_view) { return std::string_view(); },
        [](std::string_view part, std::string& out) { append_visible_bytes(out, part); });
  };
}

Step metaspace(const JsonView& view) {
  std::string mark = view.text_or("replacement", "\u2581");
  std::string scheme = view.text_or("prepend_scheme", "always");
  if (const auto old = view.find("add_prefix_space"); old && !old->boolean()) scheme = "never";
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    view.at("prepend_scheme").fail(fmt::format("\"{}\" is none of always, first, never", scheme));
  }
  const bool cuts = view.boolean_or("split", true);
  const auto delimiter = std::make_shared<const Pattern>(Pattern::literal(mark));
  const auto space = std::make_shared<const Pattern>(Pattern::literal(" "));
  return [=](Pieces& pieces, RegexScratch& scratch) {
    const auto prefix = [&](std::size_t index, std::string_view piece) -> std::string_view {
      const bool prepends = scheme == "always" || (scheme == "first" && pieces.is_first(index));
      return prepends && !piece.starts_with(' ') && !piece.starts_with(mark) ? std::string_view(mark) : "";
    };
    pieces.rewrite_each(scratch, prefix, [&](std::string_view part, std::string& out) {
      out += space->replace(part, mark, scratch);
    });
    if (cuts) split_by(pieces, scratch, *delimiter, SplitBehavior::kMergedWithNext, false);
  };
}

Step delimiter_split(const JsonView& view) {
  const auto field = view.at("delimiter");
  const std::string_view text = field.text();
  if (text.empty() || next_code_point(text).length != text.size()) field.fail("one character is needed");
  return split_at([delimiter = next_code_point(text).value](char32_t c) { return c == delimiter; },
                  SplitBehavior::kRemoved);
}

Step fixed_length(const JsonView& view) {
  const auto length = static_cast<std::size_t>(view.at("length").integer(1, 1 << 30));
  return [length](Pieces& pieces, RegexScratch&) {
    pieces.cut_each([&](std::string_view piece, auto add) {
      std::size_t begin = 0, at = 0, count = 0;
      while (at < piece.size()) {
        at += next_code_point(piece.substr(at)).length;
        if (++count % length == 0) add(begin, at), begin = at;
      }
      add(begin, at);
    });
  };
}

Step sequence(const JsonView& view) {
  auto parts = std::make_shared<std::vector<std::unique_ptr<const PreTokenizer>>>();
  view.at("pretokenizers").each([&](const JsonView& part) { parts->push_back(make_pre_tokenizer(part)); });
  return [parts](Pieces& pieces, RegexScratch& scratch) {
    for (const auto& part : *parts) part->apply(pieces, scratch);
  };
}

/// \w+|[^\w\s]+ with Rust's \w.
Step whitespace() {
  return [](Pieces& pieces, RegexScratch&) {
    pieces.cut_each([](std::string_view piece, auto add) {
      enum Kind { kSpace, kWord, kOther } kind = kSpace;
      std::size_t begin = 0, at = 0;
      while (at < piece.size()) {
        const CodePoint c = next_code_point(piece.substr(at));
        const Kind next = is_word(c.value) ? kWord : is_white_space(c.value) ? kSpace : kOther;
        if (next != kind) {
          if (kind != kSpace) add(begin, at);
          kind = next;
          begin = at;
        }
        at += c.length;
      }
      if (kind != kSpace) add(begin, at);
    });
  };
}

Step bert() {
  const Step spaces = split_at(is_white_space, SplitBehavior::kRemoved);
  const Step punctuation = split_at(is_punctuation, SplitBehavior::kIsolated);
  return [=](Pieces& pieces, RegexScratch& scratch) {
    spaces(pieces, scratch);
    punctuation(pieces, scratch);
  };
}

Step make_step(const JsonView& view) {
  const std::string_view type = view.at("type").text();
  if (type == "Sequence") return sequence(view);
  if (type == "ByteLevel") return byte_level(view);
  if (type == "Split") return split(view);
  if (type == "Metaspace") return metaspace(view);
  if (type == "Whitespace") return whitespace();
  if (type == "WhitespaceSplit") return split_at(is_white_space, SplitBehavior::kRemoved);
  if (type == "BertPreTokenizer") return bert();
  if (type == "CharDelimiterSplit" || type == "Delimiter") return delimiter_split(view);
  if (type == "FixedLength") return fixed_length(view);
  if (type == "Punctuation") {
    return split_at(is_punctuation, view.find("behavior") ? behavior_of(view) : SplitBehavior::kIsolated);
  }
  if (type == "Digits") {
    const bool single = view.boolean_or("individual_digits", false);
    return split_at(is_numeric, single ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
  }
  view.fail(fmt::format("the pre-tokenizer type \"{}\" is not supported", type));
}

}  // namespace

std::unique_ptr<const PreTokenizer> make_pre_tokenizer(const JsonView& view) {
  return std::make_unique<FunctionPreTokenizer>(make_step(view));
}

}  // namespace attune::text
