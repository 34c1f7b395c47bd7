// Stop texts that span tokens, and what streaming may show. The tokenizer is byte-level with a few words,
// written here.
#include "generation/session/completion_text.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "generation/generator.h"
#include "tests/generation/tiny_models.h"

namespace attune::generation {
namespace {

/// Tokens 0 "a", 1 "b", 2 "END", 3 "E", 4 "N", 5 "D", 6 and 7 the two bytes of "é", 8 "</s>" (special), 9…
/// "x9" …
text::Tokenizer tiny_tokenizer() {
  const auto folder = std::filesystem::temp_directory_path() / ("attune_stop_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::string vocabulary = R"("a": 0, "b": 1, "END": 2, "E": 3, "N": 4, "D": 5, "Ã": 6, "©": 7)";
  for (int i = 9; i < 61; ++i) vocabulary += ", \"x" + std::to_string(i) + "\": " + std::to_string(i);
  std::ofstream(folder / "tokenizer.json")
      << R"({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [{"id": 8, "content": "</s>",
          "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
          "normalizer": null, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
          "use_regex": false}, "post_processor": null, "decoder": {"type": "ByteLevel", "add_prefix_space": true,
          "trim_offsets": true, "use_regex": true}, "model": {"type": "BPE", "dropout": null, "unk_token": null,
          "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
          "ignore_merges": false, "vocab": {)" +
             vocabulary + R"(}, "merges": []}})";
  const auto tokenizer = text::Tokenizer::load((folder / "tokenizer.json").string());
  std::filesystem::remove_all(folder);
  return tokenizer;
}

TEST(CompletionText, StopTextSpansTokensAndIsCut) {
  const auto tokenizer = tiny_tokenizer();
  const std::vector<std::string> stops = {"END", "bb"};
  CompletionText text(tokenizer, stops);
  EXPECT_FALSE(text.push(0));
  EXPECT_EQ(text.take_new(), "a");
  EXPECT_FALSE(text.push(3));  // "E" may begin END
  EXPECT_EQ(text.take_new(), "");
  EXPECT_FALSE(text.push(4));
  EXPECT_EQ(text.take_new(), "");
  EXPECT_FALSE(text.push(3));  // "ENE": the first two letters were innocent
  EXPECT_EQ(text.take_new(), "EN");
  EXPECT_FALSE(text.push(4));
  EXPECT_TRUE(text.push(5));
  EXPECT_EQ(text.take_new(), "");
  EXPECT_EQ(text.text(), "aEN");
}

TEST(CompletionText, StopInsideATokenAndHalfCharacters) {
  const auto tokenizer = tiny_tokenizer();
  const std::vector<std::string> stops = {"N"};
  CompletionText text(tokenizer, stops);
  EXPECT_FALSE(text.push(6));
  EXPECT_EQ(text.take_new(), "");
  EXPECT_FALSE(text.push(7));
  EXPECT_EQ(text.take_new(), "é");
  EXPECT_TRUE(text.push(2));  // "END" holds N
  EXPECT_EQ(text.take_new(), "E");
  EXPECT_EQ(text.text(), "éE");
}

TEST(CompletionText, WithoutStopsFinishGivesTheRest) {
  const auto tokenizer = tiny_tokenizer();
  const std::vector<std::string> none;
  CompletionText text(tokenizer, none);
  EXPECT_FALSE(text.push(8));  // special tokens give no text
  EXPECT_FALSE(text.push(6));
  EXPECT_FALSE(text.finish());
  EXPECT_EQ(text.take_new(), "\uFFFD");
}

TEST(Generator, StopsAndStreams) {
  const auto tokenizer = tiny_tokenizer();
  const model::Model model = tiny_model(kWindowed);
  SamplingOptions options;
  options.max_new_tokens = 60;
  options.n = 20;
  const std::vector<Prompt> prompts = {{{4, 5, 6}, 0}, {{9}, 1}};
  const Generator generator(model, &tokenizer);
  const auto plain = generator.generate(prompts, options, 4);
  options.stop = {"9x", "1x2"};
  std::vector<std::vector<std::string>> streamed(2, std::vector<std::string>(20));
  const auto results = generator.generate(
      prompts, options, 4, 0, [&](std::size_t p, std::size_t s, std::string_view t) { streamed[p][s] += t; });
  int stopped = 0;
  for (std::size_t p = 0; p < 2; ++p) {
    for (std::size_t s = 0; s < 20; ++s) {
      const Sample& sample = results[p][s];
      // The same draw as without stops, up to the token that completed the first stop text.
      std::size_t length = 0;
      std::string text;
      for (; length < plain[p][s].ids.size(); ++length) {
        const std::span<const std::int32_t> taken(plain[p][s].ids.data(), length + 1);
        text = tokenizer.decode(taken, true);
        const std::size_t cut = std::min(text.find("9x"), text.find("1x2"));
        if (cut == std::string::npos) continue;
        text.resize(cut);
        ++length;
        ++stopped;
        break;
      }
      EXPECT_EQ(sample.ids, std::vector(plain[p][s].ids.begin(),
                                        plain[p][s].ids.begin() + static_cast<std::ptrdiff_t>(length)));
      EXPECT_EQ(sample.text, text);
      EXPECT_EQ(streamed[p][s], text);
    }
  }
  EXPECT_GT(stopped, 5);
}

}  // namespace
}  // namespace attune::generation
