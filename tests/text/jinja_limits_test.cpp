// Templates that run away or try to crash us: each must end soon with an error that names the bound.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "text/jinja/template.h"

namespace attune::text {
namespace {

using core::Json;
using ::testing::HasSubstr;

std::string limit_error_of(const std::string& source) {
  try {
    return "no error, but " +
           std::to_string(JinjaTemplate::parse(source, "t").render(Json::object()).text.size()) + " bytes";
  } catch (const core::Error& error) {
    return error.what();
  }
}

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

std::string in_loop(const std::string& start, const std::string& step, int times = 99999) {
  return "{% set ns = namespace(x=" + start + ") %}{% for i in range(" + std::to_string(times) +
         ") %}{% set ns.x = " + step + " %}{% endfor %}{{ ns.x }}";
}

TEST(JinjaLimits, StopsLoopsThatMultiply) {
  const std::string endless =
      "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}\n{{ a }}{% endfor "
      "%}{% endfor %}{% endfor %}";
  EXPECT_THAT(limit_error_of("\n" + endless), HasSubstr("runs too long"));
  EXPECT_THAT(limit_error_of("{{ range(100001) }}"), HasSubstr("Range too big"));
}

TEST(JinjaLimits, StopsRecursion) {
  EXPECT_THAT(limit_error_of("{% macro m() %}\n{{ m() }}{% endmacro %}{{ m() }}"), HasSubstr("t:2: macros"));
  EXPECT_THAT(limit_error_of("{% macro m(n) %}{{ m(n) ~ m(n) }}{% endmacro %}{{ m(1) }}"),
              HasSubstr("too deep"));
  EXPECT_THAT(limit_error_of("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}"),
              HasSubstr("too deep"));
  const std::string mutual =
      "{% macro a() %}{% call b() %}{{ a() }}{% endcall %}{% endmacro %}{% macro b() %}{{ caller() }}{% "
      "endmacro %}";
  EXPECT_THAT(limit_error_of(mutual + "{{ a() }}"), HasSubstr("too deep"));
}

TEST(JinjaLimits, StopsGrowingText) {
  EXPECT_THAT(limit_error_of("{{ 'x' * 100000000000 }}"), HasSubstr("too much text"));
  EXPECT_THAT(limit_error_of(in_loop("'abcdefgh'", "ns.x ~ ns.x")), HasSubstr("too much text"));
  EXPECT_THAT(limit_error_of("{{ 'a'.ljust(9999999999) }}"), HasSubstr("too much text"));
  EXPECT_THAT(limit_error_of("{{ [[[1]]]|tojson(indent=99999999999) }}"), HasSubstr("too much text"));
  EXPECT_THAT(limit_error_of("{{ '{:>99999999999}'.format(1) }}"), HasSubstr("Too many decimal digits"));
  EXPECT_THAT(limit_error_of("{% for i in range(99999) %}" + std::string(2000, 'x') + "{% endfor %}"),
              HasSubstr("too much text"));
}

TEST(JinjaLimits, StopsGrowingLists) {
  EXPECT_THAT(limit_error_of("{{ [1] * 99999999 }}"), HasSubstr("too long a list"));
  EXPECT_THAT(limit_error_of(in_loop("[1]", "ns.x + ns.x")), HasSubstr("too long a list"));
  EXPECT_THAT(limit_error_of("{{ [1]|batch(99999999, 0)|list }}"), HasSubstr("too long a list"));
}

TEST(JinjaLimits, StopsDeepValues) {
  EXPECT_THAT(limit_error_of(in_loop("[]", "[ns.x]")), HasSubstr("nested deeper"));
  EXPECT_THAT(limit_error_of(in_loop("{}", "{'a': ns.x}")), HasSubstr("nested deeper"));
  EXPECT_THAT(limit_error_of(in_loop("[]", "ns.x|map('string')")), HasSubstr("nested deeper"));
  EXPECT_THAT(limit_error_of(in_loop("[1]", "ns.x|batch(1)")), HasSubstr("nested deeper"));
  // A tree of 2^60 leaves that shares its branches: comparing and printing it must not visit them all.
  EXPECT_THAT(limit_error_of(in_loop("[1]", "[ns.x, ns.x]", 60)), HasSubstr("t:1: "));
  EXPECT_THAT(limit_error_of(in_loop("[1]", "[ns.x, ns.x]", 60) + "{{ ns.x|tojson }}"), HasSubstr("t:1: "));
}

TEST(JinjaLimits, FreesValuesThatHoldEachOther) {  // checked by the leak checker
  EXPECT_EQ(limit_error_of(
                "{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.b = b %}{% set a.a = a %}"),
            "no error, but 0 bytes");
  EXPECT_EQ(limit_error_of("{% for x in [1, 2] %}{% if loop.changed(loop) %}{% endif %}{% endfor %}"),
            "no error, but 0 bytes");
  EXPECT_EQ(
      limit_error_of("{% set ns = namespace() %}{% macro m() %}{% set ns.m = m %}{% endmacro %}{{ m() }}{% "
                     "set ns.n = ns.m %}"),
      "no error, but 0 bytes");
  const std::string chain =
      "{% set top = namespace() %}{% set ns = namespace(x=top) %}{% for i in range(50000) %}{% set n = "
      "namespace() %}"
      "{% set at = ns.x %}{% set at.next = n %}{% set ns.x = n %}{% endfor %}";
  EXPECT_EQ(limit_error_of(chain), "no error, but 0 bytes");
}

TEST(JinjaLimits, OutlivingVariablesStayValid) {
  const std::string source =
      "{% set ns = namespace() %}{% macro outer(v) %}{% macro inner() %}{{ v }}{% endmacro %}{% set ns.f = "
      "inner %}{% endmacro %}"
      "{{ outer('kept') }}{{ outer('other') }}{{ ns.f() }}";
  EXPECT_EQ(JinjaTemplate::parse(source, "t").render(Json::object()).text, "other");
}

TEST(JinjaLimits, RefusesDeepSource) {
  for (const std::string& source :
       {"{{ " + repeated("(", 100000), "{{ " + repeated("[", 100000) + repeated("]", 100000) + " }}",
        "{{ 1" + repeated("+1", 100000) + " }}", "{{ " + repeated("not ", 100000) + "1 }}",
        "{{ " + repeated("-", 100000) + "1 }}", "{{ x" + repeated(".a", 100000) + " }}",
        "{{ x" + repeated("|e", 100000) + " }}", "{{ " + repeated("1 if 1 else ", 100000) + "1 }}",
        repeated("{% if 1 %}", 100000), repeated("{% for a in b %}", 100000),
        repeated("{% macro m() %}", 100000)})
    EXPECT_THAT(limit_error_of(source), HasSubstr("t:1: ")) << source.substr(0, 20);
}

TEST(JinjaLimits, AcceptsWhatTemplatesNeed) {
  EXPECT_EQ(limit_error_of("{{ ''" + repeated(" + 'a'", 150) + " }}"), "no error, but 150 bytes");
  EXPECT_EQ(limit_error_of(repeated("{% if true %}", 90) + "x" + repeated("{% endif %}", 90)),
            "no error, but 1 bytes");
  EXPECT_EQ(limit_error_of("{% if false %}" + repeated("{% elif false %}", 5000) + "{% else %}x{% endif %}"),
            "no error, but 1 bytes");
  EXPECT_EQ(limit_error_of("{% macro m(n) %}{% if n %}{{ m(n - 1) }}{% endif %}x{% endmacro %}{{ m(150) }}"),
            "no error, but 151 bytes");
}

}  // namespace
}  // namespace attune::text
