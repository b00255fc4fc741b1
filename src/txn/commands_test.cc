// The commands' specification as scripts: each file of testdata/ is a sentence that holds. CAIRN_REWRITE=1 writes the
// answers given into the files instead of comparing.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "txn/testing/script.h"

namespace cairn::txn {
namespace {

TEST(Commands, EveryScriptHolds) {
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(CAIRN_TESTDATA)) {
    if (entry.path().extension() == ".txt") files.insert(entry.path());
  }
  ASSERT_FALSE(files.empty());
  for (const auto& file : files) {
    std::stringstream text;
    text << std::ifstream(file).rdbuf();
    const std::string given = testing::run_script(text.str());
    if (std::getenv("CAIRN_REWRITE")) {
      std::ofstream(file) << given;
    } else {
      EXPECT_EQ(given, text.str()) << file.filename();
      SchedulerLimits limits;
      limits.pessimistic_locks.in_memory = false;
      EXPECT_EQ(testing::run_script(text.str(), limits), text.str()) << file.filename() << " with all locks in Raft";
    }
  }
}

}  // namespace
}  // namespace cairn::txn
