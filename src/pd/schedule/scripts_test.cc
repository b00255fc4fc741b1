// What checkers and schedulers want, as scripts: each file of testdata/schedule/ is a sentence that holds
// (testing/schedule_script.h has the language). CAIRN_REWRITE=1 writes the answers given into the files.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "pd/testing/schedule_script.h"

namespace cairn::pd {
namespace {

std::set<std::filesystem::path> scripts() {
  std::set<std::filesystem::path> out;
  for (const auto& file : std::filesystem::directory_iterator(std::filesystem::path(CAIRN_TESTDATA) / "schedule")) {
    if (file.path().extension() == ".txt") out.insert(file.path());
  }
  return out;
}

TEST(ScheduleScripts, Hold) {
  const auto files = scripts();
  EXPECT_GE(files.size(), 8u);
  for (const auto& path : files) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    const auto played = run_schedule_script(text.str());
    if (std::getenv("CAIRN_REWRITE") != nullptr) std::ofstream(path) << played;
    EXPECT_EQ(played, text.str()) << path.filename();
  }
}

}  // namespace
}  // namespace cairn::pd
