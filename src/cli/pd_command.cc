// `cairn pd`: one placement driver as a process.
#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/config_pages.h"
#include "cli/ending.h"
#include "cli/flags.h"
#include "cli/open_files.h"
#include "cli/pd_collector.h"
#include "cli/pd_join.h"
#include "cli/process.h"
#include "cli/process_metrics.h"
#include "cli/profile.h"
#include "config/live.h"
#include "config/pd_config.h"
#include "engine/rocks/rocks_engine.h"
#include "http/server.h"
#include "net/loop.h"
#include "pd/node/node.h"
#include "rpc/forward.h"
#include "rpc/peer_transport.h"
#include "rpc/server.h"
#include "rpc/services.h"
#include "rpc/status_pages.h"
#include "runtime/random.h"
#include "runtime/threaded/real_clock.h"
#include "runtime/threaded/thread_executor.h"

namespace cairn::cli {
namespace {

// What the network layer takes in at most, if max-request-bytes is no more: heartbeats of large stores need room, and
// what is a little larger than it may be is refused with words.
constexpr uint64_t kMessageBytes = uint64_t{16} << 20;
constexpr uint64_t kMessageOverhead = 512 << 10;
constexpr int kMemberMessageBytes = 1 << 30;  // a snapshot of all that PD keeps

constexpr Duration kCallsGrace = 1s;   // of calls under way once no new ones are taken
constexpr Duration kResignGrace = 1s;  // for another member to take over
constexpr Duration kPartGrace = 5s;    // of each part that stops

// The parts of the process: what a part refers to must outlive it. However far the start came, stop() ends all that
// runs.
class PdProcess {
 public:
  // `file`: of the settings; empty if there is none.
  PdProcess(config::PdConfig config, std::string file, std::vector<std::string> listen, EndOfProcess& end)
      : config_(std::move(config)), listen_(std::move(listen)), end_(end), live_(config_, std::move(file)) {}

  int run();

 private:
  Parsed<void> open();
  void make();
  Parsed<void> serve_members();
  Parsed<void> serve_status();
  // Which member has that client URL. On the network's thread, which is the node's.
  rpc::ForwardTo whose(const std::string& url);
  // Settings that change reach those who go by them.
  void follow_settings();
  // Returns when the process is to end.
  void serve();
  int stop();

  config::PdConfig config_;
  const std::vector<std::string> listen_;
  EndOfProcess& end_;
  config::LiveSettings<config::PdConfig> live_;
  ProcessMetrics metrics_{Part::kPd};
  std::unique_ptr<DataDir> data_;
  std::unique_ptr<engine::KvEngine> kv_;
  std::unique_ptr<engine::RaftLogEngine> raft_log_;

