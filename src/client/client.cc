#include "client/client.h"

#include "client/core.h"
#include "client/raw.h"

namespace cairn::client {
namespace {

runtime::Task<Outcome<Transaction>> begin_fresh(CorePtr core, TransactionOptions options) {
  CO_TRY_ASSIGN(const Timestamp start_ts, co_await fresh_timestamp(core));
  co_return Transaction(std::move(core), start_ts, options);
}

}  // namespace

Client::Client(Deps deps, Options options) : core_(std::make_shared<Core>(std::move(deps), options)) {}

runtime::Task<Outcome<Timestamp>> Client::timestamp() { return fresh_timestamp(core_); }
runtime::Task<Outcome<Transaction>> Client::begin(TransactionOptions options) { return begin_fresh(core_, options); }
Transaction Client::begin_at(Timestamp start_ts) { return Transaction(core_, start_ts, {}); }

runtime::Task<Outcome<std::optional<Bytes>>> Client::raw_get(Bytes key) { return raw::get(core_, std::move(key)); }
runtime::Task<Outcome<std::map<Bytes, Bytes>>> Client::raw_batch_get(std::vector<Bytes> keys) {
  return raw::batch_get(core_, std::move(keys));
}
runtime::Task<Outcome<void>> Client::raw_put(Bytes key, Bytes value, uint64_t ttl_seconds) {
  return raw::put(core_, std::move(key), std::move(value), ttl_seconds);
}
runtime::Task<Outcome<void>> Client::raw_batch_put(std::vector<KeyValue> pairs, uint64_t ttl_seconds) {
  return raw::batch_put(core_, std::move(pairs), ttl_seconds);
}
runtime::Task<Outcome<void>> Client::raw_delete(Bytes key) { return raw::del(core_, std::move(key)); }
runtime::Task<Outcome<void>> Client::raw_batch_delete(std::vector<Bytes> keys) {
  return raw::batch_delete(core_, std::move(keys));
}
runtime::Task<Outcome<std::vector<KeyValue>>> Client::raw_scan(Bytes begin, Bytes end, uint32_t limit) {
  return raw::scan(core_, std::move(begin), std::move(end), limit, Direction::kForward);
}
runtime::Task<Outcome<std::vector<KeyValue>>> Client::raw_reverse_scan(Bytes begin, Bytes end, uint32_t limit) {
  return raw::scan(core_, std::move(begin), std::move(end), limit, Direction::kReverse);
}
runtime::Task<Outcome<void>> Client::raw_delete_range(Bytes begin, Bytes end) {
  return raw::delete_range(core_, std::move(begin), std::move(end));
}
runtime::Task<Outcome<Swapped>> Client::raw_compare_and_swap(Bytes key, std::optional<Bytes> expected,
                                                             std::optional<Bytes> value) {
  return raw::compare_and_swap(core_, std::move(key), std::move(expected), std::move(value));
}

}  // namespace cairn::client
