#include "pd/node/node.h"

#include <atomic>

#include "http/router.h"
#include "pd/http/pages.h"
#include "pd/node/node_core.h"

namespace cairn::pd {
namespace {

// Runs `job(core, call)` on the actor; if the actor's executor has stopped, the dropped call answers UNAVAILABLE by
// itself.
template <class Call, class Job>
void hand_over(const std::shared_ptr<runtime::Executor>& executor, const std::shared_ptr<NodeCore>& core, Call call,
               Job job) {
  if (executor->is_current()) return job(*core, std::move(call));
  executor->post([core, job, call = std::move(call)]() mutable { job(*core, std::move(call)); });
}

// Names a stream, apart from those of all services: one may open its streams at another.
uint64_t next_stream_id() {
  static std::atomic<uint64_t> next{1};  // any order does
  return next.fetch_add(1);
}

// The node's end of a stream that one of its services serves; `service` finds it.
template <class Req, class Service>
class ServiceEnd final : public api::StreamEnd<Req> {
 public:
  using Find = Service& (NodeCore::*)();

  template <class Sink>
  ServiceEnd(std::shared_ptr<runtime::Executor> executor, std::shared_ptr<NodeCore> core, Find find, Sink sink)
      : executor_(std::move(executor)), core_(std::move(core)), find_(find) {
    run([id = id_, sink = std::move(sink)](Service& service) mutable { service.open(id, std::move(sink)); });
  }
  ~ServiceEnd() override {
    run([id = id_](Service& service) { service.close(id); });
  }
  void on_request(Req request) override {
    run([id = id_, request = std::move(request)](Service& service) { service.request(id, request); });
  }
  void on_room() override {
    run([id = id_](Service& service) { service.room(id); });
  }

 private:
  template <class Job>
  void run(Job job) {
    executor_->post([core = core_, find = find_, job = std::move(job)]() mutable { job((*core.*find)()); });
  }

  const std::shared_ptr<runtime::Executor> executor_;
  const std::shared_ptr<NodeCore> core_;
  const Find find_;
  const uint64_t id_ = next_stream_id();
};

constexpr Duration kResignLook = std::chrono::milliseconds(20);

void await_resigned(const std::shared_ptr<runtime::Executor>& executor, const std::shared_ptr<NodeCore>& core,
                    Duration left, const std::function<void()>& done) {
  if (left <= Duration{} || !core->is_raft_leader()) return done();
  executor->after(kResignLook,
                  [executor, core, left, done] { await_resigned(executor, core, left - kResignLook, done); });
}

// The node's end of a store's stream of region heartbeats.
class StreamEnd final : public api::RegionHeartbeatStream {
 public:
  StreamEnd(std::shared_ptr<runtime::Executor> executor, std::shared_ptr<NodeCore> core, uint64_t id)
      : executor_(std::move(executor)), core_(std::move(core)), id_(id) {}
  ~StreamEnd() override {
    executor_->post([core = std::move(core_), id = id_] { core->heartbeats().close_stream(id); });
  }
  void send(pdpb::RegionHeartbeatRequest request) override {
    executor_->post([core = core_, id = id_, request = std::move(request)]() mutable {
      core->heartbeats().region_heartbeat(id, std::move(request));
    });
  }

 private:
  std::shared_ptr<runtime::Executor> executor_;
  std::shared_ptr<NodeCore> core_;
  uint64_t id_;
};

}  // namespace

class Node::Etcd final : public EtcdKv {
 public:
  Etcd(std::shared_ptr<runtime::Executor> executor, std::shared_ptr<NodeCore> core)
      : executor_(std::move(executor)), core_(std::move(core)) {}

#define CAIRN_DEFINE(Service, Rpc, method, Req, Resp)                                                    \
  void method(api::Call<Req, Resp> call) override {                                                      \
    hand_over(executor_, core_, std::move(call),                                                         \
              [](NodeCore& core, api::Call<Req, Resp> taken) { core.etcd().method(std::move(taken)); }); \
  }
  CAIRN_ETCD_UNARY(CAIRN_DEFINE)
  CAIRN_ETCD_ORDERED(CAIRN_DEFINE)
#undef CAIRN_DEFINE
  std::unique_ptr<api::StreamEnd<etcdserverpb::WatchRequest>> open_watch(
      api::StreamSink<etcdserverpb::WatchResponse> sink) override {
    return std::make_unique<ServiceEnd<etcdserverpb::WatchRequest, WatchService>>(executor_, core_, &NodeCore::watches,
                                                                                  std::move(sink));
  }

