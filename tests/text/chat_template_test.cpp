#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"

namespace attune::text {
namespace {

namespace fs = std::filesystem;
using core::Json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kTagged =
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>\n{% endfor %}{% if add_generation_prompt "
    "%}<assistant>{% endif %}";

Json message(const char* role, const char* content) { return {{"role", role}, {"content", content}}; }

ChatTemplate made_of(const std::string& source) {
  return ChatTemplate::from_source(source, "t", {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
}

/// The spans' texts.
std::vector<std::string> said(const RenderedChat& chat) {
  std::vector<std::string> out;
  for (const auto& [first, last] : chat.assistant_spans) out.push_back(chat.text.substr(first, last - first));
  return out;
}

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("attune_chat_" + std::to_string(getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << text;
  }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

TEST(ChatTemplate, SeesMessagesTokensAndOptions) {
  const auto chat =
      made_of("{{ bos_token }}{{ messages[0].content }}{{ tools }}{{ add_generation_prompt }}{{ style }}");
  ChatTemplate::Options options;
  options.extra = {{"style", "brief"}, {"bos_token", "!"}};
  EXPECT_EQ(chat.render(Json::array({message("user", "hi")})), "<s>hiNoneFalse");
  EXPECT_EQ(chat.render(Json::array({message("user", "hi")}), options), "!hiNoneFalsebrief");
}

TEST(ChatTemplate, PassesReasoningUnderEveryName) {
  const auto chat = made_of("{{ messages[0].reasoning_content }}|{{ messages[0].thinking }}");
  EXPECT_EQ(chat.render(Json::array({{{"role", "assistant"}, {"content", "x"}, {"reasoning", "hm"}}})),
            "hm|hm");
}

TEST(ChatTemplate, ContinuesTheFinalMessage) {
  ChatTemplate::Options options;
  options.continue_final_message = true;
  const auto chat = made_of(kTagged);
  EXPECT_EQ(chat.render({message("user", "q"), message("assistant", "The answer ")}, options),
            "<user>q<end>\n<assistant>The answer ");
  const auto trimming = made_of("{% for m in messages %}<{{ m.role }}>{{ m.content|trim }}<end>{% endfor %}");
  EXPECT_EQ(trimming.render(Json::array({message("assistant", "The answer ")}), options),
            "<assistant>The answer");
  EXPECT_THROW(made_of("{{ messages[0].content[:2] }}")
                   .render(Json::array({message("assistant", "The answer")}), options),
               core::Error);
}

TEST(ChatTemplate, MasksFromGenerationBlocks) {
  const auto chat = made_of(
      "{% for m in messages %}{% if m.role == 'assistant' %}A:{% generation %}{{ m.content }}{{ eos_token "
      "}}{% endgeneration %}{% else %}U:"
      "{{ m.content }}{% endif %}{% endfor %}");
  EXPECT_TRUE(chat.has_generation_blocks());
  const auto masked = chat.render_with_masks(
      {message("user", "hi"), message("assistant", "ho"), message("user", "x"), message("assistant", "é")});
  EXPECT_EQ(masked.text, "U:hiA:ho</s>U:xA:é</s>");
  EXPECT_THAT(said(masked), ElementsAre("ho</s>", "é</s>"));
  EXPECT_FALSE(masked.mask_problem);
}

TEST(ChatTemplate, MasksByDifferences) {
  const auto chat = made_of(kTagged);
  EXPECT_FALSE(chat.has_generation_blocks());
  const auto masked =
      chat.render_with_masks({message("system", "s"), message("user", "q"), message("assistant", "a1"),
                              message("user", "q"), message("assistant", "a2")});
  EXPECT_FALSE(masked.mask_problem);
  EXPECT_THAT(said(masked), ElementsAre("a1<end>\n", "a2<end>\n"));
}

TEST(ChatTemplate,
     MasksWhenOnlyTheEndDiffers) {  // as Phi-3.5 does: the end-of-sequence token closes the whole text
  const auto chat = ChatTemplate::from_source(
      std::string(kTagged) + "{% if not add_generation_prompt %}{{ eos_token }}{% endif %}", "t",
      {{"eos_token", "<usual end>"}});
  const auto masked = chat.render_with_masks(
      {message("user", "q"), message("assistant", "a1"), message("user", "q"), message("assistant", "a2")});
  EXPECT_FALSE(masked.mask_problem);
  EXPECT_THAT(said(masked), ElementsAre("a1<end>\n", "a2<end>\n<usual end>"));
}

TEST(ChatTemplate, ReportsTemplatesThatRewriteTurns) {
  const auto chat = made_of(
      "{% for m in messages %}<{{ m.role }}>{% if loop.last and m.role == 'assistant' %}<think></think>{% "
      "endif %}{{ m.content }}{% endfor %}"
      "{% if add_generation_prompt %}<assistant>{% endif %}");
  const Json messages = {message("user", "q"), message("assistant", "a1"), message("user", "q"),
                         message("assistant", "a2")};
  const auto masked = chat.render_with_masks(messages);
  EXPECT_EQ(masked.text, chat.render(messages));
  ASSERT_TRUE(masked.mask_problem);
  EXPECT_THAT(masked.mask_problem->reason, HasSubstr("earlier turns"));
  EXPECT_TRUE(masked.assistant_spans.empty());
}

TEST(ChatTemplate, ReportsConversationsTooLongForDifferences) {
  // Two renderings for each of 5,000 answers: 100 million messages. With generation blocks one rendering is
  // enough.
  Json messages = Json::array();
  for (int i = 0; i < 10'000; ++i) messages.push_back(message(i % 2 == 0 ? "user" : "assistant", "x"));
  const auto masked = made_of(kTagged).render_with_masks(messages);
  ASSERT_TRUE(masked.mask_problem);
  EXPECT_THAT(masked.mask_problem->reason, HasSubstr("too long"));
  EXPECT_THAT(masked.mask_problem->detail, HasSubstr("10000 messages, 5000 of the assistant"));
  const auto blocks =
      made_of("{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}");
  EXPECT_FALSE(blocks.render_with_masks(messages).mask_problem);
}

TEST(ChatTemplate, ReportsTemplatesThatRefuseAPart) {
  const auto chat = made_of("{% if messages|length < 2 %}{{ raise_exception('too short') }}{% endif %}" +
                            std::string(kTagged));
  const auto masked = chat.render_with_masks({message("user", "q"), message("assistant", "a")});
  ASSERT_TRUE(masked.mask_problem);
  EXPECT_THAT(masked.mask_problem->detail, HasSubstr("too short"));
}

TEST(ChatTemplate, RefusesMalformedMessages) {
  EXPECT_THROW(made_of(kTagged).render("text"), core::Error);
  EXPECT_THROW(made_of(kTagged).render(Json::array({"text"})), core::Error);
  EXPECT_THROW(made_of("{{ messages[0].content + 'x' }}").render(Json::array({{{"role", "user"}}})),
               core::Error);
}

TEST(ChatTemplate, LoadsTheFirstPlaceThatHasOne) {
  const Folder folder;
  EXPECT_FALSE(ChatTemplate::load(folder.path()));
  folder.write("chat_template.json", R"({"chat_template": "legacy"})");
  EXPECT_EQ(ChatTemplate::load(folder.path())->render(Json::array()), "legacy");
  folder.write(
      "tokenizer_config.json",
      R"({"chat_template": "config {{ eos_token }}{{ unk_token }}", "eos_token": {"content": "</e>"}, "unk_token": null})");
  EXPECT_EQ(ChatTemplate::load(folder.path())->render(Json::array()), "config </e>");
  folder.write("chat_template.jinja", "file {{ eos_token }}");
  EXPECT_EQ(ChatTemplate::load(folder.path())->render(Json::array()), "file </e>");
  folder.write("additional_chat_templates/tool_use.jinja", "with tools");
  ChatTemplate::Options options;
  options.tools = Json::array();
  EXPECT_EQ(ChatTemplate::load(folder.path())->render(Json::array(), options), "with tools");
  EXPECT_EQ(ChatTemplate::load(folder.path())->render(Json::array()), "file </e>");
}

TEST(ChatTemplate, LoadsNamedTemplates) {
  const Folder folder;
  folder.write(
      "tokenizer_config.json",
      R"({"chat_template": [{"name": "default", "template": "a"}, {"name": "tool_use", "template": "b"}]})");
  ChatTemplate::Options options;
  options.tools = Json::array();
  EXPECT_EQ(ChatTemplate::load(folder.path())->render(Json::array()), "a");
  EXPECT_EQ(ChatTemplate::load(folder.path())->render(Json::array(), options), "b");
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "other", "template": "a"}]})");
  EXPECT_THROW(ChatTemplate::load(folder.path()), core::Error);
  folder.write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_THROW(ChatTemplate::load(folder.path()), core::Error);
}

TEST(ChatTemplate, NamesTheFileInErrors) {
  const Folder folder;
  folder.write("chat_template.jinja", "a\n{% if %}");
  try {
    ChatTemplate::load(folder.path());
    FAIL() << "the template is broken";
  } catch (const core::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("chat_template.jinja:2: "));
  }
}

}  // namespace
}  // namespace attune::text
