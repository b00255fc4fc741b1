#include "cli/open_files.h"

#include <gtest/gtest.h>

namespace cairn::cli {
namespace {

TEST(OpenFiles, WhereThereIsPlentyEachHasWhatItWants) {
  const auto shares = share_files(1 << 20, {.engine = 4096, .raft_log = 512});
  ASSERT_TRUE(shares.ok());
  EXPECT_EQ(shares->engine, 4096);
  EXPECT_EQ(shares->raft_log, 512);
  EXPECT_EQ(shares->warning, "");
}

TEST(OpenFiles, TheSharesNeverAddUpToMoreThanThereIsAndSocketsHaveAQuarterAtLeast) {
  for (const uint64_t limit : {256u, 1024u, 4096u, 5000u, 65536u}) {
    const auto shares = share_files(limit, {.engine = 4096, .raft_log = 512});
    ASSERT_TRUE(shares.ok()) << limit;
    const auto engines = static_cast<uint64_t>(shares->engine + shares->raft_log);
    EXPECT_LT(engines + shares->sockets, limit);
    EXPECT_GE(shares->sockets, limit / 4) << limit;
    EXPECT_GE(shares->raft_log, 20) << limit;
  }
}

TEST(OpenFiles, ALowLimitIsToldInWords) {
  const auto shares = share_files(1024, {.engine = 4096, .raft_log = 512});
  ASSERT_TRUE(shares.ok());
  EXPECT_NE(shares->warning.find("only 1024 files"), std::string::npos) << shares->warning;
  EXPECT_NE(shares->warning.find("ulimit -n"), std::string::npos) << shares->warning;
  // The limit it names is one that is not warned of.
  EXPECT_EQ(share_files(2 * 4608 + 1024, {.engine = 4096, .raft_log = 512})->warning, "");
}

TEST(OpenFiles, BelowTheLeastTheProcessDoesNotBegin) {
  const auto shares = share_files(255, {});
  ASSERT_FALSE(shares.ok());
  EXPECT_NE(shares.error().find("at least 256"), std::string::npos) << shares.error();
}

}  // namespace
}  // namespace cairn::cli
