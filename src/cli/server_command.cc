// `cairn server`: one storage node as a process.
#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/config_metrics.h"
#include "cli/config_pages.h"
#include "cli/ending.h"
#include "cli/flags.h"
#include "cli/gate.h"
#include "cli/open_files.h"
#include "cli/process.h"
#include "cli/process_metrics.h"
#include "cli/profile.h"
#include "config/live.h"
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

size_t pool_reads_max(const config::ServerConfig& config) {
  return static_cast<size_t>(config.store.read_threads) * config.read_tasks_per_thread;
}

// The parts of the process, neighbours first, the store last: what a part refers to must outlive it. However far the
// start came, stop() ends all that runs.
class StoreProcess {
 public:
  // `file`: of the settings; empty if there is none.
  StoreProcess(config::ServerConfig config, std::string file, EndOfProcess& end)
      : config_(std::move(config)), end_(end), live_(config_, std::move(file)) {}

  int run();

 private:
  Parsed<void> open();
  void make();
  Parsed<void> listen();
  rpc::Router routes();
  // Settings that change reach those who go by them. Once the store has started.
  void follow_settings();
  // Returns when the process is to end.
  void serve();
  void depart();
  int stop();

  config::ServerConfig config_;
  FileShares shares_;
  EndOfProcess& end_;
  config::LiveSettings<config::ServerConfig> live_;
  std::atomic<Duration> graceful_shutdown_timeout_ = config_.graceful_shutdown_timeout;  // as it is now
  ProcessMetrics metrics_{Part::kStore};
  metrics::CollectorPtr settings_shown_ = metrics::on_render([this] { live_.with_table(show_settings); });
  std::unique_ptr<DataDir> data_;
  std::unique_ptr<engine::KvEngine> kv_;
  std::unique_ptr<engine::RaftLogEngine> raft_log_;

  runtime::RealClock clock_;
  std::shared_ptr<net::Tls> tls_;  // null: plain text everywhere
  // The first of the network's threads. On a small machine it has the one shard, too: most of what a small request
  // costs would otherwise be the waking of one by the other.
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
  config_.kv.block_cache = engine::BlockCache::make(config_.kv.block_cache_bytes);
  config_.kv.max_open_files = shares_.engine;
  config_.kv.file_directory = data_->sub("snap");
  config_.kv.on_background_error = on_disk_error;
  config_.kv.metrics_name = "kv";
  auto kv = engine::open_rocks_kv(data_->sub("db"), config_.kv);
  if (!kv.ok()) return Err(kv.error().message);
  kv_ = std::move(*kv);
  config_.raft_log.max_open_files = shares_.raft_log;
  config_.raft_log.on_background_error = on_disk_error;
  config_.raft_log.metrics_name = "raft";
  auto raft_log = engine::open_rocks_raft_log(data_->sub("raft"), config_.raft_log);
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
    serve_config(pages, live_, [this] { return is_serving_.load(); });
    serve_profiles(pages, executors_.make("profiler"));
    TRY_ASSIGN(status_, http::Server::start({.addresses = {config_.status_address}, .tls = tls_}, std::move(pages)));
  }
  const std::string compression = config_.answer_compression == "none" ? "identity" : config_.answer_compression;
  TRY_ASSIGN(server_, rpc::Server::start({.addresses = {config_.address},
                                          .loop = network_,
                                          .threads = config_.network_threads,
                                          .answer_compression = {rpc::compression_named(compression).value(),
                                                                 config_.compressed_bytes_min},
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
  node_ = std::make_unique<server::Node>(*store_, clock_,
                                         server::NodeOptions{.cluster = store_->cluster(),
                                                             .api_version = config_.store.api_version,
                                                             .causal_timestamps = config_.causal_timestamps,
                                                             .key_bytes_max = config_.key_bytes_max,
                                                             .slow_after = config_.slow_log_threshold,
                                                             .pool_reads_max = pool_reads_max(config_)});
  follow_settings();
  gate_.open(*node_);
  server_->set_serving(true);
  is_serving_ = true;
  LOG_INFO("store {} {} serves on {}", store_->id(), version(), config_.advertise_address);
  end_.wait();
}

void StoreProcess::follow_settings() {
  follow_log(live_);
  live_.subscribe({"server.graceful-shutdown-timeout"}, [this](const config::ServerConfig& config) {
    graceful_shutdown_timeout_ = config.graceful_shutdown_timeout;
  });
  live_.subscribe({"storage.block-cache.capacity"},
                  [cache = config_.kv.block_cache](const config::ServerConfig& config) {
                    cache->resize(config.kv.block_cache_bytes);
                  });
  live_.subscribe({"slow-log-threshold"},
                  [this](const config::ServerConfig& config) { node_->set_slow_after(config.slow_log_threshold); });
  live_.subscribe({"readpool.unified.max-tasks-per-worker"},
                  [this](const config::ServerConfig& config) { node_->set_pool_reads_max(pool_reads_max(config)); });
  live_.subscribe(config::names_of_store(),
                  [this](const config::ServerConfig& config) { store_->reconfigure(config.store); });
  const auto lost = live_.without_owner();
  CHECK(lost.empty(), "nobody hears of a change of {}", lost.front());
}

// Clients wait for the election of a new leader when this one is gone without a word: so it goes with one.
void StoreProcess::depart() {
  const Duration patience = graceful_shutdown_timeout_;
  if (patience == Duration{}) return;
  LOG_INFO("store {} hands its leaders to other stores before it stops", store_->id());
  auto left = std::make_shared<std::atomic<int64_t>>(-1);
  store_->depart([this, left](uint64_t leaders) {
    *left = static_cast<int64_t>(leaders);
    end_.wake();
  });
  if (!end_.wait_for(patience, [&] { return *left >= 0; })) {
    LOG_WARN("not all leaders could be handed over within {}", config::duration_text(patience));
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

config::ServerConfig default_config() {
  config::ServerConfig config;
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  config.store.shards = std::clamp(cores / 2, 1, 256);
  config.network_threads = std::clamp(cores / 4, 1, 256);
  return config;
}

int run(const Flags& flags) {
  if (const auto text = flags.text_asked_for()) return say(*text);
  config::ServerConfig config = default_config();
  config::Settings settings = settings_of(config);
  if (const auto applied = flags.apply(settings); !applied.ok()) return complain(applied.error());
  if (const auto completed = complete(config); !completed.ok()) return complain(completed.error());
  if (flags.is_check()) return say_checked(settings);
  EndOfProcess end;
  if (const std::string error = log::init(config.log); !error.empty()) return complain(error);
  log::set_redact(config::redact_of(config.redact_log));
  log_notes(settings);
  return StoreProcess(std::move(config), flags.config_file(), end).run();
}

}  // namespace

void add_server_command(CLI::App& program, int& exit_code) {
  auto* command = program.add_subcommand("server", "run a storage node");
  config::ServerConfig defaults = default_config();
  auto flags = std::make_shared<Flags>(*command, settings_of(defaults), version_text("store", defaults.store.version));
  flags->accept(*command, "--capacity", "raftstore.capacity");
  flags->accept(*command, "--metrics-addr", "metric.address");
  command->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace cairn::cli
