#include "server/node.h"

#include "server/coprocessor_metrics.h"
#include "server/parts.h"

namespace cairn::server {
namespace {

rawkv::Config raw_config(const NodeOptions& options) {
  rawkv::Config config;
  config.api_version = options.api_version;
  config.causal_timestamps = options.causal_timestamps;
  config.max_key_size = options.key_bytes_max;
  config.answer_bytes_max = options.answer_bytes_max;
  return config;
}

}  // namespace

Node::Parts::Parts(store::Store& s, const runtime::Clock& c, NodeOptions o)
    : store(s),
      clock(c),
      options(o),
      raw_config(server::raw_config(o)),
      feedback_number(c.wall_now().ms()),
      reads(s.read_pool(), c, o.pool_reads_max),
      slow(o.slow_after),
      reads_left_to_pool(metrics::counter("cairn_reads_left_to_pool_total",
                                          "Reads that found not all in the cache, and went to a thread that may wait",
                                          {{"type", "get"}})) {
  CoprocessorTotals::get().memory_max.set(static_cast<double>(o.plans_bytes_max));
}

rawkv::RawWriter& Node::Parts::raw_writer(store::ShardHandle& shard) {
  MutexLock lock(mutex_);
  auto& writer = raw_writers_[&shard.regions()];
  if (!writer) {
    auto timestamps = [&from = store](uint32_t count) { return from.timestamps(count); };
    writer = std::make_unique<rawkv::RawWriter>(shard.regions(), clock, raw_config, timestamps);
  }
  return *writer;
}

Node::Node(store::Store& store, const runtime::Clock& clock, NodeOptions options)
    : parts_(std::make_unique<Parts>(store, clock, options)) {
  CHECK(options.api_version == store.options().api_version, "a node of API version {} over a store of {}",
        rawkv::api_version_name(options.api_version), rawkv::api_version_name(store.options().api_version));
}

Node::~Node() = default;

void Node::set_slow_after(Duration threshold) { parts_->slow.set_threshold(threshold); }
void Node::set_pool_reads_max(size_t reads) { parts_->reads.set_lanes_max(reads); }

}  // namespace cairn::server
