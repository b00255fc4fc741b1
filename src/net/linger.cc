#include "net/linger.h"

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
    const auto result = transport_->read(room.bytes.get(), room.size);
    if (result.outcome == Transport::Outcome::kLater) return;
    discarded_ += result.bytes;
    if (result.outcome == Transport::Outcome::kDone && discarded_ < kDiscardedMax) return;
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
