// The stores of a cluster as a native client reaches them (client::Connect): addresses from PD, one channel each, and
// new addresses within seconds. Used on one executor; the pointers it hands out are good as long as it lives.
// Tests: store_clients_test.cc.
#pragma once

#include <memory>

#include "api/pd.h"
#include "api/tikv.h"
#include "base/ids.h"
#include "rpc/client.h"
#include "runtime/clock.h"
#include "runtime/executor.h"

namespace cairn::rpc {

class StoreClients {
 public:
  // What is referred to must outlive this, and its calls to PD that are under way.
  StoreClients(ClientLoop& loop, api::Pd& pd, const runtime::Clock& clock, runtime::Executor& executor);
  ~StoreClients();
  StoreClients(const StoreClients&) = delete;
  StoreClients& operator=(const StoreClients&) = delete;

  // On the executor. Null: the store is not known yet; it will be asked for.
  api::Tikv* connect(StoreId store);

  struct State;  // store_clients.cc

 private:
  std::shared_ptr<State> state_;
};

}  // namespace cairn::rpc
