# An open set is a folder in which every .cpp file is one entry (a method, a family, a rule …). The list is generated
# from the folder, so that adding an entry is adding one file. Each file `dpo.cpp` of the set `method` in `algorithm`
# defines exactly one function:   ENTRY_TYPE method_dpo();
#
# attune_open_set(<library> <folder> <set> <entry type> <header>)
#   generates   const std::vector<std::pair<std::string_view, ENTRY_TYPE (*)()>>& <set>_entries();
#   in namespace attune::<folder>, sorted by file name. <header> declares it. The files themselves are compiled with
#   their folder (attune_folder).
function(attune_open_set library folder set type header)
  file(GLOB entries CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/${set}/*.cpp)
  attune_write_entries(${CMAKE_BINARY_DIR}/generated/${folder}/${set}_entries.cpp
    ${folder} ${set} "${type}" ${header} ${entries})
  target_sources(${library} PRIVATE ${CMAKE_BINARY_DIR}/generated/${folder}/${set}_entries.cpp)
  set_property(GLOBAL APPEND PROPERTY ATTUNE_OPEN_SETS ${folder}/${set})
  set_property(GLOBAL PROPERTY ATTUNE_SET_${folder}/${set} "${folder}|${set}|${type}|${header}")
endfunction()

# attune_add_entries(<target> <root>… [ONLY <folder>…]): the target's open sets (of these folders) also have the files
# <root>/<folder>/<set>/*.cpp. Its own lists take the place of those in the libraries, which are compiled once for all
# programs.
function(attune_add_entries target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "ONLY")
  get_property(sets GLOBAL PROPERTY ATTUNE_OPEN_SETS)
  foreach(known ${sets})
    get_property(row GLOBAL PROPERTY ATTUNE_SET_${known})
    string(REPLACE "|" ";" row "${row}")
    list(GET row 0 folder)
    list(GET row 1 set)
    list(GET row 2 type)
    list(GET row 3 header)
    if(arg_ONLY AND NOT folder IN_LIST arg_ONLY)
      continue()
    endif()
    set(added "")
    foreach(root ${arg_UNPARSED_ARGUMENTS})
      file(GLOB more CONFIGURE_DEPENDS ${root}/${folder}/${set}/*.cpp)
      list(APPEND added ${more})
    endforeach()
    if(added)
      file(GLOB entries CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/${set}/*.cpp)
      set(out ${CMAKE_BINARY_DIR}/generated/${target}/${folder}/${set}_entries.cpp)
      attune_write_entries(${out} ${folder} ${set} "${type}" ${header} ${entries} ${added})
      target_sources(${target} PRIVATE ${out} ${added})
    endif()
  endforeach()
endfunction()

function(attune_write_entries out folder set type header)
  set(rows "")
  foreach(entry ${ARGN})
    get_filename_component(name ${entry} NAME_WE)
    list(APPEND rows ${name})
  endforeach()
  list(SORT rows)
  set(declarations "")
  set(lines "")
  foreach(name ${rows})
    string(APPEND declarations "${type} ${set}_${name}();\n")
    string(APPEND lines "    {\"${name}\", &${set}_${name}},\n")
  endforeach()
  # The list knows its entries' type by name alone: compiled against the header it would cost what the header costs, which
  # is seconds where that has tensors. That both agree on the list is seen here.
  set(list "const std::vector<std::pair<std::string_view, ${type} (*)()>>& ${set}_entries()")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${header})
  file(READ ${CMAKE_SOURCE_DIR}/src/${header} declared)
  string(FIND "${declared}" "${list};" found)
  if(found EQUAL -1)
    message(FATAL_ERROR "src/${header} does not declare the list of ${folder}/${set} as it is generated:\n  ${list};")
  endif()
  string(REGEX MATCH "[A-Z][A-Za-z]*" class "${type}")
  set_source_files_properties(${out} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  file(GENERATE OUTPUT ${out} CONTENT
"// Generated from the files of ${folder}/${set}: one file, one entry. ${header} declares the list.
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace attune::${folder} {

class ${class};
${declarations}
${list} {
  static const std::vector<std::pair<std::string_view, ${type} (*)()>> entries = {
${lines}  };
  return entries;
}

}  // namespace attune::${folder}
")
endfunction()
