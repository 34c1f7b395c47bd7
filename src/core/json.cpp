#include "core/json.h"

#include <set>
#include <vector>

#include "core/error.h"
#include "core/files.h"

namespace attune::core {
namespace {

/// Builds the document while watching depth and duplicate keys; nlohmann's own DOM parser allows both.
class StrictBuilder : public nlohmann::detail::json_sax_dom_parser<Json> {
  using Base = nlohmann::detail::json_sax_dom_parser<Json>;

 public:
  explicit StrictBuilder(Json& root) : Base(root, true) {}
  bool start_object(std::size_t count) {
    deepen();
    keys_.emplace_back();
    return Base::start_object(count);
  }
  bool key(std::string& name) {
    if (!keys_.back().insert(name).second) throw std::runtime_error("duplicate key \"" + name + "\"");
    return Base::key(name);
  }
  bool end_object() {
    --depth_;
    keys_.pop_back();
    return Base::end_object();
  }
  bool start_array(std::size_t count) {
    deepen();
    return Base::start_array(count);
  }
  bool end_array() {
    --depth_;
    return Base::end_array();
  }

 private:
  void deepen() {
    if (++depth_ > kMaxJsonDepth)
      throw std::runtime_error(fmt::format("nested deeper than {} levels", kMaxJsonDepth));
  }
  int depth_ = 0;
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

bool try_parse_json(std::string_view text, Json& out, std::string& why) {
  try {
    out = Json();
    StrictBuilder builder(out);
    Json::sax_parse(text.begin(), text.end(), &builder);
    return true;
  } catch (const std::exception& error) {
    why = error.what();
    const auto bracket = why.find("] ");  // drop nlohmann's "[json.exception.parse_error.101] "
    if (why.rfind("[json", 0) == 0 && bracket != std::string::npos) why = why.substr(bracket + 2);
    return false;
  }
}

Json parse_json(std::string_view text, std::string_view where) {
  Json out;
  std::string why;
  if (!try_parse_json(text, out, why)) fail_request("{}: not valid JSON: {}", where, why);
  return out;
}

std::string to_line(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json read_json_file(const std::string& path) { return parse_json(read_file(path), path); }

}  // namespace attune::core
