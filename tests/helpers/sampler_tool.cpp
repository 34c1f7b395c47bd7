// Filters distributions for the golden tests. One JSON object a line in: {"logits", "seen"} and settings of
// sampling ("temperature", "top_k", "decoding" …); one line out: the probability of every token.
#include <iostream>
#include <string>

#include "core/json.h"
#include "generation/decoding.h"
#include "generation/sampling/sampler.h"

int main() {
  using attune::core::Json;
  for (std::string line; std::getline(std::cin, line);) {
    const Json request = attune::core::parse_json(line, "request");
    auto logits = request.at("logits").get<std::vector<float>>();
    const auto given = logits;
    const auto seen = request.at("seen").get<std::vector<std::int32_t>>();
    attune::generation::SamplingOptions options;
    options.lay_over(attune::core::Value::from_json(request, "request"));
    const std::vector<std::span<const float>> lanes = {given};
    for (const auto& technique : attune::generation::make_decoding(options))
      technique->begin(seen)->apply({lanes, seen, {}}, logits);
    std::vector<double> probabilities(logits.size());
    for (const auto& choice : attune::generation::distribution(logits)) {
      probabilities[static_cast<std::size_t>(choice.token)] = choice.probability;
    }
    std::cout << attune::core::to_line(probabilities) << std::endl;
  }
}
