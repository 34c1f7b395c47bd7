// tokenizer.json and the texts and ids that go through it. Input: tokenizer.json, a NUL byte, a text, a NUL
// byte, tokenizer_config.json (absent: the file is read alone).
#include "tests/fuzz/input.h"
#include "text/tokenizer/tokenizer.h"

namespace attune::fuzz {
namespace {

void check_ids(const text::Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  for (const std::int32_t id : ids)
    expect(id >= 0 && id < tokenizer.vocab_size(), "an id beyond the vocabulary");
}

/// Pieces of an answer that grows, against the whole.
void check_stream(const text::Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  text::StreamDecoder stream(tokenizer);
  std::string joined;
  for (const std::int32_t id : ids) joined += stream.push(id);
  joined += stream.finish();
  expect(joined == tokenizer.decode(ids), "streamed pieces differ from the whole");
}

void use(const text::Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.encode(text);
  check_ids(tokenizer, ids);
  check_ids(tokenizer, tokenizer.encode(text, false));
  check_stream(tokenizer, ids);
  tokenizer.decode(ids, true);
  std::vector<std::int32_t> any = {-1, 0, 1, tokenizer.vocab_size() - 1, tokenizer.vocab_size(), 2147483647};
  for (const unsigned char c : text.substr(0, 64)) any.push_back(c % std::max(tokenizer.vocab_size(), 1));
  check_stream(tokenizer, any);
  for (const std::int32_t id : any) tokenizer.token(id), tokenizer.is_special(id);
  const auto pair =
      text::encode_pair(tokenizer, text.substr(0, text.size() / 2), text.substr(text.size() / 2));
  check_ids(tokenizer, pair.prompt);
  check_ids(tokenizer, pair.completion);
}

/// The folder with the files that are not empty, and no others.
std::string folder_of(const std::vector<std::string_view>& parts) {
  const ScratchFolder& folder = scratch_folder();
  constexpr const char* kNames[] = {"tokenizer.json", "", "tokenizer_config.json", "vocab.json",
                                    "merges.txt"};
  for (const std::size_t i : {0, 2, 3, 4}) {
    if (parts[i].empty())
      folder.remove(kNames[i]);
    else
      folder.write(kNames[i], parts[i]);
  }
  return folder.path();
}

void run(std::string_view input) {
  const auto parts = parts_of(input, 5);
  const std::string folder = folder_of(parts);
  const bool alone = parts[2].empty() && parts[3].empty();
  const auto tokenizer = text::Tokenizer::load(alone ? folder + "/tokenizer.json" : folder);
  use(tokenizer, "Hello  World, it's 12 \xF0\x9F\x98\x80 Gr\xC3\xBC\xC3\x9F\x65\n\n<s> \xFF\xC3");
  use(tokenizer, parts[1]);
}

}  // namespace
}  // namespace attune::fuzz

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  attune::fuzz::accepts([&] { attune::fuzz::run(attune::fuzz::text_of(data, size)); });
  return 0;
}
