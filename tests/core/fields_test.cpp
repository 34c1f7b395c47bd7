#include "core/config/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/config/nearest.h"
#include "core/error.h"

namespace attune::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct Training {
  std::int64_t epochs = 1;
  double learning_rate = 1e-6;
  std::string schedule = "linear";
  void declare(Fields& fields) {
    fields.add("epochs", epochs, "Passes over the data.").positive().alias("num_train_epochs");
    fields.add("learning_rate", learning_rate, "Step size.").non_negative();
    fields.add("schedule", schedule, "Shape.")
        .one_of({"constant", "linear", "cosine"})
        .alias("lr_scheduler_type");
  }
};

struct DataOptions {
  std::string path;
  std::int64_t limit = -1;
  Json columns;
  void declare(Fields& fields) {
    fields.add("path", path, "File.");
    fields.add("limit", limit, "Most rows.").optional();
    fields.add("columns", columns, "Names.");
  }
};

struct Recipe {
  std::string prompt;
  bool shuffle = true;
  double rate = 0.5;
  std::vector<std::string> stop;
  std::vector<std::int64_t> ids;
  Value method;
  Training training;
  DataOptions data;
  void declare(Fields& fields) {
    fields.add("prompt", prompt, "Text.");
    fields.add("shuffle", shuffle, "Mix.");
    fields.add("rate", rate, "Share.").range(0, 1);
    fields.add("stop", stop, "Strings.");
    fields.add("ids", ids, "Tokens.").non_negative();
    fields.add("method", method, "Method.").short_form("name");
    fields.section("training", training, "How.");
    fields.section("data", data, "What.", "path");
  }
};

struct Fixture : testing::Test {
  Recipe recipe;
  Fields fields = fields_of(recipe);
  void assign(const std::string& yaml) { fields.assign_all(parse_yaml(yaml, "r.yaml"), ""); }
  std::string refusal(const std::string& yaml) {
    try {
      assign(yaml);
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 2);
      return error.what();
    }
    return "accepted";
  }
};
using FieldsTest = Fixture;

TEST_F(FieldsTest, AssignTypedValues) {
  assign(
      "prompt: 12\nshuffle: false\nrate: 1\nstop: END\nids: [1, 2e3]\nmethod: dpo\n"
      "training: {num_train_epochs: 1e3, lr_scheduler_type: cosine}\ndata: {path: a.jsonl, limit: null, "
      "columns: {a: b}}\n");
  EXPECT_EQ(recipe.prompt, "12");
  EXPECT_FALSE(recipe.shuffle);
  EXPECT_EQ(recipe.rate, 1.0);
  EXPECT_THAT(recipe.stop, ElementsAre("END"));
  EXPECT_THAT(recipe.ids, ElementsAre(1, 2000));
  EXPECT_EQ(recipe.method.text(), "dpo");
  EXPECT_EQ(recipe.training.epochs, 1000);
  EXPECT_EQ(recipe.training.schedule, "cosine");
  EXPECT_EQ(recipe.data.limit, -1);
  EXPECT_EQ(recipe.data.columns["a"], "b");
}

TEST_F(FieldsTest, AShortFormSetsTheFirstField) {
  assign("data: b.jsonl\n");
  EXPECT_EQ(recipe.data.path, "b.jsonl");
  EXPECT_EQ(fields.first_field("data"), "path");
  EXPECT_EQ(fields.first_field("method"), "name");
  EXPECT_EQ(fields.first_field("training"), "");
  EXPECT_EQ(fields.first_field("data.columns"), "");
  EXPECT_THAT(refusal("training: 5\n"), HasSubstr("r.yaml:1: training must be settings"));
}

TEST_F(FieldsTest, UnknownKeysNameTheNearest) {
  EXPECT_THAT(refusal("prompt: x\ntraining:\n  epoch: 2\n"),
              HasSubstr("r.yaml:3: unknown key 'training.epoch'; did you mean 'training.epochs'?"));
  EXPECT_THAT(refusal("metod: dpo\n"), HasSubstr("unknown key 'metod'; did you mean 'method'?"));
  EXPECT_THAT(refusal("learning_rate: 1\n"), HasSubstr("did you mean 'training.learning_rate'?"));
  EXPECT_THAT(refusal("training: {learning-rate: 1}\n"), HasSubstr("did you mean 'training.learning_rate'?"));
  EXPECT_THAT(refusal("zzzzzzzz: 1\n"), HasSubstr("unknown key 'zzzzzzzz'; known are: prompt, shuffle"));
  EXPECT_THAT(refusal("data: {paht: x}\n"), HasSubstr("did you mean 'data.path'?"));
  const std::string all = refusal("metod: dpo\ntraining: {epoch: 2, epochs: many}\ndata: {paht: x}\n");
  EXPECT_THAT(all, HasSubstr("4 settings cannot be taken"));
  EXPECT_THAT(all, HasSubstr("r.yaml:1: unknown key 'metod'"));
  EXPECT_THAT(all, HasSubstr("r.yaml:2: unknown key 'training.epoch'"));
  EXPECT_THAT(all, HasSubstr("r.yaml:3: unknown key 'data.paht'"));
}

