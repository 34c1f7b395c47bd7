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
  file(GLOB paths CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/${pattern})
  list(SORT paths)
  set(rows "")
  foreach(path ${paths})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${path})
    file(READ ${CMAKE_SOURCE_DIR}/${path} content)
    string(APPEND rows "    {\"${path}\", R\"asset~(${content})asset~\"},\n")
  endforeach()
  set(out ${CMAKE_BINARY_DIR}/generated/${folder}/embedded_${set}.cpp)
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
  target_sources(${library} PRIVATE ${out})
endfunction()
