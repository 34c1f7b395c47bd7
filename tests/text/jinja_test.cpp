// What the Jinja interpreter renders. Expected texts follow from Python's and jinja2's documentation; the
// golden tests compare thousands more with jinja2 itself.
#include "text/jinja/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace attune::text {
namespace {

using core::Json;
using ::testing::HasSubstr;

std::string render(const std::string& source, const Json& context = Json::object()) {
  return JinjaTemplate::parse(source, "t").render(context).text;
}

std::string error_of(const std::string& source, const Json& context = Json::object()) {
  try {
    return "no error, but: " + render(source, context);
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kRequest);
    return error.what();
  }
}

TEST(Jinja, TrimsBlocksAndStripsBeforeThem) {
  EXPECT_EQ(render("a\n  {% if true %}\n  b\n  {% endif %}\nc\n"), "a\n  b\nc");
  EXPECT_EQ(render("a  {%- if true -%}  b  {% endif %}"), "ab  ");
  EXPECT_EQ(render("  {%+ if true +%}\nb{% endif %}"), "  \nb");
  EXPECT_EQ(render("{# gone #}\nx {#- y -#} z"), "xz");
  EXPECT_EQ(render("{% raw %}{{ x }}{% endraw %}"), "{{ x }}");
  EXPECT_EQ(render("a\r\nb\rc\n"), "a\nb\nc");
}

TEST(Jinja, PrintsValuesAsPython) {
  EXPECT_EQ(render("{{ true }} {{ none }} {{ 1.5 }} {{ 1e16 }} {{ 1e-5 }} {{ 2.0 }}"),
            "True None 1.5 1e+16 1e-05 2.0");
  EXPECT_EQ(render("{{ [1, 'a', \"it's\", none, (2,)] }}"), "[1, 'a', \"it's\", None, (2,)]");
  EXPECT_EQ(render("{{ {'a': [1.0], 2: '\\n'} }}"), "{'a': [1.0], 2: '\\n'}");
  EXPECT_EQ(render("{{ x }}|{{ nope }}", {{"x", {{"k", nullptr}}}}), "{'k': None}|");
}

TEST(Jinja, CalculatesAsPython) {
  EXPECT_EQ(render("{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ -2 ** 2 }}"),
            "-4 2 3.5 1024 0.5 4");
  EXPECT_EQ(render("{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'a' in 'cat' }} {{ 3 not in [1, 2] }}"),
            "True False True True");
  EXPECT_EQ(render("{{ 1 ~ 'a' ~ none }} {{ 'ab' * 2 }} {{ [1] + [2] }} {{ '%s=%03d' % ('x', 7) }}"),
            "1aNone abab [1, 2] x=007");
  EXPECT_EQ(render("{{ 0 or 'x' }} {{ '' and 1 }}| {{ 'y' if false }}|{{ 1 if true else 2 }}"), "x | |1");
  EXPECT_EQ(render("{{ 1 == 1.0 == true }} {{ {1: 'a'}[true] }}"), "True a");
}

TEST(Jinja, CountsCodePoints) {
  EXPECT_EQ(render("{{ 'größe日'|length }} {{ 'größe日'[::-1] }} {{ 'größe日'[2] }} {{ 'ß'.upper() }} {{ "
                   "'ΑΣ'.lower() }}"),
            "6 日eßörg ö SS ας");
}

TEST(Jinja, FindsMethodsBeforeItemsWithPoint) {
  const Json context = {{"d", {{"items", 1}, {"a", 2}}}};
  EXPECT_EQ(
      render("{{ d.a }}{{ d['items'] }}{{ d.items()|list }}{{ d.get('z', 3) }}{{ d.z is defined }}", context),
      "21[('items', 1), ('a', 2)]3False");
}

TEST(Jinja, KeepsAssignmentsInsideLoops) {
  EXPECT_EQ(render("{% set x = 1 %}{% for i in [1, 2] %}{% set x = i %}{{ x }}{% endfor %}{{ x }}"), "121");
  EXPECT_EQ(
      render("{% set ns = namespace(x=1) %}{% for i in [1, 2] %}{% set ns.x = i %}{% endfor %}{{ ns.x }}"),
      "2");
  EXPECT_EQ(render("{% if true %}{% set x = 5 %}{% endif %}{{ x }}"), "5");
}

TEST(Jinja, RunsLoops) {
  EXPECT_EQ(render("{% for a, b in [(1, 2), (3, 4)] %}{{ loop.index }}:{{ a + b }}{{ ', ' if not loop.last "
                   "}}{% endfor %}"),
            "1:3, 2:7");
  EXPECT_EQ(render("{% for i in range(5) if i is odd %}{{ i }}{{ loop.length }}{% else %}none{% endfor %}"),
            "1232");
  EXPECT_EQ(render("{% for i in [] %}{% else %}none{% endfor %}"), "none");
  EXPECT_EQ(render("{% for i in range(9) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break "
                   "%}{% endif %}{{ i }}{% endfor %}"),
            "02");
  EXPECT_EQ(render("{% for n in t recursive %}{{ n.v }}{% if n.k %}({{ loop(n.k) }}){% endif %}{% endfor %}",
                   {{"t", {{{"v", 1}, {"k", {{{"v", 2}}}}}}}}),
            "1(2)");
}

