// Small JSON documents: parsing text from outside safely, and printing numbers so that they read back.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace attune::core {

/// Keeps the order of keys, as every file that we write or re-save must. Lookup is linear in the number of
/// keys: not for vocabularies.
using Json = nlohmann::ordered_json;

/// Deepest nesting accepted from outside.
inline constexpr int kMaxJsonDepth = 256;
/// Most keys of one object in an item among many (a row, an answer): what is done with them looks keys up one
/// by one.
inline constexpr std::size_t kMaxItemKeys = 10'000;

/// Parses UTF-8 JSON text. Refuses invalid UTF-8, duplicate keys, and nesting beyond `kMaxJsonDepth`.
/// @param where names the source in messages, e.g. "model/config.json" or "prefs.jsonl:17".
/// @throws Error{kRequest}
Json parse_json(std::string_view text, std::string_view where);

/// As above, for one item among many: an unparsable text is an ItemError instead of an exception.
/// Objects have at most `kMaxItemKeys` keys.
/// (Declared in terms of optional to keep error.h out of hot paths: empty means bad, `why` says why.)
bool try_parse_json(std::string_view text, Json& out, std::string& why);

/// Adds a member whose key is known not to be there yet, without looking for it. Returns where its value
/// stands.
Json* append_member(Json& object, std::string key, Json value);

/// One line of JSON: doubles with 17 significant digits at most (shortest that reads back), NaN and
/// infinities as null, invalid UTF-8 replaced.
std::string to_line(const Json& value);

/// Reads and parses a whole file. @throws Error{kRequest}: missing, empty, or not JSON.
Json read_json_file(const std::string& path);

}  // namespace attune::core
