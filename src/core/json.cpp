#include "core/json.h"

#include <set>
#include <vector>

#include "core/error.h"
#include "core/files/files.h"

namespace attune::core {
namespace {

/// Builds the document while watching depth and duplicate keys, which nlohmann's own builder allows. It also
/// looks every key up among those before it, so that its time grows with the square of an object's size.
class StrictBuilder : public nlohmann::json_sax<Json> {
 public:
  StrictBuilder(Json& root, std::size_t max_keys) : root_(root), max_keys_(max_keys) {}
  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const std::string&) override { return add(value); }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // JSON text has none
  bool start_object(std::size_t) override {
    open(Json::object());
    keys_.emplace_back();
    return true;
  }
  bool key(std::string& name) override {
    if (!keys_.back().insert(name).second) throw std::runtime_error("duplicate key \"" + name + "\"");
    if (keys_.back().size() > max_keys_)
      throw std::runtime_error(fmt::format("an object with more than {} keys", max_keys_));
    key_ = std::move(name);
    return true;
  }
  bool end_object() override {
    keys_.pop_back();
    open_.pop_back();
    return true;
  }
  bool start_array(std::size_t) override {
    open(Json::array());
    return true;
  }
  bool end_array() override {
    open_.pop_back();
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) override {
    throw std::runtime_error(error.what());
  }

 private:
  bool add(Json value) {
    place(std::move(value));
    return true;
  }
  void open(Json empty) {
    if (open_.size() >= static_cast<std::size_t>(kMaxJsonDepth))
      throw std::runtime_error(fmt::format("nested deeper than {} levels", kMaxJsonDepth));
    open_.push_back(place(std::move(empty)));
  }
  /// Where the value now stands; valid until its parent gets another.
  Json* place(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back();
    if (parent.is_object()) return append_member(parent, std::move(key_), std::move(value));
    parent.push_back(std::move(value));
    return &parent.back();
  }

  Json& root_;
  std::size_t max_keys_;
  std::vector<Json*> open_;
  std::vector<std::set<std::string>> keys_;
  std::string key_;
};

bool parse(std::string_view text, std::size_t max_keys, Json& out, std::string& why) {
  try {
    out = Json();
    StrictBuilder builder(out, max_keys);
    Json::sax_parse(text.begin(), text.end(), &builder);
    return true;
  } catch (const std::exception& error) {
    why = error.what();
    const auto bracket = why.find("] ");  // drop nlohmann's "[json.exception.parse_error.101] "
    if (why.rfind("[json", 0) == 0 && bracket != std::string::npos) why = why.substr(bracket + 2);
    return false;
  }
}

}  // namespace

Json* append_member(Json& object, std::string key, Json value) {
  auto& members = object.get_ref<Json::object_t&>();
  members.emplace_back(std::move(key), std::move(value));
  return &members.back().second;
}

bool try_parse_json(std::string_view text, Json& out, std::string& why) {
  return parse(text, kMaxItemKeys, out, why);
}

Json parse_json(std::string_view text, std::string_view where) {
  Json out;
  std::string why;
  if (!parse(text, std::string::npos, out, why)) fail_request("{}: not valid JSON: {}", where, why);
  return out;
}

std::string to_line(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json read_json_file(const std::string& path) { return parse_json(read_file(path), path); }

}  // namespace attune::core
