# cairn_room(NAME [DIR dir] [MAY_INCLUDE rooms...] [LINK targets...] [LINK_PRIVATE targets...])
#
# Declares the library `cairn_NAME` of all *.cc of the current folder that are not tests, and the test program
# `cairn_NAME_test` of all *_test.cc. The only include path of a room is a folder of links, one for the room itself;
# those of MAY_INCLUDE come transitively. So an include that the table of rooms does not name does not compile.
function(cairn_room NAME)
  cmake_parse_arguments(ROOM "" "" "MAY_INCLUDE;LINK;LINK_PRIVATE;TEST_LINK;TEST_MAY_INCLUDE" ${ARGN})
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
  else()
    add_library(cairn_${NAME} INTERFACE)
    target_include_directories(cairn_${NAME} INTERFACE ${view})
    target_link_libraries(cairn_${NAME} INTERFACE ${deps} ${ROOM_LINK})
  endif()

  if(CAIRN_TESTS AND tests)
    set(test_deps ${ROOM_TEST_MAY_INCLUDE})
    list(TRANSFORM test_deps PREPEND cairn_)
    add_executable(cairn_${NAME}_test ${tests})
    target_link_libraries(cairn_${NAME}_test PRIVATE cairn_${NAME} ${test_deps} ${ROOM_TEST_LINK} cairn_warnings
                                                     GTest::gtest GTest::gmock GTest::gtest_main)
    target_compile_definitions(cairn_${NAME}_test PRIVATE CAIRN_TESTDATA="${CMAKE_CURRENT_SOURCE_DIR}/testdata")
    add_test(NAME ${NAME} COMMAND cairn_${NAME}_test --gtest_brief=1)
    set_tests_properties(${NAME} PROPERTIES LABELS unit TIMEOUT 300)
  endif()
endfunction()
