// Files that are nearly of a known format: recognised where there is one reading, else one message that says
// what is nearest.
#include "tests/data/support.h"

namespace attune::data {
namespace {

using support::json;
using testing::HasSubstr;
using testing::Not;

class NearlyRight : public testing::Test {
 protected:
  std::vector<record::Example> read(const std::string& name, const std::string& content) {
    options_.path = folder_.write(name, content);
    return support::read_all(options_);
  }
  /// What is noticed while the file is read.
  std::vector<std::string> noticed(const std::string& name, const std::string& content) {
    options_.path = folder_.write(name, content);
    ExampleReader reader(options_);
    for (record::Example example; reader.next(example);) {
    }
    return reader.summary().noticed.texts();
  }
  std::string refused(const std::string& name, const std::string& content) {
    return support::request_error([&] { read(name, content); });
  }

  support::TemporaryFolder folder_;
  DataOptions options_;
};

constexpr const char* kTwoRows = R"([{"prompt":"a","completion":"x"},{"prompt":"b","completion":"y"}])";

TEST_F(NearlyRight, RowsUnderAField) {
  for (const std::string ending : {"json", "jsonl"})
    for (const std::string object : {R"({"data": ROWS})", R"({"version": "1", "data": ROWS})",
                                     R"({"type": "text2text", "instances": ROWS})",
                                     R"({"version": 3, "tags": ["a", "b"], "data": ROWS})"}) {
      std::string content = object;
      content.replace(content.find("ROWS"), 4, kTwoRows);
      for (const std::string& written : {content, json(content).dump(2), content + "\n"}) {
        const auto rows = read("rows." + ending, written);
        ASSERT_EQ(rows.size(), 2U) << written;
        EXPECT_EQ(rows[1].prompt, "b");
        EXPECT_EQ(rows[1].candidates[0].completion, "y");
      }
    }
  EXPECT_EQ(read("t.json", R"({"stories": ["one", "two"]})")[1].candidates[0].completion, "two");
}

TEST_F(NearlyRight, OneObjectThatIsARowStaysOne) {
  for (const std::string row :
       {R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]})",
        R"({"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}]})",
        R"({"prompt":"a","candidates":[{"completion":"x","rank":0},{"completion":"y","rank":1}]})",
        R"({"chosen":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],)"
        R"("rejected":[{"role":"user","content":"a"},{"role":"assistant","content":"c"}]})",
        R"({"input_ids":[1,2,3],"labels":[1,2,3]})"})
    for (const std::string ending : {"json", "jsonl"})
      EXPECT_EQ(read("row." + ending, row).size(), 1U) << row;
}

TEST_F(NearlyRight, SeveralListsOfRowsAreNamed) {
  const std::string content = R"({"train": ROWS, "test": [{"prompt":"c","completion":"z"}]})";
  std::string both = content;
  both.replace(both.find("ROWS"), 4, kTwoRows);
  EXPECT_THAT(refused("both.json", both), AllOf(HasSubstr("train, test"), HasSubstr("data.field=")));
  options_.field = "test";
  EXPECT_EQ(read("both.json", both)[0].prompt, "c");
  options_.field = "dev";
  EXPECT_THAT(refused("both.json", both), AllOf(HasSubstr("data.field=dev"), HasSubstr("train, test")));
  EXPECT_THAT(refused("rows.json", kTwoRows), HasSubstr("data.field=dev"));
}

TEST_F(NearlyRight, ColumnsOfLists) {
  for (const std::string content :
       {R"({"prompt":["a","b"],"completion":["x","y"]})",
        R"({"prompt":{"0":"a","1":"b"},"completion":{"0":"x","1":"y"}})",
        R"({"messages":[[{"role":"user","content":"a"},{"role":"assistant","content":"x"}],)"
        R"([{"role":"user","content":"b"},{"role":"assistant","content":"y"}]]})",
        R"({"text":["ax","by"]})"})
    for (const std::string ending : {"json", "jsonl"}) {
      const auto rows = read("columns." + ending, content);
      ASSERT_EQ(rows.size(), 2U) << content;
      EXPECT_THAT(record::to_json(rows[1]).dump(),
                  AllOf(HasSubstr("b"), HasSubstr("y"), Not(HasSubstr("x"))));
    }
}

