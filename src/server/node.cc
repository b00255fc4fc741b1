#include "server/node.h"

#include "server/parts.h"

namespace cairn::server {
namespace {

rawkv::Config raw_config(const NodeOptions& options) {
  rawkv::Config config;
  config.api_version = options.api_version == ApiVersion::kV1Ttl ? rawkv::ApiVersion::kV1Ttl : rawkv::ApiVersion::kV1;
  config.max_key_size = options.key_bytes_max;
  config.scan_limit_max = std::min(config.scan_limit_max, options.scan_limit_max);
  return config;
}

}  // namespace

Node::Parts::Parts(store::Store& s, const runtime::Clock& c, NodeOptions o)
    : store(s), clock(c), options(o), raw_config(server::raw_config(o)) {}

rawkv::RawWriter& Node::Parts::raw_writer(store::ShardHandle& shard) {
  std::lock_guard lock(mutex_);
  auto& writer = raw_writers_[&shard.regions()];
  if (!writer) writer = std::make_unique<rawkv::RawWriter>(shard.regions(), clock, raw_config);
  return *writer;
}

Node::Node(store::Store& store, const runtime::Clock& clock, NodeOptions options)
    : parts_(std::make_unique<Parts>(store, clock, options)) {}

Node::~Node() = default;

}  // namespace cairn::server