/// Whatever is wrong in whatever way is one message.
TEST_F(FieldsTest, EverythingThatIsWrongIsSaidAtOnce) {
  const std::string all =
      refusal("shuffle: maybe\nmetod: dpo\ntraining: {epochs: many, schedule: cosin}\nrate: 2\n");
  EXPECT_THAT(all, HasSubstr("5 settings cannot be taken:"));
  for (const char* said :
       {"r.yaml:1: shuffle must be", "r.yaml:2: unknown key 'metod'", "r.yaml:3: training.epochs must be",
        "did you mean 'cosine'?", "r.yaml:4: rate must be"})
    EXPECT_THAT(all, HasSubstr(said));
}

TEST_F(FieldsTest, ASettingIsFoundByItsLastPart) {
  EXPECT_THAT(refusal("TrainingArguments.learning_rate: 1\n"),
              HasSubstr("did you mean 'training.learning_rate'?"));
  EXPECT_THAT(refusal("lr: 1\n"), HasSubstr("did you mean 'training.learning_rate'?"));
  EXPECT_THAT(refusal("learning_rates: 1\n"), HasSubstr("did you mean 'training.learning_rate'?"));
}

TEST_F(FieldsTest, YesAndNoAreTakenInEverySpelling) {
  for (const char* yes : {"true", "yes", "'True'", "ON", "1", "t", "Y"}) {
    recipe.shuffle = false;
    assign(fmt::format("shuffle: {}\n", yes));
    EXPECT_TRUE(recipe.shuffle) << yes;
  }
  for (const char* no : {"False", "no", "off", "0", "f", "N"}) {
    recipe.shuffle = true;
    assign(fmt::format("shuffle: {}\n", no));
    EXPECT_FALSE(recipe.shuffle) << no;
  }
}

TEST_F(FieldsTest, WrongTypesNamePlaceKeyAndValue) {
  EXPECT_THAT(refusal("shuffle: maybe\n"),
              HasSubstr("r.yaml:1: shuffle must be true or false, found the string 'maybe'"));
  EXPECT_THAT(refusal("rate: fast\n"), HasSubstr("rate must be a number, found the string 'fast'"));
  EXPECT_THAT(refusal("rate: '0.5'\n"), HasSubstr("remove the quotes"));
  EXPECT_THAT(refusal("rate: .nan\n"), HasSubstr("rate must be a finite number, found .nan"));
  EXPECT_THAT(refusal("rate: -.inf\n"), HasSubstr("finite"));
  EXPECT_THAT(refusal("rate: 1e999\n"), HasSubstr("finite"));
  EXPECT_THAT(refusal("rate: 1.5\n"), HasSubstr("rate must be from 0 to 1, found 1.5"));
  EXPECT_THAT(refusal("ids: [1, -2]\n"), HasSubstr("ids[1] must be >= 0, found -2"));
  EXPECT_THAT(refusal("ids: [1, 2.5]\n"), HasSubstr("ids[1] must be a whole number, found the number 2.5"));
  EXPECT_THAT(refusal("ids: [99999999999999999999]\n"), HasSubstr("whole number"));
  EXPECT_THAT(refusal("ids: [18446744073709551615]\n"), HasSubstr("whole number"));
  EXPECT_THAT(refusal("training: {epochs: 0}\n"), HasSubstr("training.epochs must be > 0, found 0"));
  EXPECT_THAT(refusal("training: {epochs: true}\n"), HasSubstr("training.epochs must be a whole number"));
  EXPECT_THAT(refusal("training: {learning_rate: -1e-5}\n"),
              HasSubstr("training.learning_rate must be >= 0, found -1e-5"));
  EXPECT_THAT(refusal("training: {schedule: cosin}\n"), HasSubstr("did you mean 'cosine'?"));
  EXPECT_THAT(refusal("prompt: [a]\n"), HasSubstr("prompt must be a text, found a list"));
  EXPECT_THAT(refusal("prompt:\n"), HasSubstr("prompt needs a value (string)"));
  EXPECT_THAT(refusal("stop: {a: b}\n"), HasSubstr("stop must be a list, found a map"));
  EXPECT_THAT(refusal("- a\n"), HasSubstr("must be settings"));
}

