// What a pessimistic lock and its rollback cost a store, from the parsed request to the answer: all of the node's code
// over engines in memory, on one thread, without a network. With locks in memory, and with all of them through Raft.
// Built on request: ninja cairn_server_bench.
#include <benchmark/benchmark.h>

#include "server/testing/single_store.h"

namespace cairn::server {
namespace {

using testing::SingleStore;

void lock_and_rollback(benchmark::State& state, bool in_memory) {
  store::StoreOptions options;
  options.pessimistic_in_memory = in_memory;
  SingleStore world({}, options);
  kvrpcpb::PessimisticLockRequest lock;
  *lock.mutable_context() = world.context();
  auto& mutation = *lock.add_mutations();
  mutation.set_op(kvrpcpb::Op::PessimisticLock);
  kvrpcpb::PessimisticRollbackRequest rollback;
  *rollback.mutable_context() = world.context();
  uint64_t n = 0;
  for (auto _ : state) {
    const uint64_t ts = (uint64_t{2000} << 18) + ++n;
    const Bytes key = "key-" + std::to_string(n % 10'000);
    lock.set_start_version(ts);
    lock.set_for_update_ts(ts);
    lock.set_lock_ttl(20'000);
    lock.set_primary_lock(key);
    lock.mutable_mutations(0)->set_key(key);
    rollback.set_start_version(ts);
    rollback.set_for_update_ts(ts);
    rollback.clear_keys();
    rollback.add_keys(key);
    auto locked = world.ask(&Node::kv_pessimistic_lock, lock);
    auto released = world.ask(&Node::kv_pessimistic_rollback, rollback);
    if (!locked.ok() || !locked->errors().empty() || locked->has_region_error() || !released.ok() ||
        released->has_region_error()) {
      state.SkipWithError("a request failed");
    }
  }
}

BENCHMARK_CAPTURE(lock_and_rollback, in_memory, true);
BENCHMARK_CAPTURE(lock_and_rollback, through_raft, false);

}  // namespace
}  // namespace cairn::server

BENCHMARK_MAIN();
