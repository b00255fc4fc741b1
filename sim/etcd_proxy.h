// The etcd API of PD's members, carried over the simulated network to a client of one place. Of several members one is
// asked, until it fails or is silent; then the next, as etcd's own client does it. A proxy belongs to one life of its
// node. Tests: world_test.cc, by what the worlds do.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "pd/meta/etcd.h"
#include "sim/network.h"

namespace cairn::sim {

class SimEtcd {
 public:
  struct Place {
    NodeId node;
    std::function<pd::EtcdKv*()> lookup;  // what serves there now; null: nothing
  };
  using Watched = api::StreamSink<etcdserverpb::WatchResponse>;

  SimEtcd(Network& network, Endpoint self, std::vector<Place> places)
      : network_(network), self_(self), places_(std::move(places)) {}

  void range(api::Call<etcdserverpb::RangeRequest, etcdserverpb::RangeResponse> call);
  void txn(api::Call<etcdserverpb::TxnRequest, etcdserverpb::TxnResponse> call);
  void compact(api::Call<etcdserverpb::CompactionRequest, etcdserverpb::CompactionResponse> call);
  // One watch, on a stream of its own, whose messages are taken as they come. A lost letter in either direction, or the
  // member's death, breaks it. The owner lets go of the end to close it.
  std::shared_ptr<void> watch(etcdserverpb::WatchCreateRequest request, Watched sink);
  // The next member is asked from now on.
  void turn() { current_ = (current_ + 1) % places_.size(); }

 private:
  Network& network_;
  Endpoint self_;
  std::vector<Place> places_;
  size_t current_ = 0;
};

}  // namespace cairn::sim
