# attune_folder(<name> [TORCH] LINK <libraries…>): src/<name>/*.cpp becomes the static library attune_<name>.
# Files of open sets (sub-folders) are added by attune_open_set, so that each is listed once.
function(attune_folder name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "TORCH" "" "LINK")
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  if(NOT sources)
    file(WRITE ${CMAKE_BINARY_DIR}/generated/${name}_empty.cpp "")
    set(sources ${CMAKE_BINARY_DIR}/generated/${name}_empty.cpp)
  endif()
  add_library(attune_${name} STATIC ${sources})
  target_include_directories(attune_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(attune_${name} PUBLIC ${arg_LINK})
  if(arg_TORCH)
    target_link_libraries(attune_${name} PUBLIC attune_torch)
    target_precompile_headers(attune_${name} REUSE_FROM attune_aten_pch)
  endif()
endfunction()

attune_folder(core LINK fmt::fmt nlohmann_json::nlohmann_json yaml-cpp ZLIB::ZLIB PkgConfig::ZSTD Threads::Threads)
target_compile_definitions(attune_core PRIVATE ATTUNE_VERSION="${PROJECT_VERSION}")
# The torch package carries headers of another fmt, and its include folders come before the system's: without this
# folder in front, files with tensors would be compiled against a fmt that nobody links.
get_target_property(fmt_include fmt::fmt INTERFACE_INCLUDE_DIRECTORIES)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/generated/first)
file(CREATE_LINK ${fmt_include}/fmt ${CMAKE_BINARY_DIR}/generated/first/fmt SYMBOLIC)
target_include_directories(attune_core SYSTEM BEFORE PUBLIC ${CMAKE_BINARY_DIR}/generated/first)
attune_folder(text LINK attune_core simdjson::simdjson PkgConfig::PCRE2 PkgConfig::ICU)
attune_folder(data LINK attune_core attune_text simdjson::simdjson)
attune_folder(model TORCH LINK attune_core PkgConfig::PCRE2)
# Full vectorisation and fused multiply-adds: these loops are the sampler's hot path.
set_source_files_properties(src/model/decode_attention.cpp PROPERTIES
  COMPILE_OPTIONS "-O3;-ffp-contract=fast" SKIP_UNITY_BUILD_INCLUSION ON SKIP_PRECOMPILE_HEADERS ON)
attune_folder(algorithm TORCH LINK attune_core)
attune_folder(generation TORCH LINK attune_core attune_text attune_model)
attune_folder(feedback TORCH LINK attune_core attune_text attune_data attune_model attune_generation)
attune_folder(training TORCH LINK attune_core attune_text attune_data attune_model attune_algorithm attune_generation attune_feedback)
attune_folder(evaluation LINK attune_core attune_text attune_data attune_model attune_algorithm attune_generation attune_feedback)
attune_folder(cli TORCH LINK attune_training attune_evaluation)
target_compile_definitions(attune_cli PRIVATE ATTUNE_BUILT_ASSETS="${CMAKE_SOURCE_DIR}/assets")

attune_open_set(attune_data data format "const Format*" data/format.h)
attune_open_set(attune_model model family "const Family*" model/family.h)
attune_open_set(attune_model model signal "const Signal*" model/signal.h)
attune_open_set(attune_algorithm algorithm method "std::unique_ptr<Method>" algorithm/method.h)
attune_open_set(attune_feedback feedback rule "std::unique_ptr<Rule>" feedback/rule.h)
attune_open_set(attune_cli cli command "std::unique_ptr<Command>" cli/command.h)

include(cmake/Embed.cmake)
attune_embed(attune_evaluation evaluation report/page.html report/style.css report/charts.js report/samples.js)
attune_embed_folder(attune_cli cli recipes recipes/*.yaml)

add_executable(attune src/cli/main.cpp)
target_link_libraries(attune PRIVATE attune_cli)
