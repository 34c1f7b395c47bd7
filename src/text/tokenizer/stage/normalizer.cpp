#include "text/tokenizer/stage/normalizer.h"

#include <functional>
#include <vector>

#include "core/error.h"
#include "text/tokenizer/stage/byte_level.h"
#include "text/tokenizer/stage/pattern.h"
#include "text/unicode.h"

namespace attune::text {
namespace {

/// A rewrite that a function describes.
class FunctionNormalizer : public Normalizer {
 public:
  using Rewrite = std::function<void(SourcedText&, RegexScratch&)>;
  explicit FunctionNormalizer(Rewrite rewrite) : rewrite_(std::move(rewrite)) {}
  void apply(SourcedText& text, RegexScratch& scratch) const override {
    rewrite_(text, scratch);
    scratch.check_growth(text.text().size());
  }

 private:
  Rewrite rewrite_;
};

using Rewrite = FunctionNormalizer::Rewrite;

/// A rewrite that looks at characters one by one: `visit(out, character)` appends what becomes of it.
template <class Visit>
Rewrite per_character(Visit visit) {
  return [visit](SourcedText& text, RegexScratch&) { text.each_character(visit); };
}

Rewrite normal_form(NormalForm form) {
  return [form](SourcedText& text, RegexScratch&) {
    if (is_ascii(text.text())) return;
    std::vector<std::size_t> sources;
    std::string formed =
        text.keeps_places() ? to_normal_form(text.text(), form, sources) : to_normal_form(text.text(), form);
    text.become(std::move(formed), sources);
  };
}

Rewrite lowercase() {
  return per_character([](std::string& out, char32_t c) { append_lowercase(out, c); });
}

Rewrite strip_white_space(bool left, bool right) {
  return [left, right](SourcedText& text, RegexScratch&) {
    std::string_view rest = text.text();
    while (left && !rest.empty()) {
      const CodePoint c = next_code_point(rest);
      if (!is_white_space(c.value)) break;
      rest.remove_prefix(c.length);
    }
    while (right && !rest.empty()) {
      const CodePoint c = last_code_point(rest);
      if (!is_white_space(c.value)) break;
      rest.remove_suffix(c.length);
    }
    const auto begin = static_cast<std::size_t>(rest.data() - text.text().data());
    text = text.part(begin, begin + rest.size());
  };
}

/// The ranges that BERT surrounds with spaces.
bool is_cjk(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

void clean_bert_character(std::string& out, char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') {
    out += ' ';
  } else if (c != 0 && c != 0xFFFD && !is_control_or_private(c)) {
    append_utf8(out, is_white_space(c) ? U' ' : c);
  }
}

Rewrite bert(const JsonView& view) {
  const bool clean = view.boolean_or("clean_text", true), cjk = view.boolean_or("handle_chinese_chars", true);
  const bool lower = view.boolean_or("lowercase", true);
  const bool strip = view.boolean_or("strip_accents", lower);
  std::vector<Rewrite> rewrites;
  if (clean) rewrites.push_back(per_character(clean_bert_character));
  if (cjk) {
    rewrites.push_back(per_character([](std::string& out, char32_t c) {
      const bool surround = is_cjk(c);
      if (surround) out += ' ';
      append_utf8(out, c);
      if (surround) out += ' ';
    }));
  }
  if (strip) {
    rewrites.push_back(normal_form(NormalForm::kNfd));
    rewrites.push_back(per_character([](std::string& out, char32_t c) {
      if (!is_nonspacing_mark(c)) append_utf8(out, c);
    }));
  }
  if (lower) rewrites.push_back(lowercase());
  return [rewrites](SourcedText& text, RegexScratch& scratch) {
    for (const Rewrite& rewrite : rewrites) rewrite(text, scratch);
  };
}

Rewrite replacement(const JsonView& view) {
  const auto pattern = std::make_shared<const Pattern>(Pattern::from_json(view.at("pattern")));
  return
      [pattern, content = std::string(view.at("content").text())](SourcedText& text, RegexScratch& scratch) {
        SourcedText out = SourcedText::instead_of(text);
        pattern->for_each_range(text.text(), scratch, [&](std::size_t begin, std::size_t end, bool is_match) {
          if (is_match)
            out.append(content, text.place_before(end));
          else
            out.append(text, begin, end);
          scratch.check_growth(out.text().size());
        });
        text = std::move(out);
      };
}

Rewrite prepend(const JsonView& view) {
  return [prefix = std::string(view.at("prepend").text())](SourcedText& text, RegexScratch&) {
    if (text.text().empty()) return;
    SourcedText out = SourcedText::instead_of(text);
    out.append(prefix, text.place_before(1));
    out.append(text, 0, text.text().size());
    text = std::move(out);
  };
}

Rewrite byte_level() {
  return per_character([](std::string& out, char32_t c) {
    std::string bytes;
    append_utf8(bytes, c);
    append_visible_bytes(out, bytes);
  });
}

/// Nmt: control characters go, other spaces become plain ones (sentencepiece's "nmt" rules).
Rewrite nmt() {
  return per_character([](std::string& out, char32_t c) {
    const bool drop = (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
                      c == 0x8F || c == 0x9F;
    if (drop) return;
    const bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
                       (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                       c == 0xFEFF || c == 0xFFFD;
    append_utf8(out, space ? U' ' : c);
  });
}

Rewrite all_of(const JsonView& view) {
  auto parts = std::make_shared<std::vector<std::unique_ptr<const Normalizer>>>();
  view.at("normalizers").each([&](const JsonView& part) { parts->push_back(make_normalizer(part)); });
  return [parts](SourcedText& text, RegexScratch& scratch) {
    for (const auto& part : *parts) part->apply(text, scratch);
  };
}

Rewrite make_rewrite(const JsonView& view) {
  const std::string_view type = view.at("type").text();
  if (type == "Sequence") return all_of(view);
  if (type == "NFC") return normal_form(NormalForm::kNfc);
  if (type == "NFD") return normal_form(NormalForm::kNfd);
  if (type == "NFKC") return normal_form(NormalForm::kNfkc);
  if (type == "NFKD") return normal_form(NormalForm::kNfkd);
  if (type == "Lowercase") return lowercase();
  if (type == "Strip")
    return strip_white_space(view.boolean_or("strip_left", true), view.boolean_or("strip_right", true));
  if (type == "Replace") return replacement(view);
  if (type == "Prepend") return prepend(view);
  if (type == "ByteLevel") return byte_level();
  if (type == "BertNormalizer") return bert(view);
  if (type == "Nmt") return nmt();
  if (type == "StripAccents") {
    return per_character([](std::string& out, char32_t c) {
      if (!is_mark(c)) append_utf8(out, c);
    });
  }
  view.fail(fmt::format("the normalizer type \"{}\" is not supported", type));
}

}  // namespace

std::unique_ptr<const Normalizer> make_normalizer(const JsonView& view) {
  return std::make_unique<FunctionNormalizer>(make_rewrite(view));
}

}  // namespace attune::text
