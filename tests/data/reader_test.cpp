// Files, folders, malformed rows.
#include <zlib.h>

#include "data/rows/file/source_files.h"
#include "tests/data/support.h"

namespace attune::data {
namespace {

using support::options_for;
using support::read_all;
using support::request_error;
using support::TemporaryFolder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> texts_of(const DataOptions& options) {
  std::vector<std::string> out;
  for (const auto& example : read_all(options)) out.push_back(example.candidates.at(0).completion);
  return out;
}

TEST(Reader, EveryKindOfFile) {
  TemporaryFolder folder;
  const std::string a = R"({"text":"one"})", b = R"({"text":"two"})";
  for (const auto& [name, content] : std::vector<std::pair<std::string, std::string>>{
           {"a.jsonl", a + "\n\n" + b},
           {"a.ndjson", "\xEF\xBB\xBF" + a + "\r\n" + b + "\r\n"},
           {"array.json", "[" + a + ",\n " + b + "]"},
           {"lines.json", a + "\n" + b + "\n"},
           {"field.json", R"({"data":[)" + a + "," + b + "]}"},
           {"pretty.json", "{\n \"version\": 1,\n \"rows\": [\n" + a + ",\n" + b + "\n]\n}"},
           {"texts.json", R"(["one","two"])"},
           {"a.csv", "text,n\none,1\ntwo,2\n"},
           {"a.tsv", "text\tn\none\t1\ntwo\t2"},
           {"a.txt", "one\n\ntwo\n"},
           {"no-ending", a + "\n" + b}})
    EXPECT_THAT(texts_of(options_for(folder.write(name, content))), ElementsAre("one", "two")) << name;
}

TEST(Reader, Gzip) {
  TemporaryFolder folder;
  const std::string path = folder.path("a.jsonl.gz");
  gzFile file = gzopen(path.c_str(), "wb");
  gzputs(file, "{\"text\":\"one\"}\n{\"text\":\"two\"}\n");
  gzclose(file);
  EXPECT_THAT(texts_of(options_for(path)), ElementsAre("one", "two"));
  const std::string whole = core::read_file(path);
  folder.write("cut.jsonl.gz", whole.substr(0, whole.size() - 10));
  EXPECT_THAT(request_error([&] { read_all(options_for(folder.path("cut.jsonl.gz"))); }),
              HasSubstr("cut.jsonl.gz"));
}

TEST(Reader, CsvQuotes) {
  TemporaryFolder folder;
  const auto rows = read_all(options_for(folder.write(
      "q.csv", "prompt,completion,label\n\"a, \"\"b\"\"\",\"two\nlines\",True\n12,34,0\n,x,1\n")));
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].prompt, "a, \"b\"");
  EXPECT_EQ(rows[0].candidates[0].completion, "two\nlines");
  EXPECT_EQ(rows[0].candidates[0].label, true);
  EXPECT_EQ(rows[1].prompt, "12");  // text columns stay text
  EXPECT_EQ(rows[1].candidates[0].label, false);
}

TEST(Reader, CsvRowsOfTheWrongWidthAreMalformed) {
  TemporaryFolder folder;
  const auto path = folder.write("w.csv", "text,n\none,1\ntwo\nthree,3\n");
  EXPECT_THAT(request_error([&] { read_all(options_for(path)); }),
              AllOf(HasSubstr("w.csv:3"), HasSubstr("1 cell for 2 columns")));
  auto options = options_for(path);
  options.on_error = "skip";
  EXPECT_THAT(texts_of(options), ElementsAre("one", "three"));
}

TEST(Reader, RowsOfAClosingQuoteThatNeverComesAreOneMalformedRow) {
  TemporaryFolder folder;
  EXPECT_THAT(
      request_error([&] { read_all(options_for(folder.write("u.csv", "text\nok\n\"open\nmore\n"))); }),
      HasSubstr("u.csv:3: unclosed quote"));
}

