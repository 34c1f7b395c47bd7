#include "core/config/value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"

namespace attune::core {
namespace {

using testing::HasSubstr;

Json read(const std::string& text) { return parse_yaml(text, "r.yaml").to_json(); }

std::string refusal(const std::string& text) {
  try {
    parse_yaml(text, "r.yaml");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kRequest);
    return error.what();
  }
  return "accepted";
}

// Expected values follow the tables of YAML 1.2, chapter 10.3 (core schema).
TEST(Yaml, ReadsTheCoreSchema) {
  const Json got = read(
      "{a: 1, b: -2, c: 0x1F, d: 0o17, e: 1e3, f: 5.0e-6, g: true, h: ~, i: yes, j: '1', k: 1_000, l: .5}");
  const Json want =
      parse_json(R"({"a":1,"b":-2,"c":31,"d":15,"e":1000.0,"f":5e-06,"g":true,"h":null,"i":"yes","j":"1",)"
                 R"("k":"1_000","l":0.5})",
                 "expected");
  EXPECT_EQ(got, want);
  EXPECT_TRUE(got["a"].is_number_integer());
  EXPECT_TRUE(got["e"].is_number_float());
}

TEST(Yaml, ReadsLimitsOfNumbers) {
  EXPECT_EQ(resolve_scalar("-9223372036854775808"), Json(INT64_MIN));
  EXPECT_EQ(resolve_scalar("9223372036854775807"), Json(INT64_MAX));
  EXPECT_EQ(resolve_scalar("18446744073709551615"), Json(UINT64_MAX));
  EXPECT_TRUE(resolve_scalar("-9223372036854775809").is_number_float());
  EXPECT_EQ(resolve_scalar("1e400").get<double>(), INFINITY);
  EXPECT_EQ(resolve_scalar("-1e-400").get<double>(), 0.0);
  EXPECT_EQ(resolve_scalar("-.inf").get<double>(), -INFINITY);
  EXPECT_TRUE(std::isnan(resolve_scalar(".nan").get<double>()));
  for (const char* text : {"1.2.3", "e5", "-", ".", "+-1", "1e", "0x", "1 2", "--1", "1-2"}) {
    EXPECT_TRUE(resolve_scalar(text).is_string()) << text;
  }
}

TEST(Yaml, KeepsTextPlaceAndQuotes) {
  const Value value = parse_yaml("a: 12\nb:\n  - 'x'\n  - 1.0\n", "dir/r.yaml");
  EXPECT_EQ(value.find("a")->text(), "12");
  EXPECT_FALSE(value.find("a")->quoted());
  EXPECT_EQ(value.find("a")->place(), "dir/r.yaml:1");
  const Value& second = value.find("b")->items()[1];
  EXPECT_EQ(second.text(), "1.0");
  EXPECT_EQ(second.place(), "dir/r.yaml:4");
  EXPECT_TRUE(value.find("b")->items()[0].quoted());
  EXPECT_EQ(value.find("c"), nullptr);
}

TEST(Yaml, AnEmptyTextIsNull) {
  EXPECT_TRUE(parse_yaml("", "r").is_null());
  EXPECT_TRUE(parse_yaml("# only a comment\n", "r").is_null());
}

TEST(Yaml, RefusesWhatYamlCppAcceptsSilently) {
  EXPECT_THAT(refusal("a: 1\nb: 2\na: 3\n"), HasSubstr("r.yaml:3: the key 'a' is given twice"));
  EXPECT_THAT(refusal("x: &a {b: 1}\ny:\n  <<: *a\n"), HasSubstr("r.yaml:3: merge keys"));
  EXPECT_THAT(refusal("? [1, 2]\n: 3\n"), HasSubstr("r.yaml:1: a key must be a plain word"));
  EXPECT_THAT(refusal("a: 1\n---\nb: 2\n"), HasSubstr("more than one YAML document"));
  EXPECT_THAT(refusal("a: &x [*x]\n"), HasSubstr("alias may not contain itself"));
  EXPECT_THAT(refusal("a: !python/object 1\n"), HasSubstr("tag"));
  EXPECT_THAT(refusal("a: 1\nb: \xff\n"), HasSubstr("r.yaml:2: not valid UTF-8"));
  EXPECT_THAT(refusal(std::string("a: 1\nb: 2\x04 3\n")), HasSubstr("r.yaml:2: the control character 0x04"));
  EXPECT_THAT(refusal("a: [1, 2\nb: 3\n"), HasSubstr("not valid YAML"));
  EXPECT_THAT(refusal("a: b: c\n"), HasSubstr("r.yaml:1: not valid YAML"));
}

TEST(Yaml, AQuoteIsClosed) {
  for (const char* text :
       {"a: 1\nb: \"x\nc: 2\n", "a: 1\nb: 'x\nc: 2\n", "a: 1\n\"b: 2\nc: 3\n", "a: 1\nb: [1, \"x]\nc: 2\n",
        "a: 1\r\nb: \"x\r\nc: 2\r\n", "a: 1\nb: \"x\\\"\n", "\xEF\xBB\xBF# é\nb: 'it''s\n"})
    EXPECT_THAT(refusal(text), HasSubstr("r.yaml:2: the quote that opens here is not closed")) << text;
  for (const char* text :
       {"a: \"x\"\n", "a: 'it''s'\n", "a: \"x\\\"\"", "a: it's\n", "a: [\"\", '']\nb: \"é\" # \"\n",
        "a: \"two\n  lines\"\nb: &x 'y'\nc: *x\n", "a: |\n  \"\nb: 1\n", "\xEF\xBB\xBF\"a\": 'b'\n"})
    EXPECT_EQ(refusal(text), "accepted") << text;
}

TEST(Yaml, BoundsNestingAndAliases) {
  const auto nested = [](int levels) { return std::string(levels, '[') + std::string(levels, ']'); };
  EXPECT_THAT(refusal("a: " + nested(80)), HasSubstr("nested deeper than 64 levels"));
  EXPECT_EQ(refusal("a: " + nested(60)), "accepted");
  for (const char* open : {"[", "{a: ", "- ", "? ", "&a ["}) {
    std::string deep;
    for (int i = 0; i < 100000; ++i) deep += open;
    EXPECT_NE(refusal(deep), "accepted") << open;  // and neither a crash nor a long wait
  }
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    bomb += fmt::format("a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n", i, i - 1);
  }
  EXPECT_THAT(refusal(bomb), HasSubstr("aliases expand to more than 10000 values"));
  EXPECT_EQ(read("a: &x {b: 1}\nc: *x\n")["c"]["b"], 1);
}

