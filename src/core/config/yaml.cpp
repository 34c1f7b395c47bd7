// YAML in. yaml-cpp does the scanning; building the tree ourselves from its events keeps line numbers
// and lets us refuse what it silently accepts (duplicate keys, alias bombs).
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <sstream>

#include "core/ascii.h"
#include "core/config/value.h"
#include "core/error.h"

namespace attune::core {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::int64_t kMaxAliasNodes = 10'000;
constexpr std::size_t kMaxBytes = std::size_t{4} << 20;  // the scanner needs up to 250 bytes for one
constexpr std::size_t kMaxKeyBytes = 1000;
constexpr std::size_t kMaxPlace = 60;

/// Names the place of a mark. An argument is one place, a file has lines.
class Places {
 public:
  Places(std::string source, bool lines) : source_(std::move(source)), lines_(lines) {}
  std::string at(int line) const { return lines_ ? fmt::format("{}:{}", source_, line + 1) : source_; }

 private:
  std::string source_;
  bool lines_;
};

/// The scanner takes no longer ones before a ':', and what was read must be writable.
void check_key(const std::string& key, const std::string& place) {
  if (to_yaml(Json(key)).size() - 1 > kMaxKeyBytes)  // a line
    fail_request("{}: a key of more than {} bytes", place, kMaxKeyBytes);
}

std::int64_t count_nodes(const Value& value) {
  std::int64_t count = 1;
  for (const Value& item : value.items()) count += count_nodes(item);
  for (const auto& entry : value.entries()) count += count_nodes(entry.second);
  return count;
}

std::size_t depth_of(const Value& value) {
  std::size_t depth = 0;
  for (const Value& item : value.items()) depth = std::max(depth, depth_of(item));
  for (const auto& entry : value.entries()) depth = std::max(depth, depth_of(entry.second));
  return depth + 1;
}

/// Whether the quote that stands at `at` is closed. The scanner takes the end of the text for one that is not, and
/// with it whatever follows.
bool is_closed(std::string_view text, std::size_t at) {
  const char quote = text[at];
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\')
      ++i;
    else if (quote == '\'' && text.substr(i, 2) == "''")
      ++i;
    else if (text[i] == quote)
      return true;
  }
  return false;
}

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, const Places& places)
      : text_(text), places_(places), root_(Value::null(places.at(0))) {}
  Value take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (wants_key()) fail_request("{}: a key is missing before ':'", place(mark));
    // The mark of an empty value is where the next thing stands; the key says better what is meant.
    const bool of_key = !open_.empty() && open_.back().has_key;
    add(Value::null(of_key ? open_.back().key_place : place(mark)), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    check_tag(mark, tag);
    check_quote(mark);
    if (wants_key()) return add_key(mark, text);
    const bool quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    add(Value::scalar(text, quoted, place(mark)), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail_request("{}: an alias may not contain itself", place(mark));
    if (wants_key()) fail_request("{}: an alias cannot be a key", place(mark));
    alias_nodes_ += count_nodes(found->second);
    if (alias_nodes_ > kMaxAliasNodes) {
      fail_request("{}: aliases expand to more than {} values; write them out", place(mark), kMaxAliasNodes);
    }
    if (open_.size() + depth_of(found->second) > kMaxDepth) too_deep(mark);
    add(found->second, 0);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, Value::list({}, place(mark)), anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, Value::map({}, place(mark)), anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Value::Kind kind;
    std::string place;
    YAML::anchor_t anchor;
    std::vector<Value> items;
    std::vector<std::pair<std::string, Value>> entries;
    std::set<std::string> keys;
    bool has_key = false;
    std::string key, key_place;
  };

  std::string place(const YAML::Mark& mark) const { return places_.at(mark.line); }
  [[noreturn]] void too_deep(const YAML::Mark& mark) const {
    fail_request("{}: nested deeper than {} levels", place(mark), kMaxDepth);
  }
  bool wants_key() const {
    return !open_.empty() && open_.back().kind == Value::Kind::kMap && !open_.back().has_key;
  }

  void check_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (tag == "?" || tag == "!" || tag.empty() || tag.rfind("tag:yaml.org,2002:", 0) == 0) return;
    fail_request("{}: the tag '{}' is not supported", place(mark), tag);
  }

  void check_quote(const YAML::Mark& mark) const {
    const auto at = static_cast<std::size_t>(std::max(mark.pos, 0));
    if (at < text_.size() && (text_[at] == '"' || text_[at] == '\'') && !is_closed(text_, at))
      fail_request("{}: the quote that opens here is not closed", place(mark));
  }

  void add_key(const YAML::Mark& mark, const std::string& key) {
    Open& map = open_.back();
    if (key == "<<")
      fail_request("{}: merge keys ('<<') are not supported; write the settings out", place(mark));
    if (!map.keys.insert(key).second) fail_request("{}: the key '{}' is given twice", place(mark), key);
    check_key(key, place(mark));
    if (map.keys.size() > kMaxItemKeys)
      fail_request("{}: a map with more than {} keys", place(mark), kMaxItemKeys);
    map.key = key;
    map.key_place = place(mark);
    map.has_key = true;
  }

  void open(const YAML::Mark& mark, const std::string& tag, const Value& empty, YAML::anchor_t anchor) {
    check_tag(mark, tag);
    if (wants_key()) fail_request("{}: a key must be a plain word, found {}", place(mark), empty.described());
    if (open_.size() >= kMaxDepth) too_deep(mark);
    open_.push_back({.kind = empty.kind(),
                     .place = empty.place(),
                     .anchor = anchor,
                     .items = {},
                     .entries = {},
                     .keys = {},
                     .key = {},
                     .key_place = {}});
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    if (done.kind == Value::Kind::kList) {
      add(Value::list(std::move(done.items), std::move(done.place)), done.anchor);
    } else {
      add(Value::map(std::move(done.entries), std::move(done.place)), done.anchor);
    }
  }

  void add(Value value, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = value;
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    Open& parent = open_.back();
    if (parent.kind == Value::Kind::kList) {
      parent.items.push_back(std::move(value));
    } else {
      parent.entries.emplace_back(parent.key, std::move(value));
      parent.has_key = false;
    }
  }

  std::string_view text_;
  const Places& places_;
  Value root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Value> anchors_;
  std::int64_t alias_nodes_ = 0;
};

