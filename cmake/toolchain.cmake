# Compiler flags, sanitizers, linker and compiler cache: the same for each target of ours.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
# Without NDEBUG: where a library's header asserts what we got wrong (Boost.Beast's parser, say), the process ends, and
# what a stranger sent reaches no undefined behaviour. That no assertion is within reach, the fuzzers of connections show.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -DCAIRN_DCHECKS=1")

find_program(CCACHE ccache)
if(CCACHE)
  # Precompiled headers need the two sloppiness settings; see ccache's manual, "Precompiled headers".
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
               CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

find_program(MOLD mold)
find_program(LLD NAMES ld.lld-19 ld.lld)
if(MOLD AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_link_options(-fuse-ld=mold)
elseif(LLD AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_link_options(-fuse-ld=lld)
endif()

# Precompiled headers, made once and shared by the rooms that name them (PRECOMPILED wire): the generated wire headers
# cost more to parse than most of our files. They change nothing but the time: each header still compiles without.
option(CAIRN_PCH "Precompile the wire's headers" ON)

# Test programs share the libraries' precompiled headers, which must be compiled alike.
set(CMAKE_CXX_COMPILE_OPTIONS_PIE -fPIC)
if(CAIRN_PCH AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")  # else ccache cannot reuse
endif()

if(CAIRN_SANITIZE)
  add_compile_options(-fsanitize=${CAIRN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CAIRN_SANITIZE})
endif()

# Warnings for what we write; generated code and system headers have none.
add_library(cairn_warnings INTERFACE)
target_compile_options(cairn_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wconversion
                                                -Wno-sign-conversion -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(cairn_warnings INTERFACE -Wthread-safety -Wno-missing-designated-field-initializers)
else()
  # g++ 12 warns of these inside its own library and of designated initialisers that leave defaults.
  target_compile_options(cairn_warnings INTERFACE -Wno-missing-field-initializers -Wno-maybe-uninitialized -Wno-restrict
                                                  -Wno-dangling-reference -Wno-stringop-overflow -Wno-array-bounds)
endif()
