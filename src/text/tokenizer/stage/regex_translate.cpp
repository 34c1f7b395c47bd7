// From Oniguruma's Ruby syntax to PCRE2's: only what differs in meaning is rewritten.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <utility>

#include "core/error.h"
#include "text/tokenizer/stage/regex.h"

namespace attune::text {
namespace {

bool compiles(const std::string& pattern) {
  int error = 0;
  PCRE2_SIZE at = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF,
                                   &error, &at, nullptr);
  pcre2_code_free(code);
  return code != nullptr;
}

/// The long names of general categories, which PCRE2 does not know.
std::string_view short_category(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 17> kNames{{
      {"Letter", "L"},
      {"Mark", "M"},
      {"Number", "N"},
      {"Punctuation", "P"},
      {"Symbol", "S"},
      {"Separator", "Z"},
      {"Other", "C"},
      {"Uppercase_Letter", "Lu"},
      {"Lowercase_Letter", "Ll"},
      {"Titlecase_Letter", "Lt"},
      {"Modifier_Letter", "Lm"},
      {"Other_Letter", "Lo"},
      {"Decimal_Number", "Nd"},
      {"Nonspacing_Mark", "Mn"},
      {"Space_Separator", "Zs"},
      {"Control", "Cc"},
      {"Format", "Cf"},
  }};
  for (const auto& [longer, shorter] : kNames) {
    if (longer == name) return shorter;
  }
  return name;
}

/// What \w means; of the numbers that are no digits, Oniguruma takes those of Latin-1 only.
constexpr std::string_view kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE})";

/// `[:…:]` names that mean more than PCRE2 thinks.
std::string_view posix_class(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kClasses{{
      {"alpha", R"(\p{Alphabetic})"},
      {"alnum", R"(\p{Alphabetic}\p{Nd})"},
      {"digit", R"(\p{Nd})"},
      {"lower", R"(\p{Lowercase})"},
      {"upper", R"(\p{Uppercase})"},
      {"punct", R"(\p{P}\p{S})"},
      {"space", R"(\p{wspace})"},
      {"word", kWord},
  }};
  for (const auto& [known, meaning] : kClasses) {
    if (known == name) return meaning;
  }
  return {};
}

class Translator {
 public:
  Translator(std::string_view pattern, const std::string& where) : in_(pattern), where_(where) {}

  std::string run() {
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == '\\') {
        escape();
      } else if (c == '[') {
        character_class();
      } else if (c == '(' && in_.substr(at_, 2) == "(?") {
        group_options();
      } else if (c == '}' && in_.substr(at_, 2) == "}+" && closes_repetition()) {
        refuse("'{n,m}+' (a repetition of a repetition in this syntax)");
      } else {
        copy(1);
      }
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    core::fail_request("{}: the pattern {} uses {}, which is not supported", where_, in_, what);
  }

  void copy(std::size_t count) {
    out_.append(in_.substr(at_, count));
    at_ += count;
  }

  bool closes_repetition() const {
    const std::size_t open = in_.rfind('{', at_);
    if (open == std::string_view::npos || open + 1 == at_) return false;
    return in_.substr(open + 1, at_ - open - 1).find_first_not_of("0123456789,") == std::string_view::npos;
  }

  void escape() {
    if (at_ + 1 >= in_.size()) refuse("a lone backslash at its end");
    const char c = in_[at_ + 1];
    switch (c) {
      case 's':
        return replace(2, R"(\p{wspace})");
      case 'S':
        return replace(2, R"(\P{wspace})");
      case 'd':
        return replace(2, R"(\p{Nd})");
      case 'D':
        return replace(2, R"(\P{Nd})");
      case 'h':
        return replace(2, in_class_ ? "0-9a-fA-F" : "[0-9a-fA-F]");
      case 'w':
        return replace(2, in_class_ ? std::string(kWord) : fmt::format("[{}]", kWord));
      case 'H':
      case 'W':
        if (in_class_) refuse(fmt::format("'\\{}' inside a class", c));
        return replace(2, c == 'H' ? "[^0-9a-fA-F]" : fmt::format("[^{}]", kWord));
      case 'b':
        if (in_class_) return copy(2);
        return replace(2, fmt::format("(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))", kWord));
      case 'B':
        return replace(2, fmt::format("(?:(?<=[{0}])(?=[{0}])|(?<![{0}])(?![{0}]))", kWord));
      case 'p':
      case 'P':
        return property();
      case 'u':
        return unicode_escape();
      default:
        return copy(2);
    }
  }

  void replace(std::size_t count, std::string_view with) {
    out_ += with;
    at_ += count;
  }

  /// \p{…}: a script's name means the script itself; PCRE2 alone would take script extensions too.
  void property() {
    const std::size_t close = in_.find('}', at_);
    if (in_.substr(at_ + 2, 1) != "{" || close == std::string_view::npos) return copy(2);
    std::string_view name = in_.substr(at_ + 3, close - at_ - 3);
    const bool inverted = name.starts_with('^');
    if (inverted) name.remove_prefix(1);
    std::string chosen(short_category(name));
    if (chosen.size() > 2 && compiles(fmt::format("\\p{{sc:{}}}", chosen))) chosen = "sc:" + chosen;
    out_ += fmt::format("\\{}{{{}{}}}", in_[at_ + 1], inverted ? "^" : "", chosen);
    at_ = close + 1;
  }

  /// \uHHHH → \x{HHHH}
  void unicode_escape() {
    const std::string_view digits = in_.substr(at_ + 2, 4);
    if (digits.size() != 4 || digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) {
      refuse("'\\u' without four hex digits");
    }
    replace(6, fmt::format("\\x{{{}}}", digits));
  }

  void character_class() {
    copy(1);
    in_class_ = true;
    if (in_.substr(at_, 1) == "^") copy(1);
    if (in_.substr(at_, 1) == "]") copy(1);
    while (at_ < in_.size() && in_[at_] != ']') {
      const std::string_view two = in_.substr(at_, 2);
      if (two == "[:") {
        const std::size_t close = in_.find(":]", at_);
        if (close == std::string_view::npos) refuse("a '[:' without ':]'");
        const std::string_view meaning = posix_class(in_.substr(at_ + 2, close - at_ - 2));
        meaning.empty() ? copy(close + 2 - at_) : replace(close + 2 - at_, meaning);
      } else if (two[0] == '[' || two == "&&") {
        refuse(two[0] == '[' ? "a class inside a class" : "an intersection of classes ('&&')");
      } else if (two[0] == '\\') {
        escape();
      } else {
        copy(1);
      }
    }
    in_class_ = false;
    if (at_ < in_.size()) copy(1);
  }

  /// (?m) is "dot matches newline" in Ruby, PCRE2's (?s).
  void group_options() {
    copy(2);
    std::size_t end = at_;
    while (end < in_.size() && (in_[end] == 'i' || in_[end] == 'm' || in_[end] == 'x' || in_[end] == '-'))
      ++end;
    if (end >= in_.size() || (in_[end] != ')' && in_[end] != ':')) return;
    for (; at_ < end; ++at_) out_ += in_[at_] == 'm' ? 's' : in_[at_];
  }

  std::string_view in_;
  const std::string& where_;
  std::string out_;
  std::size_t at_ = 0;
  bool in_class_ = false;
};

}  // namespace

std::string to_pcre2(std::string_view pattern, const std::string& where) {
  return Translator(pattern, where).run();
}

}  // namespace attune::text