TEST(Jinja, CallsMacros) {
  EXPECT_EQ(render("{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, b=3) }} {{ m() }}"),
            "1-2 1-3 -2");
  EXPECT_EQ(render("{% macro m() %}<{{ caller('x') }}>{% endmacro %}{% call(v) m() %}{{ v }}!{% endcall %}"),
            "<x!>");
  EXPECT_EQ(render("{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, k=2) }}"), "(1,){'k': 2}");
  EXPECT_EQ(render("{% filter upper %}a{% endfilter %}{% set x %}b{% endset %}{{ x }}"), "Ab");
}

TEST(Jinja, WritesJsonAsTransformers) {
  const Json context = {{"x", {{"ü", {1, 2.0, nullptr, true}}, {"a", "<'\">"}}}};
  EXPECT_EQ(render("{{ x|tojson }}", context), "{\"ü\": [1, 2.0, null, true], \"a\": \"<'\\\">\"}");
  EXPECT_EQ(render("{{ x|tojson(ensure_ascii=true, separators=(',', ':'), sort_keys=true) }}", context),
            "{\"a\":\"<'\\\">\",\"\\u00fc\":[1,2.0,null,true]}");
  EXPECT_EQ(render("{{ [1, {'a': []}]|tojson(indent=2) }}"), "[\n  1,\n  {\n    \"a\": []\n  }\n]");
}

TEST(Jinja, SelectsAndGroups) {
  const Json context = {{"r", {{{"n", "a"}, {"v", 2}}, {{"n", "B"}, {"v", 1}}, {{"n", "c"}}}}};
  EXPECT_EQ(render("{{ r|selectattr('v', 'defined')|map(attribute='n')|join(',') }}", context), "a,B");
  EXPECT_EQ(render("{{ r|rejectattr('n', 'equalto', 'a')|list|length }}{{ [3, 1, 2]|sort|first }}", context),
            "21");
  EXPECT_EQ(
      render("{{ r|map(attribute='v', default=0)|sum }}{{ ['b', 'A']|sort }}{{ {'b': 1, 'a': 2}|dictsort }}",
             context),
      "3['A', 'b'][('a', 2), ('b', 1)]");
}

TEST(Jinja, MarksGeneratedText) {
  const auto rendered =
      JinjaTemplate::parse(
          "<u>ü{% generation %}hi{{ x }}{% endgeneration %}!{% generation %}{% endgeneration %}", "t")
          .render({{"x", "é"}});
  EXPECT_EQ(rendered.text, "<u>ühié!");
  ASSERT_EQ(rendered.generation_spans.size(), 2u);  // "<u>ü" has 5 bytes, "hié" 4
  EXPECT_EQ(rendered.generation_spans[0], std::make_pair(std::size_t{5}, std::size_t{9}));
  EXPECT_EQ(rendered.generation_spans[1], std::make_pair(std::size_t{10}, std::size_t{10}));
  EXPECT_TRUE(rendered.spans_reliable);
}

TEST(Jinja, TellsWhenGeneratedTextHasNoPlace) {
  const auto source = "{% macro m() %}ab{% generation %}c{% endgeneration %}{% endmacro %}{{ m() }}";
  EXPECT_FALSE(JinjaTemplate::parse(source, "t").render(Json::object()).spans_reliable);
}

TEST(Jinja, NamesPlaceAndReasonOfErrors) {
  EXPECT_EQ(error_of("a\n{{ m.x.y }}", {{"m", Json::object()}}), "t:2: 'dict object' has no attribute 'x'");
  EXPECT_EQ(error_of("\n\n{{ raise_exception('roles must alternate') }}"), "t:3: roles must alternate");
  EXPECT_EQ(error_of("{{ nope.x }}"), "t:1: 'nope' is undefined");
  EXPECT_THAT(error_of("{{ x"), HasSubstr("t:1: "));
  EXPECT_THAT(error_of("{% if x %}\n{% endfor %}"), HasSubstr("t:2: Encountered unknown tag 'endfor'"));
  EXPECT_THAT(error_of("{{ 1|nosuch }}"), HasSubstr("No filter named 'nosuch'"));
  EXPECT_THAT(error_of("{% include 'x' %}"), HasSubstr("'{% include %}' is not supported"));
  EXPECT_THAT(error_of("{{ [].append(1) }}"), HasSubstr("unsafe"));
  EXPECT_THAT(error_of("{{ 'a' + 1 }}"), HasSubstr("unsupported operand"));
  EXPECT_THAT(error_of("\xff"), HasSubstr("not valid UTF-8"));
}

TEST(Jinja, RefusesIntegersBeyond64Bits) {
  EXPECT_THAT(error_of("{{ 9223372036854775807 + 1 }}"), HasSubstr("beyond 64 bits"));
  EXPECT_THAT(error_of("{{ 2 ** 64 }}"), HasSubstr("beyond 64 bits"));
  EXPECT_THAT(error_of("{{ 99999999999999999999 }}"), HasSubstr("beyond 64 bits"));
  EXPECT_THAT(error_of("{{ -x }}", {{"x", std::numeric_limits<std::int64_t>::min()}}),
              HasSubstr("beyond 64 bits"));
  EXPECT_THAT(error_of("{{ x // -1 }}", {{"x", std::numeric_limits<std::int64_t>::min()}}),
              HasSubstr("beyond 64 bits"));
}

}  // namespace
}  // namespace attune::text
