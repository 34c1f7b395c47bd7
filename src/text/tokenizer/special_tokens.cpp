#include "text/tokenizer/special_tokens.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "core/error.h"
#include "core/files/files.h"

namespace attune::text {
namespace {

using core::Json;

constexpr std::array<std::string_view, 7> kNames{"bos_token", "eos_token", "unk_token", "sep_token",
                                                 "pad_token", "cls_token", "mask_token"};

AddedToken checked(AddedToken token, const std::string& where) {
  if (token.content.size() > TokenFinder::kMaxContent) {
    core::fail_request("{}: this token has {} bytes, more than the {} that are allowed", where,
                       token.content.size(), TokenFinder::kMaxContent);
  }
  return token;
}

/// A string, which makes a special token, or an object with content and flags.
AddedToken read_token(const Json& value, bool special_by_default, const std::string& where) {
  AddedToken token;
  if (value.is_string()) {
    token.content = value.get<std::string>();
    token.special = true;
    token.normalized = false;
    return checked(std::move(token), where);
  }
  const auto flag = [&](const char* key, bool fallback) {
    const auto found = value.find(key);
    if (found == value.end() || found->is_null()) return fallback;
    if (!found->is_boolean()) core::fail_request("{}.{}: true or false is needed here", where, key);
    return found->get<bool>();
  };
  const auto content = value.is_object() ? value.find("content") : value.end();
  if (!value.is_object() || content == value.end() || !content->is_string()) {
    core::fail_request("{}: a string or an object with \"content\" is needed here", where);
  }
  token.content = content->get<std::string>();
  token.special = flag("special", special_by_default);
  token.normalized = flag("normalized", !token.special);
  token.single_word = flag("single_word", false);
  token.lstrip = flag("lstrip", false);
  token.rstrip = flag("rstrip", false);
  return checked(std::move(token), where);
}

std::int64_t read_id(std::string_view text, const std::string& where) {
  std::int64_t id = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id < 0 || id > kMaxTokenId) {
    core::fail_request("{}: \"{}\" is not a token id from 0 to {}", where, text, kMaxTokenId);
  }
  return id;
}

class SettingsReader {
 public:
  SettingsReader(const std::string& folder, const Json& config) : folder_(folder), config_(config) {}

  TokenSettings read(const std::vector<std::pair<std::int64_t, AddedToken>>& file_tokens,
                     const std::vector<std::pair<std::string, std::string>>& defaults) {
    const std::string where = folder_ + "/tokenizer_config.json";
    for (const auto& [key, value] : config_.items()) named_or_extra(key, value, where);
    if (const auto decoder = config_.find("added_tokens_decoder");
        decoder != config_.end() && !decoder->is_null()) {
      read_decoder(*decoder, where + ": added_tokens_decoder");
    } else {
      read_older_files();
      for (const auto& [id, token] : file_tokens) out_.by_id[id] = token;
    }
    for (const auto& [name, content] : defaults) {
      if (!mentioned(name)) set_named(name, {.content = content, .normalized = false, .special = true});
    }
    take_flags();
    std::stable_sort(out_.named.begin(), out_.named.end(),
                     [](const auto& a, const auto& b) { return rank(a.name) < rank(b.name); });
    return std::move(out_);
  }

 private:
  static std::size_t rank(std::string_view name) {
    return static_cast<std::size_t>(std::find(kNames.begin(), kNames.end(), name) - kNames.begin());
  }

  bool mentioned(const std::string& name) const {
    return config_.contains(name) || out_.find(name) != nullptr;
  }

  void set_named(const std::string& name, AddedToken token) {
    for (auto& entry : out_.named) {
      if (entry.name == name) {
        entry.token = std::move(token);
        return;
      }
    }
    out_.named.push_back({name, std::move(token)});
  }

