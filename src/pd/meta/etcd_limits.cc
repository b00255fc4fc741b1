#include "pd/meta/etcd_limits.h"

#include <algorithm>

namespace cairn::pd {
namespace {

using api::Code;
namespace etcd = etcdserverpb;

struct Shape {
  bool puts = false;
  size_t key_bytes_max = 0;
};

void describe(const etcd::TxnRequest& txn, Shape& shape) {
  const auto see_key = [&](const Bytes& key) { shape.key_bytes_max = std::max(shape.key_bytes_max, key.size()); };
  for (const auto& compare : txn.compare()) see_key(compare.key());
  for (const auto* branch : {&txn.success(), &txn.failure()}) {
    for (const auto& op : *branch) {
      if (op.has_request_put()) {
        shape.puts = true;
        see_key(op.request_put().key());
      } else if (op.has_request_delete_range()) {
        see_key(op.request_delete_range().key());
      } else if (op.has_request_range()) {
        see_key(op.request_range().key());
      } else if (op.has_request_txn()) {
        describe(op.request_txn(), shape);
      }
    }
  }
}

api::Status too_large() { return {Code::kInvalidArgument, "etcdserver: request is too large"}; }
api::Status no_space() { return {Code::kResourceExhausted, "etcdserver: mvcc: database space exceeded"}; }
api::Status too_many() { return {Code::kResourceExhausted, "etcdserver: too many requests"}; }

bool is_behind(const EtcdLimits& limits, const EtcdUsage& usage) {
  return usage.log_bytes > limits.log_bytes_max || usage.proposals >= limits.proposals_max;
}

}  // namespace

api::Status check_limits(const etcd::TxnRequest& txn, const EtcdLimits& limits, const EtcdUsage& usage) {
  if (txn.ByteSizeLong() > limits.max_request_bytes) return too_large();
  Shape shape;
  describe(txn, shape);
  if (shape.key_bytes_max > limits.key_bytes_max) return too_large();
  if (shape.puts && usage.store_bytes > limits.quota_backend_bytes) return no_space();
  return is_behind(limits, usage) ? too_many() : api::Status{};
}

api::Status check_lease_limits(const EtcdLimits& limits, const EtcdUsage& usage) {
  if (usage.store_bytes > limits.quota_backend_bytes) return no_space();
  return is_behind(limits, usage) ? too_many() : api::Status{};
}

}  // namespace cairn::pd
