#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "cli/bench.h"
#include "cli/process.h"
#include "kvrpcpb.pb.h"
#include "rpc/client.h"
#include "rpc/server.h"

namespace cairn::cli {
namespace {

constexpr const char* kUnary = "/cairn.Bench/Unary";
constexpr const char* kStream = "/cairn.Bench/Stream";
constexpr int kInFlight = 32;

// Sends each message back as it came.
class Echo final : public rpc::StreamEvents {
 public:
  Echo(std::shared_ptr<rpc::ServerStream> stream, rpc::Router::Kind kind) : stream_(std::move(stream)), kind_(kind) {}
  void on_message(rpc::Payload message) override {
    if (kind_ == rpc::Router::Kind::kUnary) return stream_->write_and_finish(std::move(message));
    stream_->write(std::move(message));
  }
  void on_write_done() override { stream_->read(); }
  void on_read_end() override { stream_->finish({}); }

 private:
  const std::shared_ptr<rpc::ServerStream> stream_;
  const rpc::Router::Kind kind_;
};

// A message of so many requests of 100 bytes.
rpc::Payload message_of(int requests) {
  kvrpcpb::RawGetRequest message;
  message.set_key(std::string(static_cast<size_t>(requests) * 100, 'k'));
  return rpc::Payload::serialize(message);
}

// The server's process: ends when this object does.
class EchoServer {
 public:
  explicit EchoServer(const net::TlsOptions& security) {
    int in[2];
    int out[2];
    if (pipe(in) != 0 || pipe(out) != 0) return;
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(1);  // the parent died in between
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      for (const int fd : {in[0], in[1], out[0], out[1]}) close(fd);
      if (security.is_on()) {
        execl("/proc/self/exe", "cairn", "bench", "serve-echo", "--cacert", security.ca_path.c_str(), "--cert",
              security.cert_path.c_str(), "--key", security.key_path.c_str(), nullptr);
      } else {
        execl("/proc/self/exe", "cairn", "bench", "serve-echo", nullptr);
      }
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    stdin_ = in[1];
    if (FILE* answer = fdopen(out[0], "r")) {
      if (std::fscanf(answer, "%d", &port_) != 1) port_ = 0;
      std::fclose(answer);
    }
  }
  ~EchoServer() {
    if (stdin_ >= 0) close(stdin_);
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
  }
  EchoServer(const EchoServer&) = delete;
  EchoServer& operator=(const EchoServer&) = delete;

  int port() const { return port_; }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int stdin_ = -1;
  int port_ = 0;
};

struct Load {
  std::atomic<bool> is_over{false};
  std::atomic<uint64_t> answered{0};  // messages
  Mutex mutex;
  CondVar changed;
  int running CAIRN_GUARDED_BY(mutex) = 0;

  void begin() {
    MutexLock lock(mutex);
    ++running;
  }
  void end() {
    MutexLock lock(mutex);
    if (--running == 0) changed.notify_all();
  }
};

// Calls again whenever an answer comes.
void call_on(std::shared_ptr<rpc::Channel> channel, std::shared_ptr<Load> load) {
  auto* const to = channel.get();
  to->call(kUnary, message_of(1), std::chrono::seconds(10),
           [channel = std::move(channel), load = std::move(load)](api::Status status, rpc::Payload) {
             ++load->answered;
             if (load->is_over || !status.ok()) return load->end();
             call_on(channel, load);
           });
}

// One message under way on one stream.
class Pinger final : public rpc::ClientStreamEvents {
 public:
  Pinger(std::shared_ptr<Load> load, int requests) : load_(std::move(load)), requests_(requests) {}
  // After open(), which may call on_writable before it returns.
  void set_stream(std::shared_ptr<rpc::ClientStream> stream) {
    MutexLock lock(mutex_);
    stream_ = std::move(stream);
    if (is_waiting_) stream_->write(message_of(requests_));
    is_waiting_ = false;
  }
  void on_writable() override {
    MutexLock lock(mutex_);
    is_writable_ = true;
    if (is_first_) return send();
    if (has_answer_) send();
  }
  void on_message(rpc::Payload) override {
    ++load_->answered;
    MutexLock lock(mutex_);
    if (load_->is_over) return stream_->cancel();
    has_answer_ = true;
    if (is_writable_) send();
  }
  void on_closed(api::Status) override { load_->end(); }