 private:
  std::shared_ptr<runtime::Executor> executor_;
  std::shared_ptr<NodeCore> core_;
};

class Node::MetaStorageService final : public MetaStorage {
 public:
  MetaStorageService(std::shared_ptr<runtime::Executor> executor, std::shared_ptr<NodeCore> core)
      : executor_(std::move(executor)), core_(std::move(core)) {}

#define CAIRN_DEFINE(Rpc, method, Req, Resp)                                                      \
  void meta_##method(api::Call<Req, Resp> call) override {                                        \
    hand_over(executor_, core_, std::move(call), [](NodeCore& core, api::Call<Req, Resp> taken) { \
      core.meta_storage().meta_##method(std::move(taken));                                        \
    });                                                                                           \
  }
  CAIRN_META_STORAGE_UNARY(CAIRN_DEFINE)
#undef CAIRN_DEFINE
  std::unique_ptr<api::StreamEnd<meta_storagepb::WatchRequest>> meta_watch(
      api::StreamSink<meta_storagepb::WatchResponse> sink) override {
    return std::make_unique<ServiceEnd<meta_storagepb::WatchRequest, MetaWatchService>>(
        executor_, core_, &NodeCore::meta_watches, std::move(sink));
  }

 private:
  std::shared_ptr<runtime::Executor> executor_;
  std::shared_ptr<NodeCore> core_;
};

class Node::AdminService final : public api::Admin {
 public:
  AdminService(std::shared_ptr<runtime::Executor> executor, std::shared_ptr<NodeCore> core)
      : executor_(std::move(executor)), core_(std::move(core)) {}

#define CAIRN_DEFINE(Rpc, method, Req, Resp)                                                                \
  void method(api::Call<Req, Resp> call) override {                                                         \
    hand_over(executor_, core_, std::move(call),                                                            \
              [](NodeCore& core, api::Call<Req, Resp> taken) { core.cluster().method(std::move(taken)); }); \
  }
  CAIRN_ADMIN_UNARY(CAIRN_DEFINE)
#undef CAIRN_DEFINE

 private:
  std::shared_ptr<runtime::Executor> executor_;
  std::shared_ptr<NodeCore> core_;
};

class Node::KeyspaceService final : public api::Keyspaces {
 public:
  KeyspaceService(std::shared_ptr<runtime::Executor> executor, std::shared_ptr<NodeCore> core)
      : executor_(std::move(executor)), core_(std::move(core)) {}

#define CAIRN_DEFINE(Rpc, method, Req, Resp)                                                                  \
  void method(api::Call<Req, Resp> call) override {                                                           \
    hand_over(executor_, core_, std::move(call),                                                              \
              [](NodeCore& core, api::Call<Req, Resp> taken) { core.keyspaces().method(std::move(taken)); }); \
  }
  CAIRN_KEYSPACE_UNARY(CAIRN_DEFINE)
#undef CAIRN_DEFINE

 private:
  std::shared_ptr<runtime::Executor> executor_;
  std::shared_ptr<NodeCore> core_;
};

class Node::Resources final : public api::ResourceManager {
 public:
  Resources(std::shared_ptr<runtime::Executor> executor, std::shared_ptr<NodeCore> core)
      : executor_(std::move(executor)), core_(std::move(core)) {}

#define CAIRN_DEFINE(Rpc, method, Req, Resp)                                                                  \
  void method(api::Call<Req, Resp> call) override {                                                           \
    hand_over(executor_, core_, std::move(call),                                                              \
              [](NodeCore& core, api::Call<Req, Resp> taken) { core.resources().method(std::move(taken)); }); \
  }
  CAIRN_RESOURCE_UNARY(CAIRN_DEFINE)
  CAIRN_RESOURCE_ORDERED(CAIRN_DEFINE)
#undef CAIRN_DEFINE

 private:
  std::shared_ptr<runtime::Executor> executor_;
  std::shared_ptr<NodeCore> core_;
};

class Node::MembersService final : public api::Members {
 public:
  MembersService(std::shared_ptr<runtime::Executor> executor, std::shared_ptr<NodeCore> core)
      : executor_(std::move(executor)), core_(std::move(core)) {}

#define CAIRN_DEFINE(Rpc, method, Req, Resp)                                                                \
  void method(api::Call<Req, Resp> call) override {                                                         \
    hand_over(executor_, core_, std::move(call),                                                            \
              [](NodeCore& core, api::Call<Req, Resp> taken) { core.members().method(std::move(taken)); }); \
  }
  CAIRN_MEMBERS_UNARY(CAIRN_DEFINE)
#undef CAIRN_DEFINE

