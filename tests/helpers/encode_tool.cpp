// Encodes and decodes what comes on standard input, for comparison with other tokenizers:
//   attune_encode_tool <folder or file> [--no-special]
// One JSON object a line: {"text": "…"} → {"ids": […]} (with "places": true, also [begin, end] of each),
// {"ids": […]} → {"text": "…"} (with "skip": true, without special tokens), {"prompt": "…", "completion":
// "…"} → {"prompt": […], "completion": […], "straddles": …}.
#include <fmt/format.h>

#include <cstring>
#include <iostream>
#include <string>

#include "core/error.h"
#include "core/json.h"
#include "text/tokenizer/tokenizer.h"

namespace {

using attune::core::Json;
using attune::text::Tokenizer;

/// Every piece of a streamed decoding, joined; checks that no piece cuts a character.
std::string stream(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids, bool skip) {
  attune::text::StreamDecoder decoder(tokenizer, skip);
  std::string all;
  for (const std::int32_t id : ids) all += decoder.push(id);
  return all + decoder.finish();
}

std::string answer(const Tokenizer& tokenizer, const Json& request, bool special) {
  if (request.value("places", false)) {
    const auto placed = tokenizer.encode_placed(request.at("text").get_ref<const std::string&>(), special);
    return Json({{"ids", placed.ids}, {"places", placed.places}}).dump();
  }
  if (request.contains("text")) {
    const auto ids = tokenizer.encode(request.at("text").get_ref<const std::string&>(), special);
    return fmt::format(R"({{"ids":[{}]}})", fmt::join(ids, ","));
  }
  if (request.contains("prompt")) {
    const auto pair = attune::text::encode_pair(tokenizer, request.at("prompt").get<std::string>(),
                                                request.at("completion").get<std::string>());
    return Json({{"prompt", pair.prompt}, {"completion", pair.completion}, {"straddles", pair.straddles}})
        .dump();
  }
  const auto ids = request.at("ids").get<std::vector<std::int32_t>>();
  const bool skip = request.value("skip", false);
  const std::string text = tokenizer.decode(ids, skip);
  if (stream(tokenizer, ids, skip) != text) return R"({"error":"streamed decoding differs"})";
  return attune::core::to_line({{"text", text}});
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2) attune::core::fail_request("usage: attune_encode_tool <folder or file> [--no-special]");
    const bool special = argc < 3 || std::strcmp(argv[2], "--no-special") != 0;
    const Tokenizer tokenizer = Tokenizer::load(argv[1]);
    std::ios::sync_with_stdio(false);
    for (std::string line; std::getline(std::cin, line);) {
      const Json request = attune::core::parse_json(line, "standard input");
      std::cout << answer(tokenizer, request, special) << '\n';
    }
    return 0;
  } catch (const attune::core::Error& error) {
    std::cerr << "error: " << error.what() << '\n';
    return error.exit_code();
  }
}