 private:
  void send() CAIRN_REQUIRES(mutex_) {
    is_first_ = has_answer_ = is_writable_ = false;
    if (!stream_) {
      is_waiting_ = true;
      return;
    }
    stream_->write(message_of(requests_));
  }

  const std::shared_ptr<Load> load_;
  const int requests_;
  Mutex mutex_;
  std::shared_ptr<rpc::ClientStream> stream_ CAIRN_GUARDED_BY(mutex_);
  bool is_first_ CAIRN_GUARDED_BY(mutex_) = true;
  bool is_writable_ CAIRN_GUARDED_BY(mutex_) = false;
  bool has_answer_ CAIRN_GUARDED_BY(mutex_) = false;
  bool is_waiting_ CAIRN_GUARDED_BY(mutex_) = false;  // for set_stream()
};

// Null: plain text.
Result<std::shared_ptr<net::Tls>, std::string> open_tls(const net::TlsOptions& security) {
  if (!security.is_on()) return std::shared_ptr<net::Tls>();
  return net::Tls::open(security);
}

// `start` begins the load on the channel.
template <class Start>
Yardstick measure(const EchoServer& server, std::shared_ptr<net::Tls> tls, const BenchOptions& options, int requests,
                  Start start) {
  rpc::ClientLoop loop(std::move(tls));
  auto load = std::make_shared<Load>();
  auto channel = loop.channel("localhost:" + std::to_string(server.port()));
  start(channel, load);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const double began = now_seconds();
  const double cpu = cpu_us_of(server.pid());
  const uint64_t before = load->answered;
  std::this_thread::sleep_for(std::chrono::duration<double>(options.seconds));
  Yardstick mark;
  mark.operations = static_cast<double>((load->answered - before) * static_cast<uint64_t>(requests));
  mark.cpu_us = (cpu_us_of(server.pid()) - cpu) / mark.operations;
  mark.seconds = now_seconds() - began;
  load->is_over = true;
  MutexLock lock(load->mutex);
  load->changed.wait(load->mutex, [&]() CAIRN_REQUIRES(load->mutex) { return load->running == 0; });
  return mark;
}

}  // namespace

int serve_echo(const net::TlsOptions& security) {
  auto tls = open_tls(security);
  if (!tls.ok()) return complain(tls.error());
  rpc::Router router;
  const auto add = [&](const char* method, rpc::Router::Kind kind) {
    router.add(method, kind, [kind](std::shared_ptr<rpc::ServerStream> stream) {
      stream->attach(std::make_shared<Echo>(stream, kind));
      stream->read();
    });
  };
  add(kUnary, rpc::Router::Kind::kUnary);
  add(kStream, rpc::Router::Kind::kStream);
  auto reactor = std::make_shared<net::Loop>("echo");
  auto server = rpc::Server::start({.addresses = {"127.0.0.1:0"}, .loop = reactor, .tls = *tls}, std::move(router));
  if (!server.ok()) return complain(server.error());
  std::printf("%d\n", (*server)->port());
  std::fflush(stdout);
  while (std::getchar() != EOF) continue;
  (*server)->stop(std::chrono::seconds(1));
  reactor->stop();
  return 0;
}

int bench_echo(const BenchOptions& options) {
  const auto tls = open_tls(options.security);
  if (!tls.ok()) return complain(tls.error());
  EchoServer server(options.security);
  if (server.port() == 0) return complain("the echo server does not start");
  auto unary =
      measure(server, *tls, options, 1, [](const std::shared_ptr<rpc::Channel>& channel, std::shared_ptr<Load> load) {
        for (int i = 0; i < kInFlight; ++i) {
          load->begin();
          call_on(channel, load);
        }
      });
  unary.name = "unary";
  unary.what = "gRPC server, unary echo of 100 bytes, 32 in flight";
  print(unary, options);
  for (const int requests : {1, 8}) {
    auto stream = measure(server, *tls, options, requests,
                          [requests](const std::shared_ptr<rpc::Channel>& channel, std::shared_ptr<Load> load) {
                            for (int i = 0; i < kInFlight / 8; ++i) {
                              load->begin();
                              auto pinger = std::make_shared<Pinger>(load, requests);
                              pinger->set_stream(channel->open(kStream, pinger));
                            }
                          });
    stream.name = requests == 1 ? "stream" : "stream-" + std::to_string(requests);
    stream.what = "gRPC server, 4 streams, messages of " + std::to_string(requests) + " x 100 bytes, for each 100";
    print(stream, options);
  }
  return 0;
}

}  // namespace cairn::cli
