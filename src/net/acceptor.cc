#include "net/acceptor.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "net/listen.h"

namespace cairn::net {

namespace {

constexpr int kAtOnce = 64;  // connections taken in one turn
constexpr Duration kShortagePause = 10ms;
constexpr Duration kShortageLog = 10s;

bool is_shortage(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

int take_reserve() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace

class Acceptor::Core final : public Loop::Ready, public std::enable_shared_from_this<Core> {
 public:
  Core(Loop& loop, int listening, Accepted accepted)
      : loop_(loop), listening_(listening), accepted_(std::move(accepted)), reserve_(take_reserve()) {}
  ~Core() override {
    if (reserve_ >= 0) close(reserve_);
    close(listening_);
  }

  void start() {
    watch_ = loop_.watch(listening_, *this);
    watch_->want_reads(true);
  }
  void stop() { watch_.reset(); }

  void on_readable() override {
    const auto self = shared_from_this();
    for (int i = 0; i < kAtOnce && watch_; ++i) {
      const int descriptor = take_one();
      if (descriptor >= 0) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
      return on_shortage(errno);
    }
  }
  void on_writable() override {}

 private:
  int take_one() {
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    const int descriptor = accept4(listening_, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0) return descriptor;
    const int yes = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    accepted_(descriptor, text_of(from));
    return descriptor;
  }

  // The queue stays full as long as nobody takes from it, and the socket readable: so take one and close it, then wait.
  void on_shortage(int error) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_log_) {
      next_log_ = now + kShortageLog;
      const bool is_ours = error == EMFILE || error == ENFILE;
      LOG_ERROR("no connection can be accepted: {}{}", std::strerror(error),
                is_ours ? "; raise the limit of open files (ulimit -n)" : "");
    }
    if (is_shortage(error) && reserve_ >= 0) {
      close(reserve_);
      const int turned_away = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
      if (turned_away >= 0) close(turned_away);
      reserve_ = take_reserve();
    } else if (reserve_ < 0) {
      reserve_ = take_reserve();
    }
    watch_->want_reads(false);
    loop_.after(kShortagePause, [weak = weak_from_this()] {
      if (const auto self = weak.lock(); self && self->watch_) self->watch_->want_reads(true);
    });
  }

  Loop& loop_;
  const int listening_;
  const Accepted accepted_;
  int reserve_;  // -1: none could be had
  std::unique_ptr<Loop::Watch> watch_;
  std::chrono::steady_clock::time_point next_log_;
};

Acceptor::Acceptor(Loop& loop, int listening, Accepted accepted)
    : core_(std::make_shared<Core>(loop, listening, std::move(accepted))) {
  core_->start();
}
Acceptor::~Acceptor() { core_->stop(); }

}  // namespace cairn::net
