#include "net/wire.h"

#include <array>
#include <utility>

namespace cairn::net {

namespace {

constexpr size_t kPartsAtOnce = 64;

}  // namespace

Wire::Wire(Loop& loop, std::unique_ptr<Transport> transport, std::weak_ptr<User> user)
    : loop_(loop),
      transport_(std::move(transport)),
      user_(std::move(user)),
      watch_(loop.watch(transport_->descriptor(), *this)) {}

void Wire::want_bytes(bool on) {
  wants_bytes_ = on;
  watch_for();
  read_held();
}

void Wire::send(std::string_view bytes) { out_.append(bytes); }
void Wire::send(Slice slice) { out_.append(std::move(slice)); }

std::unique_ptr<Transport> Wire::release() {
  watch_ = nullptr;
  return std::move(transport_);
}

void Wire::watch_for() {
  if (!watch_) return;
  watch_->want_reads((wants_bytes_ && !is_at_end_ && !is_read_crossed_) || is_write_crossed_);
  watch_->want_writes(is_read_crossed_ || (is_write_blocked_ && !is_write_crossed_));
}

void Wire::on_readable() {
  const auto held = shared_from_this();
  if (std::exchange(is_write_crossed_, false)) {
    is_write_blocked_ = false;
    flush();
  }
  if (watch_ && wants_bytes_ && !is_read_crossed_) read();
}

void Wire::on_writable() {
  const auto held = shared_from_this();
  if (!is_write_crossed_) is_write_blocked_ = false;
  if (std::exchange(is_read_crossed_, false)) read();
  if (watch_) flush();
}

void Wire::read() {
  const auto user = user_.lock();
  if (!user || is_at_end_) return;
  auto& room = loop_.read_room();
  const auto result = transport_->read(room.bytes.get(), room.size);
  has_more_ = result.has_more;
  switch (result.outcome) {
    case Transport::Outcome::kLater:
      break;
    case Transport::Outcome::kCrossed:
      is_read_crossed_ = true;
      break;
    case Transport::Outcome::kEnd:
      is_at_end_ = true;
      watch_for();
      return user->on_end();
    case Transport::Outcome::kFailed:
      return broken();
    case Transport::Outcome::kDone:
      user->on_bytes({room.bytes, room.bytes.get(), result.bytes});
      break;
  }
  if (!watch_) return;
  watch_for();
  read_held();
}

// Reads what the transport holds, in the next turn: others come first.
void Wire::read_held() {
  if (!watch_ || !has_more_ || !wants_bytes_ || is_read_posted_) return;
  is_read_posted_ = true;
  loop_.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->is_read_posted_ = false;
    if (self->watch_ && self->wants_bytes_ && !self->is_read_crossed_) self->read();
  });
}

void Wire::flush() {
  const auto user = user_.lock();
  if (!user || !watch_ || is_write_blocked_) return;
  bool has_moved = false;
  while (!out_.empty()) {
    std::array<iovec, kPartsAtOnce> parts;
    const auto result = transport_->write(parts.data(), out_.fill(parts.data(), parts.size()));
    has_more_ |= result.has_more;
    if (result.outcome == Transport::Outcome::kDone) {
      out_.consume(result.bytes);
      has_moved = true;
      continue;
    }
    if (result.outcome == Transport::Outcome::kFailed || result.outcome == Transport::Outcome::kEnd) return broken();
    is_write_blocked_ = true;
    is_write_crossed_ = result.outcome == Transport::Outcome::kCrossed;
    break;
  }
  watch_for();
  read_held();
  if (has_moved) user->on_taken();
}

void Wire::broken() {
  const std::string why = transport_->failure();
  watch_ = nullptr;
  if (const auto user = user_.lock()) user->on_broken(why);
}

}  // namespace cairn::net
