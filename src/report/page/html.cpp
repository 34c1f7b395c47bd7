#include "report/page/html.h"

#include "core/error.h"

namespace attune::report {

std::string escape(std::string_view text) {
  std::string safe;
  safe.reserve(text.size() + text.size() / 8);
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7f) {
          safe += "\xef\xbf\xbd";
        } else {
          safe += c;
        }
    }
  }
  return safe;
}

std::string script_json(const core::Json& value) {
  std::string safe;
  for (const char c : core::to_line(value)) {
    if (c == '<') {
      safe += "\\u003c";
    } else if (c != '\n') {
      safe += c;
    }
  }
  return safe;
}

std::string cut(std::string_view text, std::size_t bytes) {
  if (text.size() <= bytes) return std::string(text);
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) --bytes;
  return std::string(text.substr(0, bytes)) + "…";
}

std::string fill_template(std::string_view text,
                          const std::map<std::string, std::string, std::less<>>& values) {
  std::string page;
  for (std::size_t at = text.find("{{"); at != std::string_view::npos; at = text.find("{{")) {
    const std::size_t end = text.find("}}", at);
    ATTUNE_ASSERT(end != std::string_view::npos);
    const auto value = values.find(text.substr(at + 2, end - at - 2));
    ATTUNE_ASSERT(value != values.end());
    page.append(text.substr(0, at)).append(value->second);
    text.remove_prefix(end + 2);
  }
  return page.append(text);
}

}  // namespace attune::report
