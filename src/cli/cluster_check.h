// Whether a cluster is ready for clients: every region has its replicas and a leader, as PD tells.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/tls.h"

namespace cairn::cli {

class ClusterCheck {
 public:
  // Ready means: PD counts the stores at these addresses as up, and each region has min(3, stores) peers, none pending
  // or down, and a leader. `tls` may be null.
  ClusterCheck(std::vector<std::string> pd_addresses, std::vector<std::string> store_addresses,
               std::shared_ptr<net::Tls> tls);
  ~ClusterCheck();
  ClusterCheck(const ClusterCheck&) = delete;
  ClusterCheck& operator=(const ClusterCheck&) = delete;
  // What is missing yet, in words; empty if nothing is. Asks PD; takes up to two seconds when it does not answer.
  std::string what_is_missing();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cairn::cli
