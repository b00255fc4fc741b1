// `cairn pd`: one placement driver as a process.
#include <atomic>
#include <future>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/pd_collector.h"
#include "cli/pd_config.h"
#include "cli/process.h"
#include "engine/rocks/rocks_engine.h"
#include "pd/node.h"
#include "rpc/reactor.h"
#include "rpc/server.h"
#include "rpc/services.h"
#include "rpc/status_server.h"
#include "runtime/random.h"
#include "runtime/threaded/real_clock.h"
#include "runtime/threaded/thread_executor.h"

namespace cairn::cli {
namespace {

// What the network layer takes in at most, if max-request-bytes is no more: heartbeats of large stores need room, and
// what is a little larger than it may be is refused with words.
constexpr uint64_t kMessageBytes = uint64_t{16} << 20;
constexpr uint64_t kMessageOverhead = 512 << 10;

int run(PdConfig config) {
  const auto listen = complete(config);
  if (!listen.ok()) return complain(listen.error());
  if (const std::string error = log::init(config.log); !error.empty()) return complain(error);
  EndOfProcess end;
  auto data = DataDir::open(config.data_dir);
  if (!data.ok()) return complain(data.error());

  const auto on_disk_error = [&end](const engine::Error& error) { end.fatal("the disk failed: " + error.message); };
  engine::RocksKvOptions kv_options;
  kv_options.block_cache_bytes = uint64_t{16} << 20;
  kv_options.max_open_files = 512;
  kv_options.on_background_error = on_disk_error;
  auto kv = engine::open_rocks_kv((*data)->sub("db"), kv_options);
  if (!kv.ok()) return complain(kv.error().message);
  auto raft_log = engine::open_rocks_raft_log((*data)->sub("raft"), {.on_background_error = on_disk_error});
  if (!raft_log.ok()) return complain(raft_log.error().message);

  runtime::RealClock clock;
  auto reactor = std::make_shared<rpc::Reactor>("pd");  // the network and the node's decisions
  runtime::ThreadedExecutors executors;
  config.node.deploy_path = config.data_dir;
  pd::Node node(config.node, {.clock = clock,
                              .executors = executors,
                              .kv = **kv,
                              .raft_log = **raft_log,
                              .seed = runtime::entropy_seed(),
                              .on_fatal = [&end](std::string why) { end.fatal(std::move(why)); },
                              .executor = reactor});
  std::atomic<bool> is_ready{false};
  node.start([&](api::Status status) {
    if (!status.ok()) return end.fatal("PD cannot start: " + status.message);
    is_ready = true;
    end.wake();
  });

  std::unique_ptr<rpc::StatusServer> status;
  if (!config.status_address.empty()) {
    auto started = rpc::StatusServer::start({.address = config.status_address,
                                             .version = config.node.version,
                                             .is_serving = [&is_ready] { return is_ready.load(); },
                                             .pages = {}});
    if (started.ok()) {
      status = std::move(*started);
    } else {
      end.fatal(started.error());
    }
  }
  std::unique_ptr<rpc::Server> server;
  std::unique_ptr<PdCollector> collector;
  if (!end.wait_until([&] { return is_ready.load(); })) {
    rpc::Router router;
    rpc::serve_pd(router, node);
    rpc::serve_etcd(router, node.etcd());
    rpc::serve_keyspaces(router, node.keyspaces());
    rpc::serve_admin(router, node.admin());
    rpc::serve_meta_storage(router, node.meta_storage());
    const auto message_max =
        static_cast<int>(std::max(kMessageBytes, config.node.etcd.max_request_bytes + kMessageOverhead));
    auto started = rpc::Server::start({.addresses = *listen, .reactor = reactor, .message_bytes_max = message_max},
                                      std::move(router));
    if (started.ok()) {
      server = std::move(*started);
      if (config.gc_is_enabled) collector = std::make_unique<PdCollector>(node, clock, executors, config.gc);
      LOG_INFO("PD {} {} serves on {}", config.name, version(), listen->front());
      end.wait();
    } else {
      end.fatal(started.error());
    }
  }

  const auto error = end.error();
  if (error) LOG_ERROR("{}", *error);
  if (collector) collector->stop();
  if (server) server->stop(std::chrono::seconds(1));
  status.reset();
  std::promise<void> stopped;
  node.stop([&stopped] { stopped.set_value(); });
  stopped.get_future().wait_for(std::chrono::seconds(5));
  executors.stop();
  reactor->stop();
  LOG_INFO("PD {} has stopped", config.name);
  log::flush();
  return error ? complain(*error) : 0;
}

}  // namespace

void add_pd_command(CLI::App& program, int& exit_code) {
  auto* command = program.add_subcommand("pd", "run a placement driver");
  auto flags = std::make_shared<Flags>(*command);
  flags->add("--name", "name", "this member's name");
  flags->add("--data-dir", "data-dir", "where the data is kept (default.<name>)");
  flags->add("--client-urls", "client-urls", "where to listen for clients (http://127.0.0.1:2379)");
  flags->add("--advertise-client-urls", "advertise-client-urls", "how clients are to dial this member");
  flags->add("--peer-urls", "peer-urls", "where to listen for other members (http://127.0.0.1:2380)");
  flags->add("--advertise-peer-urls", "advertise-peer-urls", "how other members are to dial this one");
  flags->add("--initial-cluster", "initial-cluster", "all members, as name=url,...");
  flags->add("--status-addr", "status-addr", "where /status and /metrics are, as host:port (nowhere)");
  flags->add("--log-level,-L", "log.level", "trace, debug, info, warn, error or fatal");
  flags->add("--log-file", "log.file.filename", "where the log goes (standard error)");
  command->callback([flags, &exit_code] {
    PdConfig config;
    const auto applied = flags->apply(settings_of(config));
    exit_code = applied.ok() ? run(std::move(config)) : complain(applied.error());
  });
}

}  // namespace cairn::cli
