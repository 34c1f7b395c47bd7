// Filters distributions for the golden tests. One JSON object a line in: {"logits", "temperature", "top_k",
// "top_p", "min_p", "repetition_penalty", "seen"}; one line out: the probability of every token.
#include <iostream>
#include <string>

#include "core/json.h"
#include "generation/sampler.h"

int main() {
  using attune::core::Json;
  for (std::string line; std::getline(std::cin, line);) {
    const Json request = attune::core::parse_json(line, "request");
    auto logits = request.at("logits").get<std::vector<float>>();
    const auto seen = request.at("seen").get<std::vector<std::int32_t>>();
    attune::generation::penalize_repetition(logits, seen, request.at("repetition_penalty").get<double>());
    attune::generation::Filters filters;
    filters.temperature = request.at("temperature").get<double>();
    filters.top_k = request.at("top_k").get<std::int64_t>();
    filters.top_p = request.at("top_p").get<double>();
    filters.min_p = request.at("min_p").get<double>();
    attune::generation::filter(logits, filters);
    std::vector<double> probabilities(logits.size());
    for (const auto& choice : attune::generation::distribution(logits)) {
      probabilities[static_cast<std::size_t>(choice.token)] = choice.probability;
    }
    std::cout << attune::core::to_line(probabilities) << std::endl;
  }
}