TEST_F(FieldsTest, TheSavedCopyReadsBackEqual) {
  assign(
      "prompt: '12'\nstop: [a, 'b: c']\nmethod: {name: dpo, beta: 0.3}\ntraining: {learning_rate: "
      "3e-4}\ndata: x\n");
  const Json saved = fields.to_json();
  Recipe again;
  Fields fresh = fields_of(again);
  EXPECT_NE(fresh.to_json(), saved);
  fresh.assign_all(parse_yaml(to_yaml(saved), "saved"), "");
  EXPECT_EQ(fresh.to_json(), saved);
  EXPECT_EQ(again.training.learning_rate, 3e-4);
}

TEST_F(FieldsTest, LaterSpellingsWin) {
  Value root = parse_yaml("training: {epochs: 1, num_train_epochs: 2}\n", "r.yaml");
  auto [key, value] = parse_argument("training.epochs=3", {});
  root.set(key, std::move(value));
  fields.assign_all(root, "");
  EXPECT_EQ(recipe.training.epochs, 3);
}

TEST_F(FieldsTest, ReferenceOfOptions) {
  const auto rows = option_rows(fields);
  EXPECT_EQ(rows.front().key, "prompt");
  EXPECT_EQ(rows.front().type, "string");
  EXPECT_EQ(rows[2].allowed, "0 to 1");
  EXPECT_EQ(rows[7].key, "training.learning_rate");
  EXPECT_EQ(rows[8].allowed, "one of constant, linear, cosine");
  EXPECT_EQ(options_json(fields)[6]["aliases"][0], "num_train_epochs");
  EXPECT_EQ(fields.find("training.lr_scheduler_type")->name(), "schedule");
  EXPECT_EQ(fields.find("training.nothing"), nullptr);
}

TEST(FieldsReference, ShortFormOfASection) {
  Training training;
  Fields some;
  some.section("training", training, "The run.", "epochs");
  for (const auto& row : options_json(some))
    EXPECT_EQ(row.value("short_form", ""), row["name"] == "training.epochs" ? "training" : "") << row["name"];
}

TEST_F(FieldsTest, IgnoredKeysAreLeftToOthers) {
  Training training;
  Fields some = fields_of(training);
  some.assign_all(parse_yaml("{name: x, epochs: 4}", "r"), "method", {"name"});
  EXPECT_EQ(training.epochs, 4);
}

TEST(Nearest, AllowsSlipsOnly) {
  const std::vector<std::string> names = {"dpo", "kto", "grpo", "learning_rate", "bradley_terry"};
  EXPECT_EQ(nearest("dop", names), "dpo");
  EXPECT_EQ(nearest("dppo", {"dapo", "dpo", "tdpo"}),
            "dpo");  // a letter too often is likelier than another one
  EXPECT_EQ(nearest("DPO", names), "dpo");
  EXPECT_EQ(nearest("lerning_rate", names), "learning_rate");
  EXPECT_EQ(nearest("bradleyterry", names), "bradley_terry");
  EXPECT_EQ(nearest("xyz", names), "");
  EXPECT_EQ(nearest("", names), "");
  EXPECT_EQ(nearest(std::string(100000, 'a'), names), "");
}

TEST(Nearest, IsSaidBesideWhatThereIs) {
  EXPECT_EQ(did_you_mean("dop", {"dpo", "kto"}), "; did you mean 'dpo'? Known are: dpo, kto");
  EXPECT_EQ(did_you_mean("xyzzy", {"dpo", "kto"}), "; known are: dpo, kto");
  EXPECT_EQ(did_you_mean("x", {}), "; known are: none");
  std::vector<std::string> many(50, "learning_rate");
  EXPECT_EQ(did_you_mean("lerning_rate", many), "; did you mean 'learning_rate'?");
  EXPECT_THAT(did_you_mean("xyzzy", many), testing::EndsWith("learning_rate, …"));
}

}  // namespace
}  // namespace attune::core
