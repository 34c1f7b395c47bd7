#include "generation/decoding.h"

#include <algorithm>

#include "core/config/nearest.h"
#include "core/error.h"

namespace attune::generation {
namespace {

constexpr std::string_view kPlain = "sample";
/// Filters that a request may ask for by a setting: the first between temperature and top-k, the others last.
constexpr std::string_view kBetween = "top_h";
constexpr std::string_view kLast[] = {"typical", "epsilon_cutoff", "eta_cutoff"};

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
    const bool between = is_asked(kBetween);
    if (!is_named(kPlain)) {
      if (between) {
        SamplingOptions heated = options_, rest;
        heated.top_k = 0;
        heated.top_p = 1;
        heated.min_p = 0;
        rest.top_k = options_.top_k;
        rest.top_p = options_.top_p;
        rest.min_p = options_.min_p;
        append(kPlain, heated);
        append(kBetween, options_);
        append(kPlain, rest);
      } else {
        append(kPlain, options_);
      }
    } else if (between) {
      append(kBetween, options_);
    }
    for (const auto name : kLast)
      if (is_asked(name)) append(name, options_);
  }

 private:
  bool is_named(std::string_view name) const {
    return std::ranges::any_of(techniques_, [&](const auto& known) { return known->info().name == name; });
  }
  bool is_asked(std::string_view name) const {
    return technique_named(std::string(name), key_, key_)->asked_by(options_) && !is_named(name);
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
