#include "generation/decoding.h"

#include <algorithm>

#include "core/config/nearest.h"
#include "core/error.h"

namespace attune::generation {
namespace {

constexpr std::string_view kPlain = "sample";

std::unique_ptr<Decoding> technique_named(const std::string& name, const std::string& place,
                                          const std::string& key) {
  std::vector<std::string> known;
  for (const auto& [entry, make] : decoding_entries()) {
    if (entry == name) return make();
    known.emplace_back(entry);
  }
  core::fail_request("{}: {} names no decoding technique: '{}'{}", place, key, name,
                     core::did_you_mean(name, known));
}

std::unique_ptr<Decoding> one_technique(const core::Value& settings, const SamplingOptions& options,
                                        const std::string& key) {
  const core::Value* name = settings.is_map() ? settings.find("name") : &settings;
  if (!name || !name->is_scalar()) {
    core::fail_request(
        "{}: {} is {}; write a technique's name, or {{name: …, options…}}, see attune list decoding",
        settings.place(), key, settings.described());
  }
  auto technique = technique_named(name->text(), name->place(), key);
  technique->take_settings(options);
  core::Fields fields = technique->fields();
  if (settings.is_map()) fields.assign_all(settings, key, {"name"});
  technique->check();
  return technique;
}

/// What is drawn from where no technique says otherwise.
class Plainly {
 public:
  using Techniques = std::vector<std::unique_ptr<Decoding>>;

  Plainly(Techniques& techniques, const SamplingOptions& options, const std::string& key)
      : techniques_(techniques), options_(options), key_(key) {}

  void add() {
    const auto asked = asked_for();
    const auto after = std::ranges::find_if(asked, [](const auto& filter) { return filter.first >= 0; });
    const bool between = after != asked.begin();
    if (is_named(kPlain)) {
      append({asked.begin(), after}, options_);
    } else if (between) {
      SamplingOptions heated = options_, rest;
      heated.top_k = 0;
      heated.top_p = 1;
      heated.min_p = 0;
      rest.top_k = options_.top_k;
      rest.top_p = options_.top_p;
      rest.min_p = options_.min_p;
      append(kPlain, heated);
      append({asked.begin(), after}, options_);
      append(kPlain, rest);
    } else {
      append(kPlain, options_);
    }
    append({after, asked.end()}, options_);
  }

 private:
  using Filters = std::vector<std::pair<int, std::string_view>>;  ///< places and names

  /// In their order, without those that the list of techniques names.
  Filters asked_for() const {
    Filters asked;
    for (const auto& [name, make] : decoding_entries())
      if (const auto place = make()->asked_place(options_); place && !is_named(name))
        asked.emplace_back(*place, name);
    std::ranges::sort(asked);
    return asked;
  }
  bool is_named(std::string_view name) const {
    return std::ranges::any_of(techniques_, [&](const auto& known) { return known->info().name == name; });
  }
  void append(const Filters& filters, const SamplingOptions& options) {
    for (const auto& [place, name] : filters) append(name, options);
  }
  void append(std::string_view name, const SamplingOptions& options) {
    techniques_.push_back(one_technique(core::Value::scalar(std::string(name), false, key_), options, key_));
  }

  Techniques& techniques_;
  const SamplingOptions& options_;
  const std::string& key_;
};

}  // namespace

std::vector<std::int32_t> Decoding::lane_prompt(std::size_t, std::span<const std::int32_t> prompt) const {
  return {prompt.begin(), prompt.end()};
}

std::vector<std::unique_ptr<Decoding>> make_decoding(const SamplingOptions& options, const std::string& key) {
  std::vector<std::unique_ptr<Decoding>> techniques;
  const core::Value& settings = options.decoding;
  if (settings.is_list()) {
    for (std::size_t i = 0; i < settings.items().size(); ++i)
      techniques.push_back(one_technique(settings.items()[i], options, fmt::format("{}[{}]", key, i)));
  } else if (!settings.is_null()) {
    techniques.push_back(one_technique(settings, options, key));
  }
  Plainly(techniques, options, key).add();
  return techniques;
}

}  // namespace attune::generation
