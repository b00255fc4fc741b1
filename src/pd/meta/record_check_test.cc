// Damaged records: each kind is told by its name, and what PD itself writes is sound.
#include "pd/meta/record_check.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "metapb.pb.h"

namespace cairn::pd {
namespace {

const Keys kKeys(7);

Bytes number(uint64_t value) {
  Bytes out;
  codec::put_u64_be(out, value);
  return out;
}

Bytes store_record(uint64_t id, const std::string& version) {
  metapb::Store store;
  store.set_id(id);
  store.set_version(version);
  return store.SerializeAsString();
}

TEST(RecordCheck, EachDamagedRecordIsNamed) {
  const std::vector<std::pair<Bytes, Bytes>> damaged{
      {kKeys.cluster(), "\xff\xff"},
      {kKeys.cluster(), ""},
      {kKeys.timestamp(), "now"},
      {kKeys.timestamp(), number(1) + "x"},
      {kKeys.timestamp(), number(UINT64_MAX - 1'000)},
      {kKeys.alloc_id(), ""},
      {kKeys.alloc_id(), number(UINT64_MAX - 1)},
      {kKeys.bootstrap_time(), "x"},
      {kKeys.cluster_version(), "new"},
      {kKeys.store(3), store_record(4, "8.5.0")},
      {kKeys.store(3), store_record(3, "")},
      {kKeys.store_prefix() + "x", store_record(3, "8.5.0")},
      {kKeys.region(3), "\xff"},
      {kKeys.txn_safe_point(), "12x"},
      {kKeys.gc_safe_point(), "xyz"},
      {kKeys.barrier_prefix() + "backup", "{}"},
      {kKeys.global_barrier_prefix() + "all", "["},
      {kKeys.gc_other_owner(), "{}"},
      {kKeys.keyspace_meta(1), "\xff"},
      {kKeys.keyspace_id("a"), "one"},
      {kKeys.keyspace_alloc_id(), "1"},
      {kKeys.keyspace_alloc_id(), number(UINT64_MAX)},
  };
  for (const auto& [key, value] : damaged) {
    OwnRecords records;
    records.put(key, value);
    const auto checked = check_records(records, kKeys);
    ASSERT_FALSE(checked.ok()) << key;
    EXPECT_EQ(checked.error(), damaged_record(key));
  }
}

TEST(RecordCheck, SoundRecordsPassAndOtherClustersAreNotLookedAt) {
  OwnRecords records;
  records.put(kKeys.timestamp(), number(5));
  records.put(kKeys.store(3), store_record(3, "8.5.0"));
  records.put(kKeys.txn_safe_point(), "12");
  records.put(kKeys.gc_safe_point(), "af");
  records.put(Keys(8).timestamp(), "garbage");
  EXPECT_TRUE(check_records(records, kKeys).ok());
}

}  // namespace
}  // namespace cairn::pd