 private:
  std::shared_ptr<runtime::Executor> executor_;
  std::shared_ptr<NodeCore> core_;
};

Node::Node(Options options, Dependencies dependencies)
    : executor_(dependencies.executor ? dependencies.executor : dependencies.executors.make("pd")),
      core_(std::make_shared<NodeCore>(std::move(options), std::move(dependencies), executor_)),
      etcd_(std::make_unique<Etcd>(executor_, core_)),
      meta_storage_(std::make_unique<MetaStorageService>(executor_, core_)),
      admin_(std::make_unique<AdminService>(executor_, core_)),
      keyspaces_(std::make_unique<KeyspaceService>(executor_, core_)),
      resources_(std::make_unique<Resources>(executor_, core_)),
      members_(std::make_unique<MembersService>(executor_, core_)) {}

Node::~Node() = default;

void Node::start(std::function<void(api::Status)> on_ready) {
  executor_->post([core = core_, on_ready = std::move(on_ready)] { core->start(on_ready); });
}

void Node::stop(std::function<void()> on_done) {
  executor_->post([core = core_, on_done = std::move(on_done)] { core->stop(on_done); });
}

void Node::reconfigure(const ScheduleConfig& schedule) {
  executor_->post([core = core_, schedule] { core->reconfigure(schedule); });
}

void Node::ask_gc_turn(std::function<void(api::GcTurn)> done) {
  executor_->post([core = core_, done = std::move(done)]() mutable { core->gc().ask_turn(std::move(done)); });
}

EtcdKv& Node::etcd() { return *etcd_; }

MetaStorage& Node::meta_storage() { return *meta_storage_; }

api::Admin& Node::admin() { return *admin_; }

api::Keyspaces& Node::keyspaces() { return *keyspaces_; }

api::ResourceManager& Node::resources() { return *resources_; }

void Node::add_pages(http::Router& router, HttpSettings settings, int64_t start_timestamp) {
  Pages pages(router, [executor = executor_, core = core_](std::function<void(HttpParts&)> job) {
    executor->post([core, job = std::move(job)] { job(core->http_parts()); });
  });
  add_about_pages(pages, start_timestamp);
  add_member_pages(pages);
  add_cluster_pages(pages);
  add_store_pages(pages);
  add_region_pages(pages);
  add_rule_pages(pages, settings);
  add_region_label_pages(pages);
  add_scheduler_pages(pages, settings);
  add_operator_pages(pages);
  add_gc_pages(pages);
  add_keyspace_pages(pages);
  add_config_pages(pages, std::move(settings));
}

api::Members& Node::members() { return *members_; }

void Node::report_unreachable(uint64_t member) {
  executor_->post([core = core_, member] { core->report_unreachable(member); });
}

void Node::resign(Duration limit, std::function<void()> done) {
  executor_->post([executor = executor_, core = core_, limit, done = std::move(done)] {
    if (!core->leads() || core->voters() < 2) return done();
    core->resign();
    await_resigned(executor, core, limit, done);
  });
}

void Node::receive(Bytes message) {
  executor_->post([core = core_, message = std::move(message)] { core->receive(message); });
}

#define CAIRN_DEFINE(Rpc, method, Req, Resp)                                                                        \
  void Node::method(api::Call<Req, Resp> call) {                                                                    \
    hand_over(executor_, core_, std::move(call), [](NodeCore& core, api::Call<Req, Resp> taken) {                   \
      core.serve_pd(std::move(taken), [](auto& service, auto asked) -> decltype(service.method(std::move(asked))) { \
        service.method(std::move(asked));                                                                           \
      });                                                                                                           \
    });                                                                                                             \
  }
CAIRN_PD_UNARY(CAIRN_DEFINE)
CAIRN_PD_ORDERED(CAIRN_DEFINE)
#undef CAIRN_DEFINE

std::unique_ptr<api::RegionHeartbeatStream> Node::open_region_heartbeat(api::RegionHeartbeatSink sink) {
  static std::atomic<uint64_t> next_stream{1};  // names only: any order of them does
  const uint64_t id = next_stream.fetch_add(1);
  executor_->post(
      [core = core_, id, sink = std::move(sink)]() mutable { core->heartbeats().open_stream(id, std::move(sink)); });
  return std::make_unique<StreamEnd>(executor_, core_, id);
}

}  // namespace cairn::pd
