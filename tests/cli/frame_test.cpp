// The frame around commands: what is typed, how it is taken apart, what wrong requests get.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/command.h"
#include "cli/recipes.h"
#include "core/error.h"

namespace attune::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
namespace fs = std::filesystem;

struct Training {
  double learning_rate = 1e-6;
  void declare(core::Fields& fields) { fields.add("learning_rate", learning_rate, "Step size.").positive(); }
};
struct Data {
  std::string path;
  std::int64_t limit = 0;
  void declare(core::Fields& fields) {
    fields.add("path", path, "File.");
    fields.add("limit", limit, "Most rows.").non_negative();
  }
};

class Frame : public testing::Test {
 protected:
  Frame() : folder_(fs::temp_directory_path() / ("attune-frame-" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
    fields_.add("text", text_, "A text.");
    fields_.add("method", method_, "The method.").short_form("name");
    fields_.section("training", training_, "How.");
    fields_.section("data", data_, "What.", "path");
  }
  ~Frame() override { fs::remove_all(folder_); }

  std::string recipe(const std::string& yaml) {
    const std::string path = (folder_ / "recipe.yaml").string();
    std::ofstream(path) << yaml;
    return path;
  }
  Request parse(const std::vector<std::string>& arguments) {
    Request request = parse_request(arguments, info_, fields_);
    fields_.assign_all(request.settings, "");
    return request;
  }
  std::string refusal(const std::vector<std::string>& arguments) {
    try {
      parse(arguments);
    } catch (const core::Error& error) {
      EXPECT_EQ(error.exit_code(), 2);
      return error.what();
    }
    return "accepted";
  }

  fs::path folder_;
  std::string text_;
  core::Value method_;
  Training training_;
  Data data_;
  core::Fields fields_;
  CommandInfo info_{.name = "probe",
                    .summary = "Tries things",
                    .usage = "[recipe.yaml] [key=value …]",
                    .details = "",
                    .examples = {{"attune probe text=x", "tries x"}},
                    .min_words = 0,
                    .max_words = 2,
                    .flags = {"compare"}};
};

TEST_F(Frame, ArgumentsLieOverTheRecipeWhereverItStands) {
  const std::string path =
      recipe("method: {name: dpo, beta: 0.1}\ntraining: {learning_rate: 1e-3}\ndata: a.jsonl\n");
  const Request request =
      parse({"method.beta=0.5", path, "data.limit=5", "training.learning_rate=1e-4", "--json"});
  EXPECT_TRUE(request.json);
  EXPECT_EQ(request.recipe, path);
  EXPECT_EQ(training_.learning_rate, 1e-4);
  EXPECT_EQ(data_.path, "a.jsonl");
  EXPECT_EQ(data_.limit, 5);
  EXPECT_EQ(method_.to_json(), core::parse_json(R"({"name":"dpo","beta":0.5})", "expected"));
}

TEST_F(Frame, ShortFormsAndLaterKeys) {
  parse({"data=FILE", "data.limit=5", "method=dpo", "method.beta=0.2", "data.limit=7"});
  EXPECT_EQ(data_.path, "FILE");
  EXPECT_EQ(data_.limit, 7);
  EXPECT_EQ(method_.to_json(), core::parse_json(R"({"name":"dpo","beta":0.2})", "expected"));
}

TEST_F(Frame, WordsFlagsAndVerbatimText) {
  const Request request = parse({"dpo", "--compare", "ipo", "text={a: [ # 12"});
  EXPECT_THAT(request.words, ElementsAre("dpo", "ipo"));
  EXPECT_TRUE(request.has_flag("compare"));
  EXPECT_FALSE(request.has_flag("json"));
  EXPECT_EQ(text_, "{a: [ # 12");
}

TEST_F(Frame, WrongRequestsNameTheirPlace) {
  EXPECT_THAT(refusal({"metod=dpo"}),
              HasSubstr("argument 'metod=dpo': unknown key 'metod'; did you mean 'method'?"));
  EXPECT_THAT(refusal({"training.learning_rat=1"}), HasSubstr("did you mean 'training.learning_rate'?"));
  EXPECT_THAT(refusal({"training.learning_rate=.nan"}), HasSubstr("finite"));
  EXPECT_THAT(refusal({recipe("text: x\ntraining:\n  learning_rate: -1\n")}),
              HasSubstr("recipe.yaml:3: training.learning_rate must be > 0, found -1"));
  EXPECT_THAT(refusal({recipe("- a\n")}), HasSubstr("a recipe is"));
  EXPECT_THAT(refusal({(folder_ / "none.yaml").string()}), HasSubstr("No such file"));
  EXPECT_THAT(refusal({"a.yaml", "b.yml"}), HasSubstr("one recipe is enough"));
  EXPECT_THAT(refusal({"one", "two", "three"}),
              HasSubstr("'three' is neither a recipe (.yaml) nor a setting"));
  EXPECT_THAT(refusal({"--jsn"}), HasSubstr("did you mean '--json'?"));
  EXPECT_THAT(refusal({"--zzzzzzzz=1"}), HasSubstr("argument 'zzzzzzzz=1': unknown key 'zzzzzzzz'"));
  EXPECT_THAT(refusal({"--json=1"}), HasSubstr("takes no value"));
  EXPECT_THAT(refusal({"---"}), HasSubstr("unknown flag"));
}

TEST_F(Frame, HelpShowsEveryOptionAndAnExample) {
  const std::string text = help_text(info_, fields_);
  EXPECT_THAT(text, HasSubstr("usage: attune probe [recipe.yaml] [key=value …]"));
  EXPECT_THAT(text, HasSubstr("training.learning_rate  Step size. (float, > 0, default 1.0e-06)"));
  EXPECT_THAT(text, HasSubstr("data.limit"));
  EXPECT_THAT(text, HasSubstr("--compare"));
  EXPECT_THAT(text, HasSubstr("attune probe text=x"));
}

struct Outcome {
  int code;
  std::string out, err;
};
Outcome run(const std::vector<std::string>& arguments) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code = run_program(arguments);
  return {code, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

TEST(Program, HelpVersionAndUnknownCommands) {
  EXPECT_THAT(run({}).out, HasSubstr("usage: attune COMMAND"));
  EXPECT_THAT(run({"--help"}).out, HasSubstr("list  "));
  EXPECT_THAT(run({"--version"}).out, testing::StartsWith("attune 0."));
  const Outcome unknown = run({"lst"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("attune: unknown command 'lst'; did you mean 'list'?"));
  EXPECT_EQ(unknown.out, "");
}

TEST(Program, EveryCommandHasHelpWithAnExample) {
  ASSERT_FALSE(command_entries().empty());
  for (const auto& [name, make] : command_entries()) {
    const CommandInfo info = make()->info();
    EXPECT_EQ(info.name, name);
    EXPECT_FALSE(info.summary.empty()) << name;
    EXPECT_EQ(info.summary.find('\n'), std::string::npos) << name;
    EXPECT_FALSE(info.examples.empty()) << name;
    const Outcome help = run({std::string(name), "--help"});
    EXPECT_EQ(help.code, 0) << name;
    EXPECT_THAT(help.out, HasSubstr("examples:")) << name;
  }
}

TEST(Program, EveryOptionOfEveryCommandHasHelpAndAReadableDefault) {
  for (const auto& [name, make] : command_entries()) {
    const auto command = make();
    core::Fields fields;
    command->declare(fields);
    std::vector<std::string> seen;
    for (const auto& row : core::option_rows(fields)) {
      EXPECT_FALSE(row.help.empty()) << name << " " << row.key;
      EXPECT_EQ(std::count(seen.begin(), seen.end(), row.key), 0) << name << " declares twice: " << row.key;
      seen.push_back(row.key);
    }
    const core::Json defaults = fields.to_json();
    EXPECT_EQ(core::parse_yaml(core::to_yaml(defaults), "saved").to_json(), defaults) << name;
  }
}

TEST(Program, ListsEveryKindAsJson) {
  for (const char* kind : {"methods", "families", "formats", "adapters", "rules", "tasks", "attacks",
                           "decoding", "pipelines", "recipes", "schedules", "metrics"}) {
    const Outcome outcome = run({"list", kind, "--json"});
    EXPECT_EQ(outcome.code, 0) << kind;
    std::istringstream lines(outcome.out);
    for (std::string line; std::getline(lines, line);) {
      const core::Json item = core::parse_json(line, kind);
      for (const char* key : {"name", "paper", "summary", "options"}) EXPECT_TRUE(item.contains(key)) << line;
      EXPECT_TRUE(item["options"].is_array()) << line;
    }
  }
  EXPECT_THAT(run({"list", "methods", "--json"}).out, HasSubstr("\"name\":\"dpo\""));
  const Outcome wrong = run({"list", "method"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("did you mean 'methods'?"));
  EXPECT_EQ(run({"list"}).code, 2);
}

/// What is listed is what the folder holds, and can be trained from.
TEST(Program, ListsTheRecipesOfTheFolder) {
  std::vector<std::string> files, listed;
  for (const auto& entry : fs::directory_iterator(fs::path(ATTUNE_SOURCE) / "recipes"))
    files.push_back("recipes/" + entry.path().filename().string());
  ASSERT_FALSE(files.empty());
  for (const auto& [path, content] : embedded_recipes()) {
    listed.emplace_back(path);
    const BundledRecipe recipe = describe_recipe(path, content);
    EXPECT_EQ(recipe.path, "recipes/" + recipe.name + ".yaml");
    EXPECT_TRUE(recipe.summary.ends_with('.')) << recipe.summary;
    EXPECT_TRUE(recipe.command.starts_with("attune train " + recipe.path + " ")) << recipe.command;
    const auto& commands = command_entries();
    const auto command = std::find_if(commands.begin(), commands.end(), [](const auto& c) {
                           return c.first == "train";
                         })->second();
    core::Fields fields;
    command->declare(fields);
    fields.assign_all(core::parse_yaml(content, std::string(path)), "");
    EXPECT_THAT(run({"list", "recipes"}).out, HasSubstr(recipe.summary + " [" + recipe.path + "]"));
    EXPECT_THAT(run({"list", "recipes", "--json"}).out, HasSubstr("\"path\":\"" + recipe.path + "\""));
  }
  EXPECT_THAT(listed, testing::UnorderedElementsAreArray(files));
}

TEST(Recipe, SaysWhatItIsInItsFirstComment) {
  const BundledRecipe recipe = describe_recipe(
      "recipes/a-b.yaml", "# One line,\n# and another.\n#   attune train x\nmethod: dpo\n# no\n");
  EXPECT_EQ(recipe.name, "a-b");
  EXPECT_EQ(recipe.summary, "One line, and another.");
  EXPECT_EQ(recipe.command, "attune train x");
  EXPECT_EQ(describe_recipe("recipes/c.yaml", "method: dpo").summary, "");
  EXPECT_EQ(describe_recipe("recipes/c.yaml", "#").summary, "");
}

}  // namespace
}  // namespace attune::cli
