#include "cli/pd_collector.h"

#include <chrono>
#include <future>
#include <utility>

#include "runtime/random.h"

namespace cairn::cli {

PdCollector::PdCollector(pd::Node& node, runtime::Clock& clock, runtime::Executors& executors, gc::Options options,
                         std::shared_ptr<net::Tls> tls)
    : loop_(std::move(tls)),
      executor_(executors.make("gc")),
      stores_(loop_, node, clock, *executor_),
      collector_({.client = {.pd = node,
                             .connect = [this](StoreId store) { return stores_.connect(store); },
                             .executor = *executor_,
                             .clock = clock,
                             .random = runtime::Random(runtime::entropy_seed())},
                  .ask_turn = [&node](std::function<void(api::GcTurn)> done) { node.ask_gc_turn(std::move(done)); }},
                 options) {
  collector_.start();
}

void PdCollector::stop() {
  auto stopped = std::make_shared<std::promise<void>>();
  auto is_quiet = stopped->get_future();
  collector_.stop([stopped] { stopped->set_value(); });
  is_quiet.wait_for(std::chrono::seconds(2));
}

}  // namespace cairn::cli
