// `cairn server`: one storage node as a process.
#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/ending.h"
#include "cli/flags.h"
#include "cli/gate.h"
#include "cli/open_files.h"
#include "cli/process.h"
#include "config/server_config.h"
#include "http/server.h"
#include "net/loop.h"
#include "rpc/client.h"
#include "rpc/pd_client.h"
#include "rpc/raft_transport.h"
#include "rpc/server.h"
#include "rpc/services.h"
#include "rpc/status_pages.h"
#include "runtime/random.h"
#include "runtime/threaded/real_clock.h"
#include "runtime/threaded/thread_executor.h"
#include "server/node.h"
#include "store/store.h"

namespace cairn::cli {
namespace {

// How long calls under way may take once the store refuses new ones, and how long each part may take to stop.
constexpr Duration kCallsGrace = 3s;
constexpr Duration kPartGrace = 5s;

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

// The parts of the process, neighbours first, the store last: what a part refers to must outlive it. However far the
// start came, stop() ends all that runs.
class StoreProcess {
 public:
  StoreProcess(config::ServerConfig config, EndOfProcess& end) : config_(std::move(config)), end_(end) {}

  int run();

 private:
  Parsed<void> open();
  void make();
  Parsed<void> listen();
  rpc::Router routes();
  // Returns when the process is to end.
  void serve();
  void depart();
  int stop();

  config::ServerConfig config_;
  FileShares shares_;
  EndOfProcess& end_;
  std::unique_ptr<DataDir> data_;
  std::unique_ptr<engine::KvEngine> kv_;
  std::unique_ptr<engine::RaftLogEngine> raft_log_;

