#include "sim/client_host.h"

#include <utility>

#include "pd/node/node.h"

namespace cairn::sim {

namespace {

client::Options client_options(rawkv::ApiVersion api_version) {
  client::Options options;
  options.cluster = kCluster;
  options.is_api_v2 = api_version == rawkv::ApiVersion::kV2;
  options.try_timeout = 1s;
  options.budget = 5s;
  options.lock_ttl = 1s;
  options.managed_lock_ttl = 3s;
  return options;
}

}  // namespace

ClientHost::ClientHost(Surroundings world, const std::string& name, const PdHosts& pds,
                       std::function<api::Tikv*(NodeId)> service_at, rawkv::ApiVersion api_version,
                       std::shared_ptr<TimestampWatch> timestamps)
    : world_(std::move(world)),
      clock_(world_.loop),
      executors_(world_.loop, clock_, name),
      inbox_(executors_.make("inbox")),
      api_version_(api_version),
      self_(world_.network.attach(world_.network.add_node(name), inbox_)),
      service_at_(std::move(service_at)),
      pd_(std::make_unique<SimPd>(world_.network, self_, places_of(pds), *inbox_)) {
  pd_->set_watch(std::move(timestamps));
  client_ = std::make_unique<client::Client>(deps(), client_options(api_version));
}

client::Deps ClientHost::deps() {
  return {.pd = *pd_,
          .connect = [this](StoreId store) -> api::Tikv* {
            auto node = world_.directory.find(store);
            return node ? &tikv(*node) : nullptr;
          },
          .executor = *inbox_,
          .clock = clock_,
          .random = world_.loop.random().fork()};
}

client::CorePtr ClientHost::new_core() { return std::make_shared<client::Core>(deps(), client_options(api_version_)); }

std::unique_ptr<SimEtcd> ClientHost::new_etcd(const PdHosts& pds) {
  std::vector<SimEtcd::Place> places;
  for (PdHost* host : pds.all) {
    places.push_back(
        {host->node(), [host] { return host->pd_node() == nullptr ? nullptr : &host->pd_node()->etcd(); }});
  }
  return std::make_unique<SimEtcd>(world_.network, self_, std::move(places));
}

api::Tikv& ClientHost::tikv(NodeId node) {
  auto& proxy = tikvs_[node];
  if (!proxy) {
    proxy = std::make_unique<SimTikv>(world_.network, self_, node, [this, node] { return service_at_(node); });
  }
  return *proxy;
}

void ClientHost::kill() {
  world_.network.detach(self_.node);
  executors_.kill();
}

}  // namespace cairn::sim