TEST(Reader, MalformedRowsAreCountedToTheEndAndTheFirstFiveNamed) {
  TemporaryFolder folder;
  std::string content = "{\"prompt\":\"p\",\"completion\":\"c\"}\n";
  content += "{\"prompt\":\"p\"}\n";                          // 2: a column missing
  content += "{\"prompt\":\"p\",\"completion\":3}\n";         // 3: a wrong type
  content += "not json\n";                                    // 4
  content += "{\"prompt\":\"p\",\"prompt\":\"q\"}\n";         // 5: a key twice
  content += "{\"prompt\":\"\xff\",\"completion\":\"c\"}\n";  // 6: not UTF-8
  content += "[1,2]\n";                                       // 7: no object
  content += "{\"prompt\":\"p\",\"completion\":\"c\"}\n";
  const auto path = folder.write("bad.jsonl", content);
  const auto message = request_error([&] { read_all(options_for(path)); });
  EXPECT_THAT(message, AllOf(HasSubstr("6 of 8 rows are malformed"), HasSubstr("bad.jsonl:2: column missing"),
                             HasSubstr("bad.jsonl:3: wrong type"), HasSubstr("bad.jsonl:4: not valid JSON"),
                             HasSubstr("bad.jsonl:5"), HasSubstr("bad.jsonl:6"),
                             Not(HasSubstr("bad.jsonl:7")), HasSubstr("data.on_error=skip")));
  auto options = options_for(path);
  options.on_error = "skip";
  ExampleReader reader(options);
  record::Example example;
  std::vector<std::int64_t> rows;
  while (reader.next(example)) rows.push_back(reader.index());
  EXPECT_THAT(rows, ElementsAre(0, 7));
  EXPECT_EQ(reader.summary().dropped.at("malformed: column missing"), 1);
}

TEST(Reader, AMalformedFirstRowDoesNotDecideTheFormat) {
  TemporaryFolder folder;
  const auto path = folder.write("f.jsonl",
                                 "{\"prompt\":\"p\"}\n{\"prompt\":\"p\",\"completion\":\"c\"}\n"
                                 "{\"prompt\":\"p\",\"completion\":\"c\"}\n");
  EXPECT_THAT(request_error([&] { read_all(options_for(path)); }),
              HasSubstr("f.jsonl:1: column missing: \"completion\""));
}

TEST(Reader, DeepNestingIsAMalformedRow) {
  TemporaryFolder folder;
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  const auto path = folder.write("deep.jsonl", "{\"text\":\"a\"}\n{\"text\":" + deep + "}\n");
  EXPECT_THAT(request_error([&] { read_all(options_for(path)); }), HasSubstr("deep.jsonl:2"));
  const auto array = folder.write("deep.json", "[{\"text\":\"a\"},{\"text\":" + deep + "}]");
  EXPECT_THAT(request_error([&] { read_all(options_for(array)); }), HasSubstr("deep.json:1 (item 2)"));
}

TEST(Reader, MoreColumnsThanAnyDataHasAreRefused) {
  TemporaryFolder folder;
  std::string header = "text", keys = "{\"text\":\"a\"";
  for (int i = 0; i < 10'000; ++i) {
    header += fmt::format(",c{}", i);
    keys += fmt::format(",\"c{}\":1", i);
  }
  EXPECT_THAT(request_error([&] { read_all(options_for(folder.write("wide.csv", header + "\n"))); }),
              HasSubstr("wide.csv:1: the header line: more than 10000 columns"));
  EXPECT_THAT(request_error([&] { read_all(options_for(folder.write("wide.jsonl", keys + "}\n"))); }),
              AllOf(HasSubstr("wide.jsonl:1"), HasSubstr("more than 10000 keys")));
}

TEST(Reader, DamagedFiles) {
  TemporaryFolder folder;
  EXPECT_THAT(request_error([&] { read_all(options_for(folder.path("none.jsonl"))); }),
              HasSubstr("no such file"));
  EXPECT_THAT(request_error([&] { read_all(options_for(folder.write("empty.jsonl", ""))); }),
              HasSubstr("empty"));
  EXPECT_THAT(request_error([&] { read_all(options_for(folder.write("cut.json", "[{\"text\":\"a\"},"))); }),
              HasSubstr("cut.json"));
  EXPECT_THAT(request_error([&] { read_all(options_for(folder.write("d.parquet", "PAR1"))); }),
              HasSubstr("parquet"));
  EXPECT_THAT(request_error([&] { read_all(options_for("org/name")); }), HasSubstr("load_dataset"));
  EXPECT_THAT(request_error([&] { read_all(DataOptions()); }), HasSubstr("data=prefs.jsonl"));
}