  runtime::RealClock clock_;
  std::shared_ptr<net::Tls> tls_;  // null: plain text everywhere
  // On a small machine one thread has the network and the one shard: most of what a small request costs would otherwise
  // be the waking of one by the other.
  std::shared_ptr<net::Loop> network_;
  std::optional<rpc::ClientLoop> loop_;
  runtime::ThreadedExecutors executors_;
  std::shared_ptr<runtime::Executor> files_;
  std::shared_ptr<runtime::Executor> timers_;
  std::optional<rpc::PdClient> pd_;
  std::optional<rpc::RaftTransport> transport_;
  std::optional<store::Store> store_;
  std::unique_ptr<server::Node> node_;
  Gate gate_;
  std::atomic<bool> is_started_{false};
  std::atomic<bool> is_serving_{false};
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<http::Server> status_;
};

int StoreProcess::run() {
  if (const auto opened = open(); !opened.ok()) return complain(opened.error());
  make();
  if (const auto listening = listen(); !listening.ok()) {
    end_.fatal(listening.error());
  } else {
    serve();
  }
  return stop();
}

Parsed<void> StoreProcess::open() {
  if (config_.security.is_on()) {
    TRY_ASSIGN(tls_, net::Tls::open(config_.security));
  }
  TRY_ASSIGN(shares_, claim_files({}));
  TRY_ASSIGN(data_, DataDir::open(config_.data_dir));
  const auto on_disk_error = [this](const engine::Error& error) { end_.fatal("the disk failed: " + error.message); };
  config_.kv.max_open_files = shares_.engine;
  config_.kv.file_directory = data_->sub("snap");
  config_.kv.on_background_error = on_disk_error;
  auto kv = engine::open_rocks_kv(data_->sub("db"), config_.kv);
  if (!kv.ok()) return Err(kv.error().message);
  kv_ = std::move(*kv);
  auto raft_log = engine::open_rocks_raft_log(
      data_->sub("raft"), {.max_open_files = shares_.raft_log, .on_background_error = on_disk_error});
  if (!raft_log.ok()) return Err(raft_log.error().message);
  raft_log_ = std::move(*raft_log);
  return {};
}

void StoreProcess::make() {
  network_ = std::make_shared<net::Loop>("network");
  loop_.emplace(network_, tls_);
  files_ = executors_.make("snapshot-io");
  timers_ = executors_.make("transport");
  pd_.emplace(rpc::PdClientOptions{.endpoints = config_.pd_endpoints}, *loop_, clock_, executors_.make("pd-client"));
  transport_.emplace(rpc::RaftTransportOptions{.gather = network_}, *loop_, *pd_, timers_, files_);
  store_.emplace(config_.store,
                 store::StoreDeps{.clock = clock_,
                                  .executors = executors_,
                                  .seed = runtime::entropy_seed(),
                                  .kv = *kv_,
                                  .raft_log = *raft_log_,
                                  .pd = *pd_,
                                  .transport = *transport_,
                                  .on_fatal = [this](store::StoreError why) { end_.fatal(std::move(why.message)); },
                                  .shard_executor = config_.store.shards == 1 ? network_ : nullptr});
  transport_->on_unreachable([this](StoreId id) { store_->on_unreachable(id); });
}

rpc::Router StoreProcess::routes() {
  rpc::Router router;
  rpc::serve_tikv(router, gate_,
                  {.timers = timers_,
                   .gather = network_,
                   .health_feedback_interval = config_.health_feedback_interval,
                   .clock = &clock_});
  rpc::serve_deadlock(router, gate_);
  rpc::serve_raft(
      router,
      {.store_id = [this] { return is_started_ ? store_->id() : StoreId(); },
       .on_message =
           [this](raft_serverpb::RaftMessage message) {
             if (is_started_) store_->on_raft_message(std::move(message));
           },
       .on_stream = [this](StoreId from) { transport_->on_heard(from); },
       .begin_snapshot =
           [this](raft_serverpb::RaftMessage message) -> Result<std::unique_ptr<store::SnapshotReceiver>, std::string> {
         if (!is_started_) return Err(std::string("the store is starting"));
         return store_->begin_snapshot(std::move(message));
       }},
      files_);
  return router;
}

// Before PD hears of the store: an address that is taken is an error of the start.
Parsed<void> StoreProcess::listen() {
  http::Router pages;
  rpc::serve_status(pages, {.version = config_.store.version,
                            .is_serving = [this] { return is_serving_.load(); },
                            .pages = {{"/regions", [this] { return is_serving_ ? regions_json(*store_) : "[]"; }}}});
  // On the store's own port the network's thread does not make them.
  const auto pages_elsewhere = std::make_shared<const http::Router>(pages.served_on(executors_.make("http-pages")));
  if (!config_.status_address.empty()) {
    TRY_ASSIGN(status_, http::Server::start({.addresses = {config_.status_address}, .tls = tls_}, std::move(pages)));
  }
  TRY_ASSIGN(server_, rpc::Server::start({.addresses = {config_.address},
                                          .loop = network_,
                                          .connections_max = shares_.connections(),
                                          .tls = tls_,
                                          .http = pages_elsewhere},
                                         routes()));
  server_->set_serving(false);
  return {};
}

void StoreProcess::serve() {
  store_->start([this](Result<void, store::StoreError> result) {
    if (!result.ok()) return end_.fatal("the store cannot start: " + result.error().message);
    is_started_ = true;
    end_.wake();
  });
  if (end_.wait_until([this] { return is_started_.load(); })) return;
  transport_->set_source(store_->id());
  const auto read_threads = static_cast<size_t>(config_.store.read_threads);
  node_ = std::make_unique<server::Node>(
      *store_, clock_,
      server::NodeOptions{.cluster = store_->cluster(),
                          .api_version = config_.store.api_version,
                          .causal_timestamps = config_.causal_timestamps,
                          .pool_reads_max = read_threads * config_.read_tasks_per_thread});
  gate_.open(*node_);
  server_->set_serving(true);
  is_serving_ = true;
  LOG_INFO("store {} {} serves on {}", store_->id(), version(), config_.advertise_address);
  end_.wait();
}

// Clients wait for the election of a new leader when this one is gone without a word: so it goes with one.
void StoreProcess::depart() {
  if (config_.graceful_shutdown_timeout == Duration{}) return;
  LOG_INFO("store {} hands its leaders to other stores before it stops", store_->id());
  auto left = std::make_shared<std::atomic<int64_t>>(-1);
  store_->depart([this, left](uint64_t leaders) {
    *left = static_cast<int64_t>(leaders);
    end_.wake();
  });
  if (!end_.wait_for(config_.graceful_shutdown_timeout, [&] { return *left >= 0; })) {
    LOG_WARN("not all leaders could be handed over within {}",
             config::duration_text(config_.graceful_shutdown_timeout));
  } else if (*left > 0) {
    LOG_INFO("{} regions are still led here: no other store can take them now", left->load());
  }
}

int StoreProcess::stop() {
  if (is_serving_ && !end_.error()) depart();
  const auto error = end_.error();
  if (error) LOG_ERROR("{}", *error);
  Ending ending;
  if (server_ && !server_->stop(kCallsGrace)) ending.leave_behind("the gRPC server", server_->what_is_left());
  ending.step("the status port", kPartGrace, [this] { status_.reset(); });
  ending.step("the store", kPartGrace, [this] {
    std::promise<void> stopped;
    store_->stop([&stopped] { stopped.set_value(); });
    stopped.get_future().wait();
  });
  transport_->stop();
  // Parts that did not end still hold on to one another.
  if (ending.is_clean()) {
    ending.step("the store's threads", kPartGrace, [this] { executors_.stop(); });
    ending.step("connections to other stores", kPartGrace, [this] { loop_->stop(); });
    ending.step("the network's thread", kPartGrace, [this] { network_->stop(); });
  }
  if (!error) {
    ending.step("the last flush", kPartGrace, [this] {
      if (!kv_->flush().ok()) LOG_WARN("the last flush failed; the Raft log has it all");
    });
    LOG_INFO("store {} has stopped", store_->id());
  } else {
    complain(*error);
  }
  return ending.finish(error ? 1 : 0, kPartGrace);
}

int run(const Flags& flags) {
  EndOfProcess end;
  config::ServerConfig config;
  config.store.shards = std::clamp(static_cast<int>(std::thread::hardware_concurrency()) / 2, 1, 256);
  if (const auto applied = flags.apply(settings_of(config)); !applied.ok()) return complain(applied.error());
  if (const auto completed = complete(config); !completed.ok()) return complain(completed.error());
  if (const std::string error = log::init(config.log); !error.empty()) return complain(error);
  return StoreProcess(std::move(config), end).run();
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
  flags->add("--cacert", "security.ca-path", "the CAs that sign everybody's certificates (PEM)");
  flags->add("--cert", "security.cert-path", "this store's certificate (PEM)");
  flags->add("--key", "security.key-path", "its key (PEM)");
  flags->add("--log-level,-L", "log.level", "trace, debug, info, warn, error or fatal");
  flags->add("--log-file", "log.file.filename", "where the log goes (standard error)");
  command->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace cairn::cli
