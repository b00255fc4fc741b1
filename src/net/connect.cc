#include "net/connect.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/host_port.h"
#include "net/resolver.h"

namespace cairn::net {

namespace {

constexpr Duration kNextAfter = 250ms;

using Addresses = Result<std::vector<SocketAddress>, std::string>;

Addresses look_up(const HostPort& target, int flags) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICSERV | flags;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int rc = getaddrinfo(target.host.c_str(), std::to_string(target.port).c_str(), &hints, &found);
  if (rc != 0) return Err(std::string(gai_strerror(rc)));
  std::vector<SocketAddress> out;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    SocketAddress& address = out.emplace_back();
    std::memcpy(&address.bytes, one->ai_addr, one->ai_addrlen);
    address.size = one->ai_addrlen;
  }
  freeaddrinfo(found);
  return out;
}

// One family after the other, each in its order: if one of the two leads nowhere, that is known soon.
std::vector<SocketAddress> families_in_turn(const std::vector<SocketAddress>& addresses) {
  std::vector<SocketAddress> ones;
  std::vector<SocketAddress> others;
  for (const auto& one : addresses) {
    (one.bytes.ss_family == addresses.front().bytes.ss_family ? ones : others).push_back(one);
  }
  std::vector<SocketAddress> out;
  for (size_t i = 0; i < std::max(ones.size(), others.size()); ++i) {
    if (i < ones.size()) out.push_back(ones[i]);
    if (i < others.size()) out.push_back(others[i]);
  }
  return out;
}

// Tries the addresses one after the other, each some time after the one before it and without giving that one up: an
// address that swallows what is sent to it does not cost the time that the others have (RFC 8305). The first one that
// answers wins.
class Attempt final : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(std::shared_ptr<Loop> loop, Connected done) : loop_(std::move(loop)), done_(std::move(done)) {}
  ~Attempt() { drop(); }
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  void limit(Duration patience) {
    timer_ = loop_->after(patience, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->finish(Err(std::string("it takes too long")));
    });
  }
  void start(const std::string& address) {
    const auto target = parse_host_port(address);
    if (!target) return start(Err("'" + address + "' is no host:port"));
    auto numeric = look_up(*target, AI_NUMERICHOST);
    if (numeric.ok()) return start(std::move(numeric));
    Resolver::of_the_process().post([weak = weak_from_this(), loop = loop_, target = *target] {
      if (weak.expired()) return;
      loop->post([weak, found = look_up(target, 0)]() mutable {
        if (const auto self = weak.lock()) self->on_addresses(std::move(found));
      });
    });
  }
  void start(Addresses found) {
    loop_->post([weak = weak_from_this(), found = std::move(found)]() mutable {
      if (const auto self = weak.lock()) self->on_addresses(std::move(found));
    });
  }
  // No more events, and `done` is not called.
  void drop() {
    loop_->cancel(timer_);
    loop_->cancel(next_timer_);
    tries_.clear();
    done_ = nullptr;
  }

 private:
  // A socket that is being connected.
  class Try final : public Loop::Ready, public std::enable_shared_from_this<Try> {
   public:
    Try(Attempt& attempt, int descriptor)
        : attempt_(attempt), descriptor_(descriptor), watch_(attempt.loop_->watch(descriptor, *this)) {
      watch_->want_writes(true);
    }
    ~Try() override { end(); }
    Try(const Try&) = delete;
    Try& operator=(const Try&) = delete;

    void end() {
      watch_.reset();
      if (descriptor_ >= 0) close(std::exchange(descriptor_, -1));
    }
    int release() {
      watch_.reset();
      return std::exchange(descriptor_, -1);
    }

   private:
    void on_readable() override {}
    void on_writable() override {
      const auto self = shared_from_this();
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &size);
      attempt_.on_tried(*this, error);
    }

    Attempt& attempt_;
    int descriptor_;
    std::unique_ptr<Loop::Watch> watch_;
  };

  void on_addresses(Addresses found) {
    if (!found.ok()) return finish(Err(found.error()));
    addresses_ = families_in_turn(*found);
    try_next();
  }

  void on_tried(Try& tried, int error) {
    const auto self = shared_from_this();
    if (error == 0) return finish(tried.release());
    why_ = std::strerror(error);
    std::erase_if(tries_, [&](const auto& one) { return one.get() == &tried; });
    try_next();
  }

  // Begins with the next address; once none is left and none is under way, it has failed.
  void try_next() {
    loop_->cancel(next_timer_);
    while (next_ < addresses_.size()) {
      const int made = begin(addresses_[next_++]);
      if (made < 0) continue;
      tries_.push_back(std::make_shared<Try>(*this, made));
      next_timer_ = loop_->after(kNextAfter, [weak = weak_from_this()] {
        if (const auto self = weak.lock(); self && self->done_) self->try_next();
      });
      return;
    }
    if (tries_.empty()) finish(Err(why_));
  }

  // The descriptor; negative: it failed at once.
  int begin(const SocketAddress& address) {
    const int made = socket(address.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (made >= 0) {
      const int yes = 1;
      setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      if (::connect(made, reinterpret_cast<const sockaddr*>(&address.bytes), address.size) == 0) return made;
      if (errno == EINPROGRESS) return made;
    }
    why_ = std::strerror(errno);
    if (made >= 0) close(made);
    return -1;
  }

  void finish(Result<int, std::string> result) {
    loop_->cancel(timer_);
    loop_->cancel(next_timer_);
    tries_.clear();
    if (auto done = std::exchange(done_, nullptr)) {
      done(std::move(result));
    } else if (result.ok()) {
      close(*result);
    }
  }

  const std::shared_ptr<Loop> loop_;
  Connected done_;
  runtime::TimerId timer_;
  runtime::TimerId next_timer_;
  std::vector<SocketAddress> addresses_;
  size_t next_ = 0;
  std::vector<std::shared_ptr<Try>> tries_;  // under way
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
  attempt->limit(patience);
  attempt->start(address);
  return std::make_unique<Handle>(std::move(attempt));
}

std::unique_ptr<Connecting> connect(std::shared_ptr<Loop> loop, std::vector<SocketAddress> addresses, Duration patience,
                                    Connected done) {
  auto attempt = std::make_shared<Attempt>(std::move(loop), std::move(done));
  attempt->limit(patience);
  attempt->start(Addresses(std::move(addresses)));
  return std::make_unique<Handle>(std::move(attempt));
}

}  // namespace cairn::net
