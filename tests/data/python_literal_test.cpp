// What Python prints, against the JSON that json.dumps writes of the same.
#include "data/rows/column/python_literal.h"

#include <gtest/gtest.h>

namespace attune::data {
namespace {

std::string read(std::string_view text) {
  const auto value = read_python_literal(text);
  return value ? core::to_line(*value) : "nothing";
}

TEST(PythonLiteral, ListsOfAnything) {
  EXPECT_EQ(read(R"(['a', "it's", 'say "b"', 'c\n\\ \'d\' \xe9 \u20ac \U0001f600'])"),
            R"(["a","it's","say \"b\"","c\n\\ 'd' é € 😀"])");
  EXPECT_EQ(read("[1, -2.5, 1e-05, True, False, None, (1,), (), {}, []]"),
            "[1,-2.5,1e-05,true,false,null,[1],[],{},[]]");
  EXPECT_EQ(read(" [{'role': 'user', 'n': {'a': [1]}}, ] "), R"([{"role":"user","n":{"a":[1]}}])");
}

TEST(PythonLiteral, ArraysOfNumpy) {
  EXPECT_EQ(read("[{'a': 1}\n {'a': 2}]"), R"([{"a":1},{"a":2}])");
  EXPECT_EQ(read("array(['a', 'b'], dtype=object)"), R"(["a","b"])");
  EXPECT_EQ(read("['a' 'b']"), "nothing");  // one text in Python, two in numpy
}

TEST(PythonLiteral, TextsThatAreNone) {
  for (const char* text : {"", "[", "[1", "['a", "['a\\", "[a]", "[1, 2] and more", "{1: 2}", "{'a' 'b'}",
                           "[1 2]", "array(1)", "array([1]", "['\\ud800']", "it's", "[,]"})
    EXPECT_EQ(read(text), "nothing") << text;
  EXPECT_EQ(read(std::string(1000, '[')), "nothing");
}

}  // namespace
}  // namespace attune::data
