// Of MetaStore: what is wrong with a transaction whatever the state is.
#include "pd/meta/etcd_words.h"
#include "pd/meta/meta_store.h"

namespace cairn::pd {
namespace {

using api::Code;
using api::Status;
namespace etcd = etcdserverpb;

constexpr int kOpsMax = 128;
constexpr int kNestedMax = 16;

// The ways in which a transaction may be malformed, whatever the state.
class ShapeCheck {
 public:
  Status check(const etcd::TxnRequest& txn, int depth) {
    if (txn.compare_size() > kOpsMax || depth > kNestedMax) return etcd_words::too_many_ops();
    for (const auto& compare : txn.compare()) {
      if (compare.key().empty()) return etcd_words::no_key();
    }
    ops_ += txn.compare_size();
    const size_t before = order_.size();
    if (auto status = check(txn.success(), depth); !status.ok()) return status;
    // The branches exclude each other: the other one may put the same keys.
    const std::vector<ByteView> put(order_.begin() + static_cast<std::ptrdiff_t>(before), order_.end());
    for (const auto key : put) puts_.erase(key);
    order_.resize(before);
    if (auto status = check(txn.failure(), depth); !status.ok()) return status;
    for (const auto key : put) add(key);
    return {};
  }

 private:
  bool add(ByteView key) {
    if (!puts_.insert(key).second) return false;
    order_.push_back(key);
    return true;
  }

  Status check(const google::protobuf::RepeatedPtrField<etcd::RequestOp>& ops, int depth) {
    ops_ += ops.size();
    if (ops.size() > kOpsMax || ops_ > MetaStore::kOpsTotalMax) return etcd_words::too_many_ops();
    for (const auto& op : ops) {
      if (auto status = check(op, depth); !status.ok()) return status;
    }
    return {};
  }

  Status check(const etcd::RequestOp& op, int depth) {
    switch (op.request_case()) {
      case etcd::RequestOp::kRequestRange:
        return op.request_range().key().empty() ? etcd_words::no_key() : Status{};
      case etcd::RequestOp::kRequestDeleteRange:
        return op.request_delete_range().key().empty() ? etcd_words::no_key() : Status{};
      case etcd::RequestOp::kRequestTxn:
        return check(op.request_txn(), depth + 1);
      case etcd::RequestOp::kRequestPut: {
        const auto& put = op.request_put();
        if (put.key().empty()) return etcd_words::no_key();
        if (put.ignore_value() && !put.value().empty()) {
          return {Code::kInvalidArgument, "etcdserver: value is provided"};
        }
        if (put.ignore_lease() && put.lease() != 0) return {Code::kInvalidArgument, "etcdserver: lease is provided"};
        if (!add(put.key())) return {Code::kInvalidArgument, "etcdserver: duplicate key given in txn request"};
        return {};
      }
      default:
        return {Code::kInvalidArgument, "etcdserver: key not found"};
    }
  }

  int ops_ = 0;
  std::set<ByteView> puts_;
  std::vector<ByteView> order_;  // of puts_
};

}  // namespace

api::Status MetaStore::check_shape(const etcd::TxnRequest& txn) { return ShapeCheck().check(txn, 0); }

}  // namespace cairn::pd
