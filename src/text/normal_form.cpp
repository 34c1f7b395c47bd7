// Unicode normal forms, and which characters a normal form is made of.
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uniset.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "core/error.h"
#include "text/unicode.h"

namespace attune::text {
namespace {

void require(UErrorCode status) {
  if (U_FAILURE(status)) core::fail_run("Unicode normalisation is not available: {}", u_errorName(status));
}

const icu::Normalizer2& normalizer_of(NormalForm form) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = form == NormalForm::kNfc   ? icu::Normalizer2::getNFCInstance(status)
                                       : form == NormalForm::kNfd ? icu::Normalizer2::getNFDInstance(status)
                                       : form == NormalForm::kNfkc
                                           ? icu::Normalizer2::getNFKCInstance(status)
                                           : icu::Normalizer2::getNFKDInstance(status);
  require(status);
  return *normalizer;
}

/// The characters of Unicode 9, whose normal forms never change.
const icu::UnicodeSet& stable_characters() {
  static const std::unique_ptr<const icu::UnicodeSet> set = [] {
    UErrorCode status = U_ZERO_ERROR;
    auto made = std::make_unique<icu::UnicodeSet>(UNICODE_STRING_SIMPLE("[:age=9.0:]"), status);
    require(status);
    made->freeze();
    return made;
  }();
  return *set;
}

/// A character of a normal form. `change` says how it came from the text: 0 takes the place of one character,
/// 1 is put in after one, -n takes the place of one and n more.
struct FormedCharacter {
  char32_t value;
  int change;
};

/// Decomposed characters in canonical order.
std::vector<FormedCharacter> decomposed(std::string_view text, const icu::Normalizer2& normalizer) {
  std::vector<FormedCharacter> out;
  std::size_t pending = 0;  // marks from here on are not ordered yet
  const auto class_of = [&](char32_t c) -> int {
    const auto code = static_cast<UChar32>(c);
    return stable_characters().contains(code) ? normalizer.getCombiningClass(code) : 0;
  };
  const auto put_in_order = [&] {
    std::stable_sort(out.begin() + static_cast<std::ptrdiff_t>(pending), out.end(),
                     [&](const auto& a, const auto& b) { return class_of(a.value) < class_of(b.value); });
    pending = out.size();
  };
  const auto add = [&](char32_t c, int change) {
    if (class_of(c) == 0) put_in_order();
    out.push_back({c, change});
  };
  while (!text.empty()) {
    const CodePoint c = next_code_point(text);
    text.remove_prefix(c.length);
    icu::UnicodeString parts;
    const auto code = static_cast<UChar32>(c.value);
    if (!stable_characters().contains(code) || normalizer.getDecomposition(code, parts) == 0) {
      add(c.value, 0);
      continue;
    }
    for (std::int32_t at = 0; at < parts.length(); at = parts.moveIndex32(at, 1))
      add(static_cast<char32_t>(parts.char32At(at)), at == 0 ? 0 : 1);
  }
  put_in_order();
  return out;
}

/// Joins what composes (Unicode 3.11): a mark with the last starter, unless one of its class or higher stands
/// between them.
std::vector<FormedCharacter> composed(const std::vector<FormedCharacter>& parts,
                                      const icu::Normalizer2& normalizer) {
  std::vector<FormedCharacter> out;
  std::optional<std::size_t> starter;
  int last_class = -1;  // of what stands between the starter and here; -1: nothing does
  for (const FormedCharacter& part : parts) {
    const auto code = static_cast<UChar32>(part.value);
    const bool stable = stable_characters().contains(code);
    const int part_class = stable ? normalizer.getCombiningClass(code) : 0;
    if (starter && stable && last_class < part_class) {
      const UChar32 joined = normalizer.composePair(static_cast<UChar32>(out[*starter].value), code);
      if (joined >= 0 && stable_characters().contains(joined)) {
        out[*starter] = {static_cast<char32_t>(joined), out[*starter].change + part.change - 1};
        continue;
      }
    }
    if (part_class == 0) {
      starter = out.size();
      last_class = -1;
    } else if (starter) {
      last_class = part_class;
    }
    out.push_back(part);
  }
  return out;
}

}  // namespace

std::string to_normal_form(std::string_view text, NormalForm form) {
  if (is_ascii(text)) return std::string(text);
  const icu::Normalizer2& normalizer = normalizer_of(form);
  std::string out;
  out.reserve(text.size());
  icu::StringByteSink<std::string> sink(&out);
  for (bool stable = true; !text.empty(); stable = !stable) {
    const auto length = static_cast<std::int32_t>(text.size());
    const auto span = stable_characters().spanUTF8(text.data(), length,
                                                   stable ? USET_SPAN_CONTAINED : USET_SPAN_NOT_CONTAINED);
    if (stable) {
      UErrorCode status = U_ZERO_ERROR;
      normalizer.normalizeUTF8(0, icu::StringPiece(text.data(), span), sink, nullptr, status);
      require(status);
    } else {
      out.append(text.substr(0, static_cast<std::size_t>(span)));
    }
    text.remove_prefix(static_cast<std::size_t>(span));
  }
  return out;
}

std::string to_normal_form(std::string_view text, NormalForm form, std::vector<std::size_t>& sources) {
  const icu::Normalizer2& normalizer = normalizer_of(form);
  std::vector<FormedCharacter> formed = decomposed(text, normalizer);
  if (form == NormalForm::kNfc || form == NormalForm::kNfkc) formed = composed(formed, normalizer);
  std::string out;
  sources.clear();
  std::size_t at = 0;
  const auto skip = [&](int characters) {
    for (; characters > 0 && at < text.size(); --characters) at += next_code_point(text.substr(at)).length;
  };
  for (const FormedCharacter& character : formed) {
    const std::size_t source =
        character.change > 0 || at >= text.size() ? std::max<std::size_t>(at, 1) - 1 : at;
    append_utf8(out, character.value);
    sources.resize(out.size(), source);
    if (character.change <= 0) skip(1 - character.change);
  }
  return out;
}

}  // namespace attune::text