TEST(Reader, ColumnsAreRenamed) {
  TemporaryFolder folder;
  auto options = options_for(folder.write("c.jsonl", R"({"question":"q","answer":"a","prompt":"other"})"));
  options.columns = support::json(R"({"prompt":"question","completion":"answer"})");
  const auto rows = read_all(options);
  EXPECT_EQ(rows[0].prompt, "q");
  EXPECT_EQ(rows[0].candidates[0].completion, "a");
}

TEST(Reader, RenamedCellsAreReadAsTheirNewColumns) {
  TemporaryFolder folder;
  auto options = options_for(folder.write("c.csv", "q,a,good\nwhy,because,true\n"));
  options.columns = support::json(R"({"prompt":"q","completion":"a","label":"good"})");
  EXPECT_EQ(read_all(options)[0].candidates[0].label, true);
}

TEST(Reader, LimitAndIds) {
  TemporaryFolder folder;
  auto options =
      options_for(folder.write("l.jsonl", "{\"text\":\"a\",\"id\":7}\n{\"text\":\"b\"}\n{\"text\":\"c\"}\n"));
  options.limit = 2;
  const auto rows = read_all(options);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].id, "7");
  EXPECT_EQ(rows[1].id, "1");
}

TEST(Reader, SplitsByName) {
  EXPECT_EQ(split_of("data/train-00000-of-00005.jsonl"), "train");
  EXPECT_EQ(split_of("prefs.dev.json"), "validation");
  EXPECT_EQ(split_of("testing2.csv"), "test");
  EXPECT_EQ(split_of("validation/x.jsonl"), "validation");
  EXPECT_EQ(split_of("trainer.jsonl"), "");
  EXPECT_EQ(split_of("contest.jsonl"), "");
}

TEST(Reader, Folders) {
  TemporaryFolder folder;
  folder.write("data/train-00001-of-00002.jsonl", R"({"text":"b"})");
  folder.write("data/train-00000-of-00002.jsonl", R"({"text":"a"})");
  folder.write("data/test.jsonl", R"({"text":"t"})");
  folder.write("README.md", "about");
  auto options = options_for(folder.path());
  EXPECT_THAT(texts_of(options), ElementsAre("a", "b"));
  options.split = "test";
  EXPECT_THAT(texts_of(options), ElementsAre("t"));
  options.split = "evaluation";  // another word for test
  EXPECT_THAT(texts_of(options), ElementsAre("t"));
  options.split = "validation";
  EXPECT_THAT(request_error([&] { read_all(options); }),
              AllOf(HasSubstr("validation"), HasSubstr("test, train")));
  TemporaryFolder none;
  EXPECT_THAT(request_error([&] { read_all(options_for(none.path())); }), HasSubstr("no data files"));
}

TEST(Reader, MixturesRepeatAndThinOutByWeight) {
  TemporaryFolder folder;
  const auto a = folder.write("a.jsonl", "{\"text\":\"a1\"}\n{\"text\":\"a2\"}\n");
  const auto b = folder.write(
      "b.jsonl", "{\"prompt\":\"p\",\"completion\":\"b1\"}\n{\"prompt\":\"p\",\"completion\":\"b2\"}\n");
  DataOptions options;
  options.path =
      core::Json::array({core::Json{{"path", a}, {"weight", 2}}, core::Json{{"path", b}, {"weight", 0.5}}});
  EXPECT_THAT(texts_of(options), ElementsAre("a1", "a1", "a2", "a2", "b2"));
  options.path = core::Json::array({a, b});
  EXPECT_THAT(texts_of(options), ElementsAre("a1", "a2", "b1", "b2"));
  options.path = core::Json::array({core::Json{{"path", a}, {"weight", -1}}});
  EXPECT_THAT(request_error([&] { read_all(options); }), HasSubstr("weight"));
}

TEST(Reader, OptionsAreDeclaredAndChecked) {
  DataOptions options;
  auto fields = core::fields_of(options);
  fields.assign_all(core::parse_yaml("{path: [a.jsonl, b.jsonl], on_error: skip, columns: {prompt: q}}", "t"),
                    "data");
  EXPECT_EQ(options.path.size(), 2U);
  EXPECT_EQ(options.on_error, "skip");
  EXPECT_EQ(options.columns["prompt"], "q");
  EXPECT_THAT(request_error([&] { fields.assign_all(core::parse_yaml("{on_error: maybe}", "t"), "data"); }),
              HasSubstr("on_error"));
}

}  // namespace
}  // namespace attune::data
