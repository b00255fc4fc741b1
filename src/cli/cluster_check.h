// Whether a cluster is ready for clients: every region has its replicas and a leader, as PD tells.
#pragma once

#include <memory>
#include <string>

namespace cairn::cli {

class ClusterCheck {
 public:
  // Ready means: `stores` stores are up, and each region has min(3, stores) peers, none pending or down, and a leader.
  ClusterCheck(const std::string& pd_address, int stores);
  ~ClusterCheck();
  ClusterCheck(const ClusterCheck&) = delete;
  ClusterCheck& operator=(const ClusterCheck&) = delete;
  // Asks PD; takes up to two seconds when it does not answer.
  bool is_ready();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cairn::cli
