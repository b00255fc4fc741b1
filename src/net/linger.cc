#include "net/linger.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace cairn::net {

namespace {

constexpr Duration kLingerMax = 1s;
constexpr size_t kDiscardedMax = size_t{1} << 20;  // of a side that does not stop

class Lingering final : public Loop::Ready, public std::enable_shared_from_this<Lingering> {
 public:
  Lingering(Loop& loop, std::unique_ptr<Transport> transport) : loop_(loop), transport_(std::move(transport)) {}

  void start() {
    transport_->end_writes();
    watch_ = loop_.watch(transport_->descriptor(), *this);
    watch_->want_reads(true);
    timer_ = loop_.after(kLingerMax, [self = shared_from_this()] { self->watch_.reset(); });
  }

  void on_readable() override {
    const auto self = shared_from_this();
    auto& room = loop_.read_room();
    // Past the transport, which may have failed: nobody wants to know what the bytes mean.
    const ssize_t got = recv(transport_->descriptor(), room.bytes.get(), room.size, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    if (got > 0) discarded_ += static_cast<size_t>(got);
    if (got > 0 && discarded_ < kDiscardedMax) return;
    watch_.reset();
    loop_.cancel(timer_);  // which holds this object
  }
  void on_writable() override {}

 private:
  Loop& loop_;
  const std::unique_ptr<Transport> transport_;
  std::unique_ptr<Loop::Watch> watch_;  // dies before the descriptor is closed
  runtime::TimerId timer_;
  size_t discarded_ = 0;
};

}  // namespace

void linger(Loop& loop, std::unique_ptr<Transport> transport) {
  std::make_shared<Lingering>(loop, std::move(transport))->start();
}

}  // namespace cairn::net