TEST_F(NearlyRight, AnArrayUnderTheNameOfJsonLines) { EXPECT_EQ(read("rows.jsonl", kTwoRows).size(), 2U); }

TEST_F(NearlyRight, ListsThatAreKeptAsText) {
  const std::string turns = R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"}])";
  const auto spelt = [](const core::Json& value) { return core::to_line(core::Json(core::to_line(value))); };
  EXPECT_EQ(read("m.jsonl", R"({"messages":)" + spelt(json(turns)) + "}")[0].candidates[0].completion,
            json(turns));
  const std::string one = spelt(json(R"([{"role":"user","content":"a"}])"));
  const auto pair =
      read("p.jsonl", R"({"prompt":)" + one + R"(,"chosen":)" +
                          spelt(json(R"([{"role":"assistant","content":"b"}])")) + R"(,"rejected":)" +
                          spelt(json(R"([{"role":"assistant","content":"c"}])")) + "}");
  EXPECT_EQ(pair[0].prompt, json(R"([{"role":"user","content":"a"}])"));
  EXPECT_EQ(pair[0].candidates[1].completion[0]["content"], "c");
  const auto ranked = read("r.jsonl", R"({"prompt":"a","responses":"[\"x\",\"y\"]","scores":"[1, 2]"})");
  EXPECT_EQ(ranked[0].candidates[1].reward, 2);
  // A text that is no list of messages is a text, whatever it begins with.
  EXPECT_EQ(read("t.jsonl", R"({"prompt":"[1, 2","completion":"[{\"a\": 1}]"})")[0].candidates[0].completion,
            "[{\"a\": 1}]");
  EXPECT_EQ(read("py.jsonl", R"({"messages":"[{'role': 'user', 'content': 'a'}, {'role': 'assistant', )"
                             R"('content': 'b'}]"})")[0]
                .candidates[0]
                .completion,
            json(turns));
  const auto message = refused("py.jsonl", R"({"messages":"[{'role': 'user', 'content': f(1)}]"})");
  EXPECT_THAT(message, AllOf(HasSubstr("py.jsonl:1"), HasSubstr("\"messages\" is a string"),
                             HasSubstr("json.dumps"), Not(HasSubstr("no known data format"))));
}

TEST_F(NearlyRight, HeadersWithSpacesOrAnotherCase) {
  for (const std::string header :
       {"prompt, completion", " prompt ,completion ", "Prompt,COMPLETION", "Prompt , Completion"}) {
    const auto rows = read("rows.csv", header + "\n a, b\n");
    ASSERT_EQ(rows[0].candidates.size(), 1U) << header;
    EXPECT_EQ(rows[0].prompt, " a");
    EXPECT_EQ(rows[0].candidates[0].completion, " b");  // spaces of a cell are its own
    EXPECT_TRUE(rows[0].meta.empty());
  }
  EXPECT_EQ(read("q.csv", "prompt, completion\n\"a\", \"b, c\"\n")[0].candidates[0].completion, "b, c");
  const auto pair =
      read("p.jsonl", R"({"Prompt":"a","Chosen":"b","Rejected":"c","Score Chosen":2,"Topic":"t"})");
  EXPECT_EQ(pair[0].candidates[0].reward, 2);
  EXPECT_EQ(pair[0].meta, json(R"({"Topic":"t"})"));
  EXPECT_THAT(noticed("p.jsonl", R"({"Prompt":"a","completion":"b"})"
                                 "\n"
                                 R"({"Prompt":"a","completion":"b"})"),
              testing::ElementsAre(
                  AllOf(HasSubstr("\"Prompt\" is read as \"prompt\": 2 rows"), HasSubstr("p.jsonl:1"))));
  EXPECT_EQ(read("k.csv", "prompt,completion,Label\na,b,True\n")[0].candidates[0].label, true);
}

TEST_F(NearlyRight, NamesThatAreTheUsersStay) {
  // "Text" is nearly a name of ours, but this format has no use for it.
  EXPECT_EQ(read("a.jsonl", R"({"prompt":"a","completion":"b","Text":"t"})")[0].meta,
            json(R"({"Text":"t"})"));
  // Two columns come near the same name: neither is it.
  EXPECT_EQ(read("b.jsonl", R"({"prompt":"a","Completion":"b","COMPLETION":"c"})")[0].candidates.size(), 0U);
  EXPECT_EQ(
      read("c.jsonl", R"({"prompt":"a","completion":"b","Completion":"c"})")[0].candidates[0].completion,
      "b");
}

TEST_F(NearlyRight, OtherSeparators) {
  for (const std::string content : {"prompt;completion\na, b;\"x; y\"\n", "prompt\tcompletion\na, b\tx; y\n"})
    for (const std::string ending : {"csv", "tsv"}) {
      const auto rows = read("rows." + ending, content);
      ASSERT_EQ(rows.size(), 1U);
      EXPECT_EQ(rows[0].prompt, "a, b");
      EXPECT_EQ(rows[0].candidates[0].completion, "x; y");
    }
  EXPECT_EQ(read("bars.csv", "prompt|completion\na, b|c\n")[0].prompt, "a, b");
  EXPECT_EQ(read("rows.tsv", "prompt,completion\na,b\n")[0].candidates.size(), 1U);
  EXPECT_EQ(read("one.csv", "text\na; b\n")[0].candidates[0].completion, "a; b");
}

TEST_F(NearlyRight, RowsOneLevelFurtherDown) {
  for (const std::string outer : {"data", "instances"}) {
    const auto rows =
        read("a.json", "{\"" + outer + R"(":{"train":[{"prompt":"a","completion":"b"}],"n":[{"x":1}]}})");
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].candidates[0].completion, "b");
  }
  const std::string two = R"({"data":{"train":[{"prompt":"a"}],"test":[{"prompt":"b"},{"prompt":"c"}]}})";
  EXPECT_THAT(refused("b.json", two), HasSubstr("data.train, data.test"));
  options_.field = "data.test";
  EXPECT_EQ(read("b.json", two).size(), 2U);
}