  void named_or_extra(const std::string& key, const Json& value, const std::string& file) {
    const std::string where = fmt::format("{}: {}", file, key);
    if (key == "additional_special_tokens" || key == "extra_special_tokens") {
      if (value.is_array()) {
        for (const auto& token : value) add_extra(read_token(token, true, where));
      } else if (value.is_object()) {
        for (const auto& [name, token] : value.items()) set_named(name, read_token(token, true, where));
      }
    } else if (key.ends_with("_token") && (value.is_string() || value.is_object())) {
      if (rank(key) == kNames.size() && !value.is_string() && !value.contains("content")) return;
      set_named(key, read_token(value, false, where));
    }
  }

  void add_extra(AddedToken token) {
    const auto same = [&](const AddedToken& other) { return other.content == token.content; };
    if (std::none_of(out_.extra.begin(), out_.extra.end(), same)) out_.extra.push_back(std::move(token));
  }

  void read_decoder(const Json& decoder, const std::string& where) {
    if (!decoder.is_object()) core::fail_request("{}: an object {{id: token}} is needed here", where);
    for (const auto& [id, token] : decoder.items()) {
      out_.by_id[read_id(id, where)] = read_token(token, false, fmt::format("{}.{}", where, id));
    }
  }

  void read_older_files() {
    const std::string map_file = folder_ + "/special_tokens_map.json";
    if (core::fs::exists(map_file)) {
      const Json map = core::read_json_file(map_file);
      if (!map.is_object()) core::fail_request("{}: an object is needed", map_file);
      for (const auto& [key, value] : map.items()) {
        Json token = value;
        if (token.is_object() && token.contains("content")) token["special"] = true;
        named_or_extra(key, token, map_file);
      }
    }
    const std::string added_file = folder_ + "/added_tokens.json";
    if (!core::fs::exists(added_file)) return;
    const Json added = core::read_json_file(added_file);
    if (!added.is_object()) core::fail_request("{}: an object {{token: id}} is needed", added_file);
    for (const auto& [content, id] : added.items()) {
      const bool special = is_named(content);
      out_.by_id[read_id(id.dump(), added_file)] =
          checked({.content = content, .normalized = !special, .special = special}, added_file);
    }
  }

  bool is_named(const std::string& content) const {
    const auto named = [&](const auto& entry) { return entry.token.content == content; };
    const auto extra = [&](const AddedToken& token) { return token.content == content; };
    return std::any_of(out_.named.begin(), out_.named.end(), named) ||
           std::any_of(out_.extra.begin(), out_.extra.end(), extra);
  }

  /// A named token has the flags that added_tokens_decoder states for the same content.
  void take_flags() {
    for (auto& [name, token] : out_.named) {
      if (rank(name) == kNames.size()) continue;
      for (const auto& [id, stated] : out_.by_id) {
        if (stated.content == token.content) token = stated;
      }
    }
  }

  const std::string& folder_;
  const Json& config_;
  TokenSettings out_;
};

}  // namespace

const AddedToken* TokenSettings::find(const std::string& name) const {
  for (const auto& entry : named) {
    if (entry.name == name) return &entry.token;
  }
  return nullptr;
}

std::vector<AddedToken> TokenSettings::to_add() const {
  std::vector<AddedToken> out;
  const auto add_new = [&](const AddedToken& token) {
    const auto same = [&](const AddedToken& other) { return other.content == token.content; };
    if (std::none_of(out.begin(), out.end(), same)) out.push_back(token);
  };
  for (const auto& [id, token] : by_id) out.push_back(token);
  for (const auto& [name, token] : named) add_new(token);
  for (const auto& token : extra) add_new(token);
  for (AddedToken& token : out) {
    for (const auto& entry : named) {
      if (entry.token.content == token.content) token.special = true;
    }
  }
  return out;
}

TokenSettings read_token_settings(const std::string& folder, const Json& config,
                                  const std::vector<std::pair<std::int64_t, AddedToken>>& file_tokens,
                                  const std::vector<std::pair<std::string, std::string>>& defaults) {
  return SettingsReader(folder, config).read(file_tokens, defaults);
}

}  // namespace attune::text