TEST(Yaml, BoundsKeys) {
  const auto keys = [](int count) {
    std::string map;
    for (int i = 0; i < count; ++i) map += fmt::format("k{}: 1\n", i);
    return map;
  };
  EXPECT_EQ(refusal(keys(10'000)), "accepted");
  EXPECT_THAT(refusal(keys(10'001)), HasSubstr("r.yaml:10001: a map with more than 10000 keys"));
  EXPECT_EQ(refusal("? " + std::string(1000, 'k') + "\n: 1"), "accepted");
  EXPECT_THAT(refusal("? " + std::string(1001, 'k') + "\n: 1"), HasSubstr("a key of more than 1000 bytes"));
}

TEST(JsonText, ManyKeysTakeNoLongerEach) {
  // 100,000 keys: looking each up among those before it would be five thousand million comparisons.
  std::string text = "{\"k\":0";
  for (int i = 0; i < 100'000; ++i) text += fmt::format(",\"k{}\":[{}]", i, i);
  const Json json = parse_json(text + "}", "here");
  ASSERT_EQ(json.size(), 100'001U);
  EXPECT_EQ(json.back(), Json::array({99'999}));
  EXPECT_THROW(parse_json(text + ",\"k7\":1}", "here"), Error);
  Json row;
  std::string why;
  EXPECT_FALSE(try_parse_json(text + "}", row, why));  // one item among many needs no such object
  EXPECT_EQ(why, "an object with more than 10000 keys");
  EXPECT_TRUE(try_parse_json(R"({"a":{"b":[1,{"c":-2.5e3}],"d":"e"},"f":18446744073709551615})", row, why))
      << why;
  EXPECT_EQ(row.dump(), R"({"a":{"b":[1,{"c":-2500.0}],"d":"e"},"f":18446744073709551615})");
}

TEST(Arguments, AreKeysWithYaml) {
  const auto [key, value] = parse_argument("method={name: dpo, beta: 0.2}", {});
  EXPECT_EQ(key, "method");
  EXPECT_EQ(value.to_json(), parse_json(R"({"name":"dpo","beta":0.2})", "expected"));
  EXPECT_EQ(value.find("beta")->place(), "argument 'method={name: dpo, beta: 0.2}'");
  EXPECT_TRUE(parse_argument("stop=", {}).second.is_null());
  EXPECT_EQ(parse_argument("text= {a: [=b # c", {"text"}).second.text(), " {a: [=b # c");
  EXPECT_EQ(parse_argument("prompt=", {"prompt"}).second.to_json(), Json(""));
  EXPECT_EQ(parse_argument("a.b=x=y", {}).second.to_json(), Json("x=y"));
}

TEST(Arguments, RefuseBadKeysAndYaml) {
  for (const char* text :
       {"word", "=1", ".a=1", "a.=1", "a..b=1", "a b=1", "a=[1", "a={x: 1, x: 2}", "a\xD2=1", "a\x7F=1"}) {
    EXPECT_THROW(parse_argument(text, {}), Error) << text;
  }
  // The place of a long argument is cut: a list of n entries must not keep n copies of the whole argument.
  std::string ids = "ids=[1";
  for (int i = 0; i < 1000; ++i) ids += ",12";
  EXPECT_LT(parse_argument(ids + "]", {}).second.items()[7].place().size(), 100u);
}

std::string first_of(std::string_view path) {
  if (path == "data") return "path";
  if (path == "method") return "name";
  return "";
}

TEST(Overlay, ShortFormsSetTheFirstField) {
  Value root = Value::map({}, "test");
  const auto apply = [&](const std::string& text) {
    auto [key, value] = parse_argument(text, {});
    root.set(key, std::move(value), first_of);
  };
  apply("data=prefs.jsonl");
  EXPECT_EQ(root.to_json()["data"], "prefs.jsonl");
  apply("data.limit=5");
  EXPECT_EQ(root.to_json()["data"], parse_json(R"({"path":"prefs.jsonl","limit":5})", "expected"));
  apply("data=other.jsonl");
  EXPECT_EQ(root.to_json()["data"], parse_json(R"({"limit":5,"path":"other.jsonl"})", "expected"));
  apply("method={name: dpo, beta: 0.1}");
  apply("method=ipo");
  EXPECT_EQ(root.to_json()["method"], parse_json(R"({"beta":0.1,"name":"ipo"})", "expected"));
  apply("method={name: sft}");
  EXPECT_EQ(root.to_json()["method"], parse_json(R"({"name":"sft"})", "expected"));
  apply("training.a.b=1");
  EXPECT_EQ(root.to_json()["training"]["a"]["b"], 1);
  EXPECT_THROW(apply("training.a.b.c=1"), Error);
}

TEST(ToYaml, ReadsBackEqual) {
  const Json original = parse_json(
      R"({"a":1,"b":-0.5,"c":5e-06,"d":1e20,"e":"text","f":"12","g":"","h":"yes","i":"a: b # c","j":null,"k":true,
          "l":[1,2.5,"x, y",[],{}],"m":{"n":{"o":[{"p":1,"q":[1,[2]]},"r"]},"s":{}},"t":"line\nline\ttab \"q\" \\ é",
          "u v":1,"null":2,"12":3,"w":18446744073709551615,"x":-9223372036854775808,"y":"2020-01-01","z":"~",
          "dots":"...","dash":"-","star":"*a","hash":"#","nul":"null","inf":".inf","slash":"../runs/a-b.c@d"})",
      "expected");
  EXPECT_EQ(to_yaml(Json("a\x7F")), "\"a\\u007f\"\n");  // raw, no reader takes it
  const std::string yaml = to_yaml(original);
  EXPECT_EQ(parse_yaml(yaml, "saved").to_json(), original) << yaml;
  for (const Json& single :
       {Json("x"), Json(1), Json(nullptr), Json::array(), Json::object(), Json({1, 2}), Json(0.1)}) {
    EXPECT_EQ(parse_yaml(to_yaml(single), "saved").to_json(), single);
  }
}

TEST(ToYaml, IsReadAlikeByYamlOnePointOne) {
  // PyYAML takes 5e-06 for a string (no point) and yes for true.
  EXPECT_EQ(to_yaml(Json(5e-06)), "5.0e-06\n");
  EXPECT_EQ(to_yaml(Json("yes")), "\"yes\"\n");
}

TEST(FromJson, GivesTheSameDocument) {
  const Json json = parse_json(R"({"a":[1,0.1,"1",null,true],"b":{"c":"x"}})", "expected");
  EXPECT_EQ(Value::from_json(json, "here").to_json(), json);
}

TEST(Utf8, FindsTheFirstBadByte) {
  EXPECT_EQ(find_invalid_utf8("aé€😀"), std::string_view::npos);
  EXPECT_EQ(find_invalid_utf8("a\xC0\x80"), 1u);         // overlong
  EXPECT_EQ(find_invalid_utf8("ab\xED\xA0\x80"), 2u);    // a surrogate
  EXPECT_EQ(find_invalid_utf8("\xF4\x90\x80\x80"), 0u);  // beyond U+10FFFF
  EXPECT_EQ(find_invalid_utf8("abc\xE2\x82"), 3u);       // cut short
}

}  // namespace
}  // namespace attune::core