/// What the scanner would misread (it takes byte 4 for the end of the text) or pass on unchecked.
void check_bytes(std::string_view text, const Places& places) {
  const auto line_of = [&](std::size_t at) {
    return static_cast<int>(std::count(text.begin(), text.begin() + at, '\n'));
  };
  if (text.size() > kMaxBytes) fail_request("{}: larger than {} MiB", places.at(0), kMaxBytes >> 20);
  const std::size_t bad = find_invalid_utf8(text);
  if (bad != std::string_view::npos) fail_request("{}: not valid UTF-8", places.at(line_of(bad)));
  const auto control = std::find_if(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7F;
  });
  if (control != text.end()) {
    fail_request("{}: the control character 0x{:02x} is not allowed here",
                 places.at(line_of(static_cast<std::size_t>(control - text.begin()))),
                 static_cast<int>(*control));
  }
}

Value parse(std::string_view text, const Places& places) {
  check_bytes(text, places);
  std::istringstream stream{std::string(text)};
  try {
    YAML::Parser parser(stream);
    TreeBuilder builder(text, places);
    parser.HandleNextDocument(builder);
    TreeBuilder second(text, places);
    if (parser && parser.HandleNextDocument(second)) {
      fail_request("{}: holds more than one YAML document", places.at(0));
    }
    return builder.take();
  } catch (const YAML::Exception& error) {
    fail_request("{}: not valid YAML: {}", places.at(std::max(error.mark.line, 0)), error.msg);
  }
}

}  // namespace

std::size_t find_invalid_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned lead = byte(i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const std::size_t length = lead >= 0xF0 && lead <= 0xF4  ? 4
                               : lead >= 0xE0 && lead < 0xF0 ? 3
                               : lead >= 0xC2 && lead < 0xE0 ? 2
                                                             : 0;
    if (length == 0) return i;
    // The second byte excludes overlong forms, surrogates and what is beyond U+10FFFF.
    const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (byte(i + 1) < low || byte(i + 1) > high) return i;
    for (std::size_t k = 2; k < length; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return i;
    }
    i += length;
  }
  return std::string_view::npos;
}

Value parse_yaml(std::string_view text, const std::string& source) {
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  return parse(text, Places(source, true));
}

std::pair<std::string, Value> parse_argument(std::string_view argument,
                                             const std::vector<std::string>& verbatim) {
  std::string shown(argument.substr(0, std::min(argument.size(), kMaxPlace)));
  std::replace_if(shown.begin(), shown.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  if (shown.size() < argument.size()) {
    while (!shown.empty() && find_invalid_utf8(shown) != std::string::npos) shown.pop_back();
    shown += "…";
  }
  const std::string place = "argument '" + shown + "'";
  const std::size_t equals = argument.find('=');
  if (equals == std::string_view::npos) fail_request("{}: write settings as key=value", place);
  const std::string key(argument.substr(0, equals));
  const std::string_view text = argument.substr(equals + 1);
  const bool dots =
      key.empty() || key.front() == '.' || key.back() == '.' || key.find("..") != std::string::npos;
  check_key(key, place);
  if (dots || find_invalid_utf8(key) != std::string_view::npos ||
      std::any_of(key.begin(), key.end(),
                  [](unsigned char c) { return std::isspace(c) || c < 0x20 || c == 0x7F; })) {
    fail_request("{}: '{}' is not a key; write settings as key=value, e.g. method.beta=0.2", place, key);
  }
  if (std::find(verbatim.begin(), verbatim.end(), key) != verbatim.end()) {
    return {key, Value::scalar(std::string(text), true, place)};
  }
  return {key, parse(text, Places(place, false))};
}

}  // namespace attune::core
