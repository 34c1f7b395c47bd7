# The tools around the compiler: cache, linker, warnings, sanitizers.
find_program(CCACHE ccache)
if(CCACHE)
  # The precompiled header needs these two to be cacheable.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-Wall -Wextra -Werror -fno-math-errno)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-fpch-preprocess)
  # g++ 12 reports false positives inside the standard library at -O2 (GCC bugs 105329, 105651, 107852).
  add_compile_options(-Wno-restrict -Wno-stringop-overflow -Wno-array-bounds -Wno-maybe-uninitialized)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # libstdc++ 12 uses its own deprecated get_temporary_buffer in std::stable_sort.
  add_compile_options(-Wno-deprecated-declarations)
endif()
set(sanitizers "${ATTUNE_SANITIZE}")
if(ATTUNE_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "ATTUNE_FUZZ needs clang++ (-DCMAKE_CXX_COMPILER=clang++-19): libFuzzer is a part of it")
  endif()
  set(sanitizers address,undefined)
  add_compile_options(-O1)  # compiles in half the time and runs nearly as fast: the checks set the pace
  # What the fuzzer sees of the program's paths; and the checks of the standard library, for indices beyond a vector's end.
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
elseif(sanitizers MATCHES "^([Oo][Nn]|[Tt][Rr][Uu][Ee]|[Yy][Ee][Ss]|1)$")  # an option that is only switched on
  set(sanitizers address,undefined)
endif()
if(sanitizers)
  if(sanitizers MATCHES "thread" AND sanitizers MATCHES "address")
    message(FATAL_ERROR "ATTUNE_SANITIZE=${sanitizers}: thread and address exclude each other")
  endif()
  add_compile_options(-fsanitize=${sanitizers} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${sanitizers})
  add_compile_definitions(ATTUNE_SANITIZED)  # leaks are looked for when the program ends in the long way
  if(sanitizers MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
  if(sanitizers MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)  # fences inside headers of libtorch, which ThreadSanitizer does not follow
  endif()
endif()

# Tensors of every size come and go with each micro-batch: between them the C library's allocator leaves holes, by up to a
# fifth of the peak and more or less with each length of text; gperftools' keeps some 1 % (docs/decisions.md). Linked into
# the program itself, so that a copy of it runs where the library is not installed. The sanitizers bring their own.
set(ATTUNE_ALLOCATOR "")
if(NOT sanitizers)
  find_library(ATTUNE_TCMALLOC NAMES libtcmalloc_minimal.a tcmalloc_minimal)
  if(ATTUNE_TCMALLOC)
    set(ATTUNE_ALLOCATOR ${ATTUNE_TCMALLOC})
  else()
    message(STATUS "tcmalloc was not found (Debian: libgoogle-perftools-dev): training takes more memory")
  endif()
endif()

find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(simdjson REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(ICU REQUIRED IMPORTED_TARGET icu-uc icu-i18n)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
