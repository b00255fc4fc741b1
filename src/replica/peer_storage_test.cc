#include "replica/peer_storage.h"

#include <gtest/gtest.h>

#include "engine/memory/memory_engine.h"

namespace cairn::replica {
namespace {

constexpr RegionId kRegion{1};

// A region's log of which nothing is applied.
class PeerStorageTest : public testing::Test {
 protected:
  void append(uint64_t first, uint64_t last, Term term) {
    raft::Ready ready;
    for (uint64_t i = first; i <= last; ++i) {
      raft::Entry entry;
      entry.index = LogIndex(i);
      entry.term = term;
      entry.data = SharedBytes(Bytes(1000, static_cast<char>('a' + i % 26)));
      ready.entries.push_back(std::move(entry));
    }
    auto batch = log_->new_batch();
    storage_.store(ready, *batch);
    ASSERT_TRUE(log_->write(*batch, engine::Sync::kYes).ok());
  }
  void expect_all(uint64_t first, uint64_t last) {
    for (uint64_t i = first; i <= last;) {
      auto part = storage_.entries(LogIndex(i), LogIndex(last + 1), 1 << 20);
      ASSERT_TRUE(part.ok());
      for (const auto& entry : *part) {
        EXPECT_EQ(entry.index, LogIndex(i));
        EXPECT_EQ(entry.data.view().front(), static_cast<char>('a' + i % 26));
        EXPECT_EQ(*storage_.term(entry.index), entry.term);
        ++i;
      }
    }
  }

  std::unique_ptr<engine::RaftLogEngine> log_ = engine::open_memory_raft_log(std::make_shared<engine::MemoryDisk>());
  PeerStorage storage_{{.region = kRegion, .cache_bytes_max = 3000, .unapplied_cache_bytes_max = 20'000},
                       *log_,
                       begin_raft_state(std::nullopt),
                       kInitialApplyState,
                       {}};
};

TEST_F(PeerStorageTest, EntriesThatWaitToBeAppliedAreReadBackFromTheLogWhenTheyAreTooMany) {
  append(6, 105, Term(6));
  EXPECT_GT(storage_.cached_bytes(), 100'000u) << "not known to be on disk";
  storage_.on_persisted(LogIndex(55));
  EXPECT_GT(storage_.cached_bytes(), 50'000u) << "half of them";
  expect_all(6, 105);
  storage_.on_persisted(LogIndex(105));
  EXPECT_LE(storage_.cached_bytes(), 20'000u);
  expect_all(6, 105);
  storage_.on_applied(LogIndex(105));
  EXPECT_LE(storage_.cached_bytes(), 3000u);
  expect_all(6, 105);
}

TEST_F(PeerStorageTest, EntriesThatReplaceThoseOnDiskStayUntilTheyAreThemselves) {
  append(6, 15, Term(6));
  storage_.on_persisted(LogIndex(15));
  append(8, 40, Term(7));
  EXPECT_GT(storage_.cached_bytes(), 33'000u);
  storage_.on_applied(LogIndex(7));
  EXPECT_GT(storage_.cached_bytes(), 33'000u);
  expect_all(6, 40);
  EXPECT_EQ(*storage_.term(LogIndex(8)), Term(7));
}

}  // namespace
}  // namespace cairn::replica
