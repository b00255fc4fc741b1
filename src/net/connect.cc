#include "net/connect.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "base/host_port.h"
#include "base/mutex.h"

namespace cairn::net {

namespace {

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};
using Addresses = Result<std::vector<Address>, std::string>;

Addresses look_up(const HostPort& target, int flags) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICSERV | flags;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int rc = getaddrinfo(target.host.c_str(), std::to_string(target.port).c_str(), &hints, &found);
  if (rc != 0) return Err(std::string(gai_strerror(rc)));
  std::vector<Address> out;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Address& address = out.emplace_back();
    std::memcpy(&address.bytes, one->ai_addr, one->ai_addrlen);
    address.size = one->ai_addrlen;
  }
  freeaddrinfo(found);
  return out;
}

// The thread on which names are looked up; one for the process, because the lookups of one name server's client queue
// up anyhow.
class Resolver {
 public:
  static Resolver& of_the_process() {
    static Resolver resolver;
    return resolver;
  }
  ~Resolver() {
    {
      MutexLock lock(mutex_);
      is_over_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void post(std::function<void()> lookup) {
    {
      MutexLock lock(mutex_);
      waiting_.push_back(std::move(lookup));
    }
    changed_.notify_one();
  }

 private:
  Resolver() : thread_([this] { run(); }) {}
  void run() {
    pthread_setname_np(pthread_self(), "resolver");
    while (const auto lookup = next()) lookup();
  }

  // Waits for it; nothing once the process ends.
  std::function<void()> next() {
    MutexLock lock(mutex_);
    changed_.wait(mutex_, [this]() CAIRN_REQUIRES(mutex_) { return is_over_ || !waiting_.empty(); });
    if (is_over_) return nullptr;
    auto lookup = std::move(waiting_.front());
    waiting_.pop_front();
    return lookup;
  }

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> waiting_ CAIRN_GUARDED_BY(mutex_);
  bool is_over_ CAIRN_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

class Attempt final : public Loop::Ready, public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(std::shared_ptr<Loop> loop, Connected done) : loop_(std::move(loop)), done_(std::move(done)) {}
  ~Attempt() override { drop(); }

  void start(const std::string& address, Duration patience) {
    timer_ = loop_->after(patience, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->finish(Err(std::string("it takes too long")));
    });
    const auto target = parse_host_port(address);
    if (!target) return later(Err("'" + address + "' is no host:port"));
    auto numeric = look_up(*target, AI_NUMERICHOST);
    if (numeric.ok()) return later(std::move(numeric));
    Resolver::of_the_process().post([weak = weak_from_this(), loop = loop_, target = *target] {
      if (weak.expired()) return;
      loop->post([weak, found = look_up(target, 0)]() mutable {
        if (const auto self = weak.lock()) self->on_addresses(std::move(found));
      });
    });
  }
  // No more events, and `done` is not called.
  void drop() {
    loop_->cancel(timer_);
    watch_.reset();
    if (descriptor_ >= 0) close(std::exchange(descriptor_, -1));
    done_ = nullptr;
  }

  void on_readable() override {}
  void on_writable() override {
    const auto self = shared_from_this();
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &size);
    watch_.reset();
    if (error == 0) return finish(std::exchange(descriptor_, -1));
    why_ = std::strerror(error);
    close(std::exchange(descriptor_, -1));
    try_next();
  }

 private:
  void later(Addresses found) {
    loop_->post([weak = weak_from_this(), found = std::move(found)]() mutable {
      if (const auto self = weak.lock()) self->on_addresses(std::move(found));
    });
  }

  void on_addresses(Addresses found) {
    if (!found.ok()) return finish(Err(found.error()));
    addresses_ = std::move(*found);
    try_next();
  }

  void try_next() {
    for (; next_ < addresses_.size(); ++next_) {
      const Address& address = addresses_[next_];
      const int made = socket(address.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (made < 0) {
        why_ = std::strerror(errno);
        continue;
      }
      const int yes = 1;
      setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      if (::connect(made, reinterpret_cast<const sockaddr*>(&address.bytes), address.size) == 0 ||
          errno == EINPROGRESS) {
        ++next_;
        descriptor_ = made;
        watch_ = loop_->watch(made, *this);
        watch_->want_writes(true);
        return;
      }
      why_ = std::strerror(errno);
      close(made);
    }
    finish(Err(why_));
  }

  void finish(Result<int, std::string> result) {
    loop_->cancel(timer_);
    watch_.reset();
    if (auto done = std::exchange(done_, nullptr)) {
      done(std::move(result));
    } else if (result.ok()) {
      close(*result);
    }
  }

  const std::shared_ptr<Loop> loop_;
  Connected done_;
  runtime::TimerId timer_;
  std::vector<Address> addresses_;
  size_t next_ = 0;
  int descriptor_ = -1;
  std::unique_ptr<Loop::Watch> watch_;
  std::string why_ = "the name has no address";
};

class Handle final : public Connecting {
 public:
  explicit Handle(std::shared_ptr<Attempt> attempt) : attempt_(std::move(attempt)) {}
  ~Handle() override { attempt_->drop(); }

 private:
  const std::shared_ptr<Attempt> attempt_;
};

}  // namespace

std::unique_ptr<Connecting> connect(std::shared_ptr<Loop> loop, const std::string& address, Duration patience,
                                    Connected done) {
  auto attempt = std::make_shared<Attempt>(std::move(loop), std::move(done));
  attempt->start(address, patience);
  return std::make_unique<Handle>(std::move(attempt));
}

}  // namespace cairn::net
