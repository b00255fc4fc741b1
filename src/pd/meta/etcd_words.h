// The words in which etcd refuses: its clients compare them.
#pragma once

#include "api/status.h"

namespace cairn::pd::etcd_words {

inline api::Status no_key() { return {api::Code::kInvalidArgument, "etcdserver: key is not provided"}; }
inline api::Status answer_too_large() {
  return {api::Code::kResourceExhausted, "etcdserver: the answer is too large, ask for less"};
}
inline api::Status too_many_ops() {
  return {api::Code::kInvalidArgument, "etcdserver: too many operations in txn request"};
}
inline api::Status too_much_work() {
  return {api::Code::kResourceExhausted, "etcdserver: the request looks at or changes too many keys, ask for less"};
}
inline api::Status no_lease() { return {api::Code::kNotFound, "etcdserver: requested lease not found"}; }

inline api::Status compacted() {
  return {api::Code::kOutOfRange, "etcdserver: mvcc: required revision has been compacted"};
}
inline api::Status future_revision() {
  return {api::Code::kOutOfRange, "etcdserver: mvcc: required revision is a future revision"};
}

}  // namespace cairn::pd::etcd_words