TEST_F(NearlyRight, AFileThatIsOneText) {
  for (const std::string name : {"a.json", "a.jsonl"}) {
    const auto rows =
        read(name, R"("[{\"prompt\":\"a\",\"completion\":\"b\"}, {\"prompt\":\"c\",\"completion\":\"d\"}]")");
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[1].candidates[0].completion, "d");
  }
  EXPECT_EQ(read("texts.jsonl", "\"[1]\"\n\"b\"\n")[0].candidates[0].completion, "[1]");
}

TEST_F(NearlyRight, AMappedColumnThatIsNotThere) {
  options_.columns = {{"prompt", "question"}, {"completion", "answr"}};
  const auto message = refused("rows.csv", "question,answer,topic\na,b,c\n");
  EXPECT_THAT(message, AllOf(HasSubstr("data.columns.completion"), HasSubstr("'answr'"),
                             HasSubstr("did you mean 'answer'"), HasSubstr("question")));
  EXPECT_EQ(read("ours.jsonl", R"({"prompt":"a","completion":"b"})")[0].prompt,
            "a");  // of a mixture's other files
  options_.columns = {{"prompt", " question"}};
  EXPECT_EQ(read("rows.csv", "id, question\n1,b\n")[0].prompt, "b");
}

TEST_F(NearlyRight, TheNearestReadingIsSaid) {
  EXPECT_THAT(
      refused("a.jsonl", R"({"question":"a","Answer":"b"})"),
      HasSubstr("Nearest: prompt_completion with data.columns={prompt: question, completion: Answer}"));
  EXPECT_THAT(
      refused("b.jsonl", R"({"opening":"a","good":"b","bad":"c"})"),
      HasSubstr("Nearest: preference with data.columns={prompt: opening, chosen: good, rejected: bad}"));
  EXPECT_THAT(refused("c.jsonl", R"({"row_idx":0,"row":{"prompt":"a","chosen":"b","rejected":"c"}})"),
              HasSubstr("inside \"row\""));
  EXPECT_THAT(refused("d.jsonl", R"({"text":["a","b"],"n":[1]})"), HasSubstr("\"text\" is a list"));
}

}  // namespace
}  // namespace attune::data
