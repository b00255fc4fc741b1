// `cairn server`: one storage node as a process.
#include <algorithm>
#include <future>
#include <thread>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/gate.h"
#include "cli/process.h"
#include "cli/server_config.h"
#include "rpc/client.h"
#include "rpc/pd_client.h"
#include "rpc/raft_transport.h"
#include "rpc/reactor.h"
#include "rpc/server.h"
#include "rpc/services.h"
#include "rpc/status_server.h"
#include "runtime/random.h"
#include "runtime/threaded/real_clock.h"
#include "runtime/threaded/thread_executor.h"
#include "server/node.h"
#include "store/store.h"

namespace cairn::cli {
namespace {

// The store's regions as the status page shows them.
std::string regions_json(const store::Store& store) {
  std::string out = "[";
  for (const auto& region : store.regions()) {
    out += fmt::format(
        R"({}{{"id":{},"start_key":"{}","end_key":"{}","conf_ver":{},"version":{},"peer":{},"leader":{},"term":{},)"
        R"("applied":{},"committed":{},"last":{}}})",
        out.size() > 1 ? "," : "", region.region.id, to_hex(region.region.start_key), to_hex(region.region.end_key),
        region.region.epoch.conf_ver, region.region.epoch.version, region.peer, region.leader, region.term,
        region.applied, region.committed, region.last);
  }
  return out + "]";
}

int run(ServerConfig config) {
  const auto completed = complete(config);
  if (!completed.ok()) return complain(completed.error());
  if (const std::string error = log::init(config.log); !error.empty()) return complain(error);
  EndOfProcess end;
  auto data = DataDir::open(config.data_dir);
  if (!data.ok()) return complain(data.error());

  const auto on_disk_error = [&end](const engine::Error& error) { end.fatal("the disk failed: " + error.message); };
  config.kv.file_directory = (*data)->sub("snap");
  config.kv.on_background_error = on_disk_error;
  auto kv = engine::open_rocks_kv((*data)->sub("db"), config.kv);
  if (!kv.ok()) return complain(kv.error().message);
  auto raft_log = engine::open_rocks_raft_log((*data)->sub("raft"), {.on_background_error = on_disk_error});
  if (!raft_log.ok()) return complain(raft_log.error().message);

  // Neighbours first, the store last: what a part refers to must outlive it.
  runtime::RealClock clock;
  // On a small machine one thread has the network and the one shard: most of what a small request costs would otherwise
  // be the waking of one by the other.
  auto reactor = std::make_shared<rpc::Reactor>("reactor");
  rpc::ClientLoop loop(reactor);
  runtime::ThreadedExecutors executors;
  auto files = executors.make("snapshot-io");
  auto timers = executors.make("transport");
  rpc::PdClient pd({.endpoints = config.pd_endpoints}, loop, clock, executors.make("pd-client"));
  rpc::RaftTransport transport({.gather = reactor}, loop, pd, timers, files);
  store::Store store(config.store, {.clock = clock,
                                    .executors = executors,
                                    .seed = runtime::entropy_seed(),
                                    .kv = **kv,
                                    .raft_log = **raft_log,
                                    .pd = pd,
                                    .transport = transport,
                                    .on_fatal = [&end](store::StoreError why) { end.fatal(std::move(why.message)); },
                                    .shard_executor = config.store.shards == 1 ? reactor : nullptr});
  transport.on_unreachable([&store](StoreId id) { store.on_unreachable(id); });
  std::unique_ptr<server::Node> node;

  Gate gate;
  std::atomic<bool> is_started{false};
  std::atomic<bool> is_serving{false};
  rpc::Router router;
  rpc::serve_tikv(router, gate,
                  {.timers = timers,
                   .gather = reactor,
                   .health_feedback_interval = config.health_feedback_interval,
                   .clock = &clock});
  rpc::serve_deadlock(router, gate);
  rpc::serve_raft(
      router,
      {.store_id = [&] { return is_started ? store.id() : StoreId(); },
       .on_message =
           [&](raft_serverpb::RaftMessage message) {
             if (is_started) store.on_raft_message(std::move(message));
           },
       .on_stream = [&](StoreId from) { transport.on_heard(from); },
       .begin_snapshot =
           [&](raft_serverpb::RaftMessage message) -> Result<std::unique_ptr<store::SnapshotReceiver>, std::string> {
         if (!is_started) return Err(std::string("the store is starting"));
         return store.begin_snapshot(std::move(message));
       }},
      files);
  auto server = rpc::Server::start({.addresses = {config.address}, .reactor = reactor}, std::move(router));
  if (!server.ok()) return complain(server.error());
  (*server)->set_serving(false);
  std::unique_ptr<rpc::StatusServer> status;
  if (!config.status_address.empty()) {
    auto started = rpc::StatusServer::start(
        {.address = config.status_address,
         .version = config.store.version,
         .is_serving = [&is_serving] { return is_serving.load(); },
         .pages = {{"/regions", [&] { return is_serving ? regions_json(store) : std::string("[]"); }}}});
    if (!started.ok()) return complain(started.error());
    status = std::move(*started);
  }

  store.start([&](Result<void, store::StoreError> result) {
    if (!result.ok()) return end.fatal("the store cannot start: " + result.error().message);
    is_started = true;
    end.wake();
  });
  if (!end.wait_until([&] { return is_started.load(); })) {
    transport.set_source(store.id());
    node = std::make_unique<server::Node>(store, clock,
                                          server::NodeOptions{.cluster = store.cluster(),
                                                              .api_version = config.store.api_version,
                                                              .causal_timestamps = config.causal_timestamps});
    gate.open(*node);
    (*server)->set_serving(true);
    is_serving = true;
    LOG_INFO("store {} {} serves on {}", store.id(), version(), config.advertise_address);
    end.wait();
  }

  const auto error = end.error();
  if (error) LOG_ERROR("{}", *error);
  (*server)->stop(std::chrono::seconds(3));
  status.reset();
  auto stopped = std::make_shared<std::promise<void>>();
  auto is_quiet = stopped->get_future();
  store.stop([stopped] { stopped->set_value(); });
  const bool is_clean = is_quiet.wait_for(std::chrono::seconds(5)) == std::future_status::ready;
  transport.stop();
  if (!is_clean || error) {
    // Parts may still hold on to one another; the disk is sound at each moment, so the process may just end.
    LOG_WARN("the store did not come to rest in time");
    log::flush();
    if (error) complain(*error);
    _exit(error ? 1 : 0);
  }
  executors.stop();
  loop.stop();
  reactor->stop();
  if (!(*kv)->flush().ok()) LOG_WARN("the last flush failed; the Raft log has it all");
  LOG_INFO("store {} has stopped", store.id());
  log::flush();
  return 0;
}

}  // namespace

void add_server_command(CLI::App& program, int& exit_code) {
  auto* command = program.add_subcommand("server", "run a storage node");
  auto flags = std::make_shared<Flags>(*command);
  flags->add("--addr,-A", "server.addr", "where to listen (127.0.0.1:20160)");
  flags->add("--advertise-addr", "server.advertise-addr", "how clients and other stores are to dial this one");
  flags->add("--status-addr", "server.status-addr", "where /status and /metrics are (127.0.0.1:20180)");
  flags->add("--advertise-status-addr", "server.advertise-status-addr", "how others are to dial the status port");
  flags->add("--pd-endpoints,--pd", "pd.endpoints", "PD's addresses, host:port,...");
  flags->add("--data-dir,-s", "storage.data-dir", "where the data is kept");
  flags->add("--labels", "server.labels", "where this store stands, as zone=east,host=h1");
  flags->add("--log-level,-L", "log.level", "trace, debug, info, warn, error or fatal");
  flags->add("--log-file", "log.file.filename", "where the log goes (standard error)");
  command->callback([flags, &exit_code] {
    ServerConfig config;
    config.store.shards = std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / 2);
    const auto applied = flags->apply(settings_of(config));
    exit_code = applied.ok() ? run(std::move(config)) : complain(applied.error());
  });
}

}  // namespace cairn::cli
