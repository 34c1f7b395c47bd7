// metrics.jsonl of a run, whatever stands in it: there is a page, and what its scripts read is JSON.
#include "core/json.h"
#include "report/finding/findings.h"
#include "report/report.h"
#include "tests/fuzz/input.h"

namespace attune::fuzz {
namespace {

void run(std::string_view input) {
  const ScratchFolder& folder = scratch_folder();
  // The last part is run.json and the one before it recipe.yaml, where there are so many.
  const auto parts = parts_of(input, 3);
  folder.write("metrics.jsonl", parts[0]);
  folder.write("recipe.yaml", parts[1]);
  folder.write("run.json", parts[2]);
  const auto read = report::read_run_folder(folder.path());
  const std::string page = report::render_report(read);
  expect(page.ends_with("</html>\n"), "the page has no end");
  for (const char* bad : {"\"nan", "\"-nan", "\"inf", "\"-inf"})
    expect(page.find(std::string("=") + bad) == std::string::npos, "an attribute is no number");
  const std::string_view mark = "id=\"curve-data\">";
  const std::size_t begin = page.find(mark) + mark.size();
  core::parse_json(page.substr(begin, page.find("</script>", begin) - begin), "curve-data");
  for (const auto& text : report::warnings_of(read)) expect(!text.empty(), "a warning without words");
}

}  // namespace
}  // namespace attune::fuzz

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  attune::fuzz::run(attune::fuzz::text_of(data, size));
  return 0;
}
