# Text files that the program carries inside itself (pages, styles, scripts).
#
# attune_embed(<library> <folder> <files of assets/…>)
#   generates   std::string_view embedded_asset(std::string_view name);
#   in namespace attune::<folder>, where name is the path below assets/ ("report/page.html"); an unknown name is an
#   assertion failure. A header of the folder declares it. Editing an asset regenerates the source.
function(attune_embed library folder)
  set(rows "")
  foreach(asset ${ARGN})
    set(path ${CMAKE_SOURCE_DIR}/assets/${asset})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
    file(READ ${path} content)
    string(APPEND rows "  if (name == \"${asset}\") return R\"asset~(${content})asset~\";\n")
  endforeach()
  set(out ${CMAKE_BINARY_DIR}/generated/${folder}/embedded_assets.cpp)
  set_source_files_properties(${out} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  set(source
"// Generated from assets/ by cmake/Embed.cmake.
#include <string_view>

#include \"core/error.h\"

namespace attune::${folder} {

std::string_view embedded_asset(std::string_view name) {
${rows}  core::assertion_failed(\"an embedded asset of that name\", __FILE__, __LINE__);
}

}  // namespace attune::${folder}
")
  file(CONFIGURE OUTPUT ${out} CONTENT "@source@" @ONLY)
  target_sources(${library} PRIVATE ${out})
endfunction()

# attune_embed_folder(<library> <folder> <set> <pattern>)
#   generates   const std::vector<std::pair<std::string_view, std::string_view>>& embedded_<set>();
#   in namespace attune::<folder>: {path below the source folder, content} of every file that matches, sorted. A new file
#   appears by being there.
function(attune_embed_folder library folder set pattern)
  set(out ${CMAKE_BINARY_DIR}/generated/${folder}/embedded_${set}.cpp)
  attune_write_embedded(${out} ${folder} ${set} ${pattern} ${CMAKE_SOURCE_DIR})
  target_sources(${library} PRIVATE ${out})
  set_property(GLOBAL APPEND PROPERTY ATTUNE_EMBEDDED_FOLDERS "${folder}|${set}|${pattern}")
endfunction()

# attune_add_embedded(<target> <root>…): the target's embedded folders also have the files below these roots that match. Its
# own copies take the place of those in the libraries.
function(attune_add_embedded target)
  get_property(known GLOBAL PROPERTY ATTUNE_EMBEDDED_FOLDERS)
  foreach(row ${known})
    string(REPLACE "|" ";" row "${row}")
    list(GET row 0 folder)
    list(GET row 1 set)
    list(GET row 2 pattern)
    set(out ${CMAKE_BINARY_DIR}/generated/${target}/${folder}/embedded_${set}.cpp)
    attune_write_embedded(${out} ${folder} ${set} ${pattern} ${CMAKE_SOURCE_DIR} ${ARGN})
    target_sources(${target} PRIVATE ${out})
  endforeach()
endfunction()

function(attune_write_embedded out folder set pattern)
  set_source_files_properties(${out} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  set(rows "")
  foreach(root ${ARGN})
    file(GLOB paths CONFIGURE_DEPENDS RELATIVE ${root} ${root}/${pattern})
    foreach(path ${paths})
      set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${root}/${path})
      file(READ ${root}/${path} content)
      string(APPEND rows "    {\"${path}\", R\"asset~(${content})asset~\"},\n")
    endforeach()
  endforeach()
  set(source
"// Generated from ${pattern} by cmake/Embed.cmake.
#include <string_view>
#include <utility>
#include <vector>

namespace attune::${folder} {

const std::vector<std::pair<std::string_view, std::string_view>>& embedded_${set}() {
  static const std::vector<std::pair<std::string_view, std::string_view>> files = {
${rows}  };
  return files;
}

}  // namespace attune::${folder}
")
  file(CONFIGURE OUTPUT ${out} CONTENT "@source@" @ONLY)
endfunction()
