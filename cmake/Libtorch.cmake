# libtorch by path, from whichever torch wheel is at hand. find_package(Torch) would ask for a whole CUDA toolkit
# when the wheel is a CUDA one; the headers and libraries alone do not.
#   -DATTUNE_TORCH=<folder that holds include/ and lib/>, else .deps/torch, else `python3 -c "import torch"`.
set(ATTUNE_TORCH "" CACHE PATH "folder of the torch package (holds include/ and lib/)")
if(NOT ATTUNE_TORCH AND DEFINED ENV{ATTUNE_TORCH})
  set(ATTUNE_TORCH $ENV{ATTUNE_TORCH})
endif()
if(NOT ATTUNE_TORCH AND EXISTS ${CMAKE_SOURCE_DIR}/.deps/torch/lib)
  set(ATTUNE_TORCH ${CMAKE_SOURCE_DIR}/.deps/torch)
endif()
if(NOT ATTUNE_TORCH)
  execute_process(COMMAND python3 -c "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
                  OUTPUT_VARIABLE ATTUNE_TORCH OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT EXISTS "${ATTUNE_TORCH}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "libtorch was not found (looked in '${ATTUNE_TORCH}'). Run scripts/install-deps, or pass "
                      "-DATTUNE_TORCH=<folder of the Python package torch>.")
endif()
file(STRINGS ${ATTUNE_TORCH}/version.py ATTUNE_TORCH_VERSION REGEX "^__version__")
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" ATTUNE_TORCH_VERSION "${ATTUNE_TORCH_VERSION}")
if(ATTUNE_TORCH_VERSION VERSION_LESS 2.11)
  message(FATAL_ERROR "torch ${ATTUNE_TORCH_VERSION} in ${ATTUNE_TORCH} is too old: 2.11 or newer is needed")
endif()
message(STATUS "libtorch ${ATTUNE_TORCH_VERSION} in ${ATTUNE_TORCH}")

add_library(attune_torch INTERFACE)
target_include_directories(attune_torch SYSTEM INTERFACE
  ${ATTUNE_TORCH}/include ${ATTUNE_TORCH}/include/torch/csrc/api/include)
target_link_directories(attune_torch INTERFACE ${ATTUNE_TORCH}/lib)
target_link_libraries(attune_torch INTERFACE torch_cpu c10)
target_compile_definitions(attune_torch INTERFACE ATTUNE_TORCH_VERSION="${ATTUNE_TORCH_VERSION}")
target_link_options(attune_torch INTERFACE -Wl,-rpath,${ATTUNE_TORCH}/lib)
if(EXISTS ${ATTUNE_TORCH}/lib/libtorch_cuda.so)
  target_link_options(attune_torch INTERFACE -Wl,--no-as-needed)
  target_link_libraries(attune_torch INTERFACE torch_cuda c10_cuda)
endif()

# <ATen/ATen.h> costs 8 s per file as text and 2 s precompiled; every target that touches tensors reuses this one.
file(WRITE ${CMAKE_BINARY_DIR}/aten_pch.cpp.in "// carries the precompiled header\n")
configure_file(${CMAKE_BINARY_DIR}/aten_pch.cpp.in ${CMAKE_BINARY_DIR}/aten_pch.cpp COPYONLY)
add_library(attune_aten_pch OBJECT ${CMAKE_BINARY_DIR}/aten_pch.cpp)
target_link_libraries(attune_aten_pch PUBLIC attune_torch)
target_precompile_headers(attune_aten_pch PRIVATE <ATen/ATen.h>)
