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
  const bool says_where = std::any_of(techniques.begin(), techniques.end(),
                                      [](const auto& technique) { return technique->info().name == kPlain; });
  if (!says_where) {
    const auto plain = core::Value::scalar(std::string(kPlain), false, key);
    techniques.push_back(one_technique(plain, options, key));
  }
  return techniques;
}

}  // namespace attune::generation
