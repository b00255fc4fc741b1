# Rooms: the libraries of the table in ARCHITECTURE.md, and the precompiled headers that they share.

function(cairn_make_precompiled)
  if(NOT CAIRN_PCH OR NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    return()
  endif()
  file(WRITE ${CMAKE_BINARY_DIR}/pch/wire.cc "// Holds the precompiled headers.\n")
  add_library(cairn_pch_wire OBJECT ${CMAKE_BINARY_DIR}/pch/wire.cc)
  target_link_libraries(cairn_pch_wire PRIVATE cairn_proto fmt::fmt spdlog::spdlog absl::any_invocable)
  target_precompile_headers(
    cairn_pch_wire PRIVATE <algorithm> <deque> <functional> <map> <memory> <mutex> <optional> <string> <unordered_map>
    <utility> <variant> <vector> <fmt/format.h> <spdlog/spdlog.h> <absl/functional/any_invocable.h> <kvrpcpb.pb.h>
    <pdpb.pb.h> <raft_serverpb.pb.h> <raft_cmdpb.pb.h>)
endfunction()

function(cairn_precompile TARGET)
  if(TARGET cairn_pch_wire AND "wire" IN_LIST ARGN)
    target_precompile_headers(${TARGET} REUSE_FROM cairn_pch_wire)
  endif()
endfunction()

# cairn_room(NAME [LABEL label] [PRECOMPILED wire] [MAY_INCLUDE rooms...] [LINK targets...] [LINK_PRIVATE targets...]
#            [TEST_MAY_INCLUDE rooms...] [TEST_LINK targets...])
#
# Declares the library `cairn_NAME` of all *.cc of the current folder that are not tests, and the test program
# `cairn_NAME_test` of all *_test.cc; with CAIRN_FUZZ also a fuzzer of each *_fuzz.cc. The only include path of a room is a folder of links, one for the room itself;
# those of MAY_INCLUDE come transitively. So an include that the table of rooms does not name does not compile.
function(cairn_room NAME)
  cmake_parse_arguments(ROOM "" "LABEL" "MAY_INCLUDE;PRECOMPILED;LINK;LINK_PRIVATE;TEST_LINK;TEST_MAY_INCLUDE" ${ARGN})
  set(view ${CMAKE_BINARY_DIR}/rooms/${NAME})
  file(MAKE_DIRECTORY ${view})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${view}/${NAME} SYMBOLIC)

  file(GLOB_RECURSE sources CONFIGURE_DEPENDS *.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$|/testing/")
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$|_bench\\.cc$|_fuzz\\.cc$|/testing/|/main\\.cc$")

  set(deps ${ROOM_MAY_INCLUDE})
  list(TRANSFORM deps PREPEND cairn_)
  if(sources)
    add_library(cairn_${NAME} STATIC ${sources})
    target_include_directories(cairn_${NAME} PUBLIC ${view})
    target_link_libraries(cairn_${NAME} PUBLIC ${deps} ${ROOM_LINK} PRIVATE cairn_warnings ${ROOM_LINK_PRIVATE})
    cairn_precompile(cairn_${NAME} ${ROOM_PRECOMPILED})
  else()
    add_library(cairn_${NAME} INTERFACE)
    target_include_directories(cairn_${NAME} INTERFACE ${view})
    target_link_libraries(cairn_${NAME} INTERFACE ${deps} ${ROOM_LINK})
  endif()

  # Each *_fuzz.cc is a fuzzer of its own, named after the file.
  if(CAIRN_FUZZ)
    file(GLOB fuzzers CONFIGURE_DEPENDS *_fuzz.cc)
    foreach(fuzzer ${fuzzers})
      get_filename_component(stem ${fuzzer} NAME_WE)
      add_executable(cairn_${stem} ${fuzzer})
      target_link_libraries(cairn_${stem} PRIVATE cairn_${NAME} cairn_warnings)
      target_link_options(cairn_${stem} PRIVATE -fsanitize=fuzzer)
      set_property(GLOBAL APPEND PROPERTY CAIRN_FUZZERS cairn_${stem})
    endforeach()
  endif()

  if(CAIRN_TESTS AND tests)
    set(test_deps ${ROOM_TEST_MAY_INCLUDE})
    list(TRANSFORM test_deps PREPEND cairn_)
    add_executable(cairn_${NAME}_test ${tests})
    target_link_libraries(cairn_${NAME}_test PRIVATE cairn_${NAME} ${test_deps} ${ROOM_TEST_LINK} cairn_warnings
                                                     GTest::gtest GTest::gmock GTest::gtest_main)
    cairn_precompile(cairn_${NAME}_test ${ROOM_PRECOMPILED})
    target_compile_definitions(cairn_${NAME}_test PRIVATE CAIRN_TESTDATA="${CMAKE_CURRENT_SOURCE_DIR}/testdata")
    add_test(NAME ${NAME} COMMAND cairn_${NAME}_test --gtest_brief=1)
    if(NOT ROOM_LABEL)
      set(ROOM_LABEL unit)
    endif()
    set(timeout 300)
    if(ROOM_LABEL STREQUAL "sim")
      set(timeout 1200)  # a minute on a core of its own
    endif()
    set_tests_properties(${NAME} PROPERTIES LABELS ${ROOM_LABEL} TIMEOUT ${timeout})
  endif()
endfunction()
