# An open set is a folder in which every .cpp file is one entry (a method, a family, a rule …). The list is generated
# from the folder, so that adding an entry is adding one file. Each file `dpo.cpp` of the set `method` in `algorithm`
# defines exactly one function:   ENTRY_TYPE method_dpo();
#
# attune_open_set(<library> <folder> <set> <entry type> <header>)
#   generates   const std::vector<std::pair<std::string_view, ENTRY_TYPE (*)()>>& <set>_entries();
#   in namespace attune::<folder>, sorted by file name. <header> declares it.
function(attune_open_set library folder set type header)
  file(GLOB entries CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/${set}/*.cpp)
  list(SORT entries)
  set(declarations "")
  set(rows "")
  foreach(entry ${entries})
    get_filename_component(name ${entry} NAME_WE)
    string(APPEND declarations "${type} ${set}_${name}();\n")
    string(APPEND rows "    {\"${name}\", &${set}_${name}},\n")
  endforeach()
  set(out ${CMAKE_BINARY_DIR}/generated/${folder}/${set}_entries.cpp)
  file(GENERATE OUTPUT ${out} CONTENT
"// Generated from src/${folder}/${set}/*.cpp: one file, one entry.
#include \"${header}\"

#include <string_view>
#include <utility>
#include <vector>

namespace attune::${folder} {

${declarations}
const std::vector<std::pair<std::string_view, ${type} (*)()>>& ${set}_entries() {
  static const std::vector<std::pair<std::string_view, ${type} (*)()>> entries = {
${rows}  };
  return entries;
}

}  // namespace attune::${folder}
")
  target_sources(${library} PRIVATE ${out} ${entries})
endfunction()
