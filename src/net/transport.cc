#include "net/transport.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace cairn::net {

namespace {

class PlainTransport final : public Transport {
 public:
  PlainTransport(int descriptor, std::string peer) : descriptor_(descriptor), peer_(std::move(peer)) {}
  ~PlainTransport() override { close(descriptor_); }
  PlainTransport(const PlainTransport&) = delete;
  PlainTransport& operator=(const PlainTransport&) = delete;

  int descriptor() const override { return descriptor_; }
  Result read(char* into, size_t size) override {
    const ssize_t got = recv(descriptor_, into, size, 0);
    if (got == 0) return {Outcome::kEnd, 0};
    return result_of(got);
  }
  Result write(const iovec* parts, size_t count) override {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = count;
    return result_of(sendmsg(descriptor_, &message, MSG_NOSIGNAL));
  }
  void end_writes() override { shutdown(descriptor_, SHUT_WR); }
  std::string failure() const override { return std::strerror(error_); }
  const std::string& peer() const override { return peer_; }

 private:
  Result result_of(ssize_t bytes) {
    if (bytes >= 0) return {Outcome::kDone, static_cast<size_t>(bytes)};
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {Outcome::kLater, 0};
    error_ = errno;
    return {Outcome::kFailed, 0};
  }

  const int descriptor_;
  const std::string peer_;
  int error_ = 0;
};

}  // namespace

size_t Transport::untaken() const {
  int bytes = 0;
  return ioctl(descriptor(), SIOCOUTQ, &bytes) == 0 ? static_cast<size_t>(bytes) : 0;
}

std::unique_ptr<Transport> plain_transport(int descriptor, std::string peer) {
  return std::make_unique<PlainTransport>(descriptor, std::move(peer));
}

}  // namespace cairn::net
