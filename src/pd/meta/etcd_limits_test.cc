#include "pd/meta/etcd_limits.h"

#include <gtest/gtest.h>

namespace cairn::pd {
namespace {

etcdserverpb::TxnRequest put(const Bytes& key, size_t bytes) {
  etcdserverpb::TxnRequest txn;
  auto& op = *txn.add_success()->mutable_request_put();
  op.set_key(key);
  op.set_value(Bytes(bytes, 'x'));
  return txn;
}

TEST(EtcdLimits, RequestsAndKeysAreBounded) {
  const EtcdLimits limits;
  EXPECT_TRUE(check_limits(put("k", 1000), limits, {}).ok());
  EXPECT_EQ(check_limits(put("k", limits.max_request_bytes), limits, {}).message, "etcdserver: request is too large");
  EXPECT_EQ(check_limits(put(Bytes(limits.key_bytes_max + 1, 'k'), 1), limits, {}).code, api::Code::kInvalidArgument);
  etcdserverpb::TxnRequest nested;
  *nested.add_failure()->mutable_request_txn() = put(Bytes(limits.key_bytes_max + 1, 'k'), 1);
  EXPECT_FALSE(check_limits(nested, limits, {}).ok());
}

TEST(EtcdLimits, AFullKeySpaceTakesDeletionsOnly) {
  const EtcdLimits limits;
  const EtcdUsage full{limits.quota_backend_bytes + 1, 0};
  EXPECT_EQ(check_limits(put("k", 1), limits, full).message, "etcdserver: mvcc: database space exceeded");
  EXPECT_FALSE(check_lease_limits(limits, full).ok());
  etcdserverpb::TxnRequest del;
  del.add_success()->mutable_request_delete_range()->set_key("k");
  EXPECT_TRUE(check_limits(del, limits, full).ok());
  EXPECT_EQ(check_limits(del, limits, {0, limits.log_bytes_max + 1}).message, "etcdserver: too many requests");
  EXPECT_EQ(check_limits(del, limits, {0, 0, limits.proposals_max}).message, "etcdserver: too many requests");
}

}  // namespace
}  // namespace cairn::pd