  runtime::RealClock clock_;
  FileShares shares_;
  std::shared_ptr<net::Tls> tls_;       // null: plain text everywhere
  std::shared_ptr<net::Loop> network_;  // the network and the node's decisions
  runtime::ThreadedExecutors executors_;
  std::unique_ptr<rpc::ClientLoop> to_members_;  // null, like the next two: this member is alone
  std::unique_ptr<rpc::PeerTransport> transport_;
  std::unique_ptr<rpc::Server> member_server_;
  std::optional<pd::Node> node_;
  std::atomic<bool> is_ready_{false};
  std::atomic<bool> is_serving_{false};  // changes of settings are heard
  http::Router pages_;
  std::shared_ptr<runtime::Executor> pages_executor_ = executors_.make("http-pages");
  std::unique_ptr<http::Server> status_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<PdCollector> collector_;
};

int PdProcess::run() {
  if (const auto opened = open(); !opened.ok()) return complain(opened.error());
  make();
  if (const auto status = serve_status(); !status.ok()) {
    end_.fatal(status.error());
  } else if (const auto heard = serve_members(); !heard.ok()) {
    end_.fatal(heard.error());
  } else {
    serve();
  }
  return stop();
}

Parsed<void> PdProcess::open() {
  if (config_.security.is_on()) {
    TRY_ASSIGN(tls_, net::Tls::open(config_.security));
  }
  TRY_ASSIGN(shares_, claim_files({.engine = 512, .raft_log = 512}));
  TRY_ASSIGN(data_, DataDir::open(config_.data_dir));
  const auto on_disk_error = [this](const engine::Error& error) { end_.fatal("the disk failed: " + error.message); };
  engine::RocksKvOptions options;
  options.block_cache_bytes = uint64_t{16} << 20;
  options.max_open_files = shares_.engine;
  options.on_background_error = on_disk_error;
  auto kv = engine::open_rocks_kv(data_->sub("db"), options);
  if (!kv.ok()) return Err(kv.error().message);
  kv_ = std::move(*kv);
  TRY(find_place(config_, *kv_, tls_));
  auto raft_log = engine::open_rocks_raft_log(
      data_->sub("raft"), {.max_open_files = shares_.raft_log, .on_background_error = on_disk_error});
  if (!raft_log.ok()) return Err(raft_log.error().message);
  raft_log_ = std::move(*raft_log);
  return {};
}

void PdProcess::make() {
  network_ = std::make_shared<net::Loop>("pd");
  config_.node.deploy_path = config_.data_dir;
  if (!config_.peer_listen.empty()) {
    to_members_ = std::make_unique<rpc::ClientLoop>(network_, tls_);
    transport_ = std::make_unique<rpc::PeerTransport>(rpc::PeerTransportOptions(), *to_members_, network_);
    transport_->on_unreachable([this](uint64_t member) { node_->report_unreachable(member); });
  }
  node_.emplace(config_.node, pd::Dependencies{.clock = clock_,
                                               .executors = executors_,
                                               .kv = *kv_,
                                               .raft_log = *raft_log_,
                                               .seed = runtime::entropy_seed(),
                                               .transport = transport_.get(),
                                               .on_fatal = [this](std::string why) { end_.fatal(std::move(why)); },
                                               .executor = network_});
}

Parsed<void> PdProcess::serve_members() {
  if (config_.peer_listen.empty()) return {};
  rpc::Router router;
  rpc::serve_member_exchange(router, [this](Bytes message) { node_->receive(std::move(message)); });
  auto started = rpc::Server::start({.addresses = config_.peer_listen,
                                     .loop = network_,
                                     .message_bytes_max = kMemberMessageBytes,
                                     .connections_max = shares_.connections(),
                                     .tls = tls_},
                                    std::move(router));
  if (!started.ok()) return Err(started.error());
  member_server_ = std::move(*started);
  return {};
}

Parsed<void> PdProcess::serve_status() {
  rpc::serve_status(pages_,
                    {.version = config_.node.version, .is_serving = [this] { return is_ready_.load(); }, .pages = {}});
  const auto started = clock_.wall_now().seconds();
  node_->add_pages(pages_,
                   {.json = [this] { return live_.json(); },
                    .change =
                        [this](const pd::HttpSettings::Changes& changes, const pd::HttpSettings::Done& done) {
                          pages_executor_->post([this, changes, done] {
                            if (!is_serving_) return done(Err(std::string("the node is starting")));
                            done(live_.change(changes, config::Persist::kYes));
                          });
                        },
                    .has = [this](const std::string& name) { return live_.has(name); }},
                   static_cast<int64_t>(started));
  if (config_.status_address.empty()) return {};
  http::Router pages = pages_;
  serve_config(pages, live_, [this] { return is_serving_.load(); });
  serve_profiles(pages, executors_.make("profiler"));
  TRY_ASSIGN(status_, http::Server::start({.addresses = {config_.status_address}, .tls = tls_}, std::move(pages)));
  return {};
}

void PdProcess::serve() {
  node_->start([this](api::Status status) {
    if (!status.ok()) return end_.fatal("PD cannot start: " + status.message);
    is_ready_ = true;
    end_.wake();
  });
  if (end_.wait_until([this] { return is_ready_.load(); })) return;
  rpc::Router router;
  rpc::serve_pd(router, *node_);
  rpc::serve_etcd(router, node_->etcd());
  rpc::serve_keyspaces(router, node_->keyspaces());
  rpc::serve_resources(router, node_->resources());
  rpc::serve_admin(router, node_->admin());
  rpc::serve_members(router, node_->members());
  if (to_members_) {
    router = rpc::with_forwarding(router, *to_members_, [this](const std::string& url) { return whose(url); });
  }
  rpc::serve_meta_storage(router, node_->meta_storage());
  const auto message_max =
      static_cast<int>(std::max(kMessageBytes, config_.node.etcd.max_request_bytes + kMessageOverhead));
  auto started = rpc::Server::start({.addresses = listen_,
                                     .loop = network_,
                                     .message_bytes_max = message_max,
                                     .connections_max = shares_.connections(),
                                     .tls = tls_,
                                     .http = std::make_shared<const http::Router>(pages_.served_on(pages_executor_))},
                                    std::move(router));
  if (!started.ok()) return end_.fatal(started.error());
  server_ = std::move(*started);
  follow_settings();
  is_serving_ = true;
  if (config_.gc_is_enabled) collector_ = std::make_unique<PdCollector>(*node_, clock_, executors_, config_.gc, tls_);
  LOG_INFO("PD {} {} serves on {}", config_.name, version(), listen_.front());
  end_.wait();
}

rpc::ForwardTo PdProcess::whose(const std::string& url) {
  rpc::ForwardTo found = rpc::ForwardTo::kUnknown;
  node_->get_members(api::make_call<pdpb::GetMembersRequest, pdpb::GetMembersResponse>(
      pdpb::GetMembersRequest(), [&](const api::Reply<pdpb::GetMembersResponse>& reply) {
        if (!reply.ok()) return;
        for (const auto& member : reply->members()) {
          const auto& urls = member.client_urls();
          if (std::find(urls.begin(), urls.end(), url) == urls.end()) continue;
          found = member.member_id() == config_.node.member_id ? rpc::ForwardTo::kSelf : rpc::ForwardTo::kOther;
        }
      }));
  return found;
}

void PdProcess::follow_settings() {
  follow_log(live_);
  live_.subscribe(config::names_of_schedule(),
                  [this](const config::PdConfig& config) { node_->reconfigure(config.node.schedule); });
  const auto lost = live_.without_owner();
  CHECK(lost.empty(), "nobody hears of a change of {}", lost.front());
}

int PdProcess::stop() {
  const auto error = end_.error();
  if (error) LOG_ERROR("{}", *error);
  Ending ending;
  if (is_ready_) {
    ending.step("the leadership", kPartGrace, [this] {
      std::promise<void> gone;
      node_->resign(kResignGrace, [&gone] { gone.set_value(); });
      gone.get_future().wait();
    });
  }
  if (collector_) ending.step("the collector of garbage", kPartGrace, [this] { collector_->stop(); });
  if (server_ && !server_->stop(kCallsGrace)) ending.leave_behind("the gRPC server", server_->what_is_left());
  ending.step("the status port", kPartGrace, [this] { status_.reset(); });
  ending.step("the node", kPartGrace, [this] {
    std::promise<void> stopped;
    node_->stop([&stopped] { stopped.set_value(); });
    stopped.get_future().wait();
  });
  if (member_server_ && !member_server_->stop(Duration{})) {
    ending.leave_behind("the members' server", member_server_->what_is_left());
  }
  if (transport_) {
    ending.step("the way to the members", kPartGrace, [this] {
      transport_->stop();
      to_members_->stop();
    });
  }
  // Parts that did not end still hold on to one another.
  if (ending.is_clean()) {
    ending.step("the node's threads", kPartGrace, [this] { executors_.stop(); });
    ending.step("the network's thread", kPartGrace, [this] { network_->stop(); });
  }
  LOG_INFO("PD {} has stopped", config_.name);
  if (error) complain(*error);
  return ending.finish(error ? 1 : 0, kPartGrace);
}

int run(const Flags& flags) {
  if (const auto text = flags.text_asked_for()) return say(*text);
  config::PdConfig config;
  config::Settings settings = settings_of(config);
  if (const auto applied = flags.apply(settings); !applied.ok()) return complain(applied.error());
  const auto listen = complete(config);
  if (!listen.ok()) return complain(listen.error());
  if (flags.is_check()) return say_checked(settings);
  EndOfProcess end;
  if (const std::string error = log::init(config.log); !error.empty()) return complain(error);
  log::set_redact(config::redact_of(config.redact_log));
  log_notes(settings);
  return PdProcess(std::move(config), flags.config_file(), *listen, end).run();
}

}  // namespace

void add_pd_command(CLI::App& program, int& exit_code) {
  auto* command = program.add_subcommand("pd", "run a placement driver");
  config::PdConfig defaults;
  auto flags = std::make_shared<Flags>(*command, settings_of(defaults), version_text("PD", defaults.node.version));
  flags->accept(*command, "--metrics-addr", "metric.address");
  command->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace cairn::cli
