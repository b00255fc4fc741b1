#include "net/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "base/check.h"
#include "net/first_bytes.h"
#include "net/tls_context.h"
#include "net/tls_files.h"

namespace cairn::net {

namespace {

constexpr size_t kRecord = SSL3_RT_MAX_PLAIN_LENGTH;

// Bytes that are taken one after the other from parts, a record at a time.
class Parts {
 public:
  Parts(const iovec* parts, size_t count) : next_(parts), end_(parts + count) {}

  // What the next record is to hold, empty at the end. Small parts are gathered. The more there is, the longer it is,
  // as OpenSSL wants it for a write that is tried again.
  std::string_view peek() const {
    thread_local std::array<char, kRecord> gathered;
    if (next_ != end_ && next_->iov_len - taken_ >= kRecord) return {at(), kRecord};
    if (next_ != end_ && next_ + 1 == end_) return {at(), next_->iov_len - taken_};
    size_t size = 0;
    size_t skipped = taken_;
    for (const iovec* part = next_; part != end_ && size < kRecord; ++part) {
      const size_t some = std::min(part->iov_len - skipped, kRecord - size);
      std::memcpy(gathered.data() + size, static_cast<const char*>(part->iov_base) + skipped, some);
      size += some;
      skipped = 0;
    }
    return {gathered.data(), size};
  }
  void take(size_t bytes) {
    taken_ += bytes;
    while (next_ != end_ && taken_ >= next_->iov_len) taken_ -= (next_++)->iov_len;
  }

 private:
  const char* at() const { return static_cast<const char*>(next_->iov_base) + taken_; }

  const iovec* next_;
  const iovec* const end_;
  size_t taken_ = 0;  // of next_
};

enum class Side { kServer, kClient };

class TlsTransport final : public Transport {
 public:
  // `ssl` may be null: then the connection has failed.
  TlsTransport(Side side, std::shared_ptr<const TlsContext> context, SSL* ssl, int descriptor, std::string peer,
               bool takes_http1 = false)
      : side_(side),
        takes_http1_(takes_http1),
        context_(std::move(context)),
        ssl_(ssl),
        descriptor_(descriptor),
        peer_(std::move(peer)) {
    BIO* socket = BIO_new(socket_method());
    if (ssl_ == nullptr || socket == nullptr) {
      BIO_free(socket);
      failure_ = "no memory for TLS";
      return;
    }
    BIO_set_data(socket, this);
    BIO_set_init(socket, 1);
    SSL_set_bio(ssl_, socket, socket);
    side == Side::kServer ? SSL_set_accept_state(ssl_) : SSL_set_connect_state(ssl_);
  }
  ~TlsTransport() override {
    say_goodbye();
    SSL_free(ssl_);
    close(descriptor_);
  }
  TlsTransport(const TlsTransport&) = delete;
  TlsTransport& operator=(const TlsTransport&) = delete;

  // The host that the server's certificate must name. The connection fails if that cannot be had.
  void expect(const std::string& host);

  int descriptor() const override { return descriptor_; }
  Result read(char* into, size_t size) override;
  Result write(const iovec* parts, size_t count) override;
  void end_writes() override {
    say_goodbye();
    shutdown(descriptor_, SHUT_WR);
  }
  std::string failure() const override { return failure_; }
  bool is_secure() const override { return true; }
  std::string_view protocol() const override {
    const unsigned char* protocol = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_, &protocol, &size);
    return {reinterpret_cast<const char*>(protocol), size};
  }
  const std::string& peer() const override { return peer_; }

 private:
  static const BIO_METHOD* socket_method();
  static TlsTransport& of(BIO* bio) { return *static_cast<TlsTransport*>(BIO_get_data(bio)); }
  int receive(BIO* bio, char* into, int size);
  int send(BIO* bio, const char* data, int size);

  // As TLS has it, once, if the socket takes it.
  void say_goodbye() {
    if (is_ready_ && failure_.empty() && (SSL_get_shutdown(ssl_) & SSL_SENT_SHUTDOWN) == 0) SSL_shutdown(ssl_);
    ERR_clear_error();
  }
  // What OpenSSL's refusal to go on means.
  Result stopped(int rc, Outcome on_want_read, Outcome on_want_write);
  // Once the handshake is complete. False: it is not enough.
  bool check_ready();
  // What the other side gave as its reason before it broke the connection off.
  std::optional<std::string> last_words();
  Result fail(std::string why);
  void answer_in_plain_text();
  bool is_http() const { return dialect_ == Dialect::kHttp1 || dialect_ == Dialect::kHttp2; }

  const Side side_;
  const bool takes_http1_;
  const std::shared_ptr<const TlsContext> context_;
  SSL* const ssl_;
  const int descriptor_;
  const std::string peer_;
  bool has_heard_ = false;  // any byte
  bool is_plain_ = false;   // what came first was no TLS
  std::string first_;       // then: what it was, until that is known
  Dialect dialect_ = Dialect::kUnknown;
  bool is_at_end_ = false;  // of what the socket receives
  bool is_ready_ = false;   // the handshake is complete
  int error_ = 0;           // errno of the socket
  std::string failure_;
};

// OpenSSL's own socket would raise SIGPIPE, and does not show the first bytes.
const BIO_METHOD* TlsTransport::socket_method() {
  static const BIO_METHOD* method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "cairn socket");
    CHECK(made != nullptr, "no memory for TLS");
    BIO_meth_set_read(made, [](BIO* bio, char* into, int size) { return of(bio).receive(bio, into, size); });
    BIO_meth_set_write(made, [](BIO* bio, const char* data, int size) { return of(bio).send(bio, data, size); });
    BIO_meth_set_ctrl(made, [](BIO* bio, int what, long, void*) -> long {
      if (what == BIO_CTRL_FLUSH) return 1;
      return what == BIO_CTRL_EOF && of(bio).is_at_end_ ? 1 : 0;
    });
    return made;
  }();
  return method;
}

int TlsTransport::receive(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t got = recv(descriptor_, into, static_cast<size_t>(size), 0);
  if (got == 0) is_at_end_ = true;
  if (got < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
      BIO_set_retry_read(bio);
    } else {
      error_ = errno;
    }
  }
  if (got <= 0) return static_cast<int>(got);
  if (!std::exchange(has_heard_, true)) {
    constexpr char kAlert = 0x15;
    constexpr char kHandshake = 0x16;
    is_plain_ = *into != kHandshake && (side_ == Side::kServer || *into != kAlert);
    if (is_plain_) dialect_ = Dialect::kUndecided;
  }
  if (dialect_ == Dialect::kUndecided) {
    first_.append(into, static_cast<size_t>(got));
    dialect_ = dialect_of(first_);
    if (dialect_ == Dialect::kUndecided) BIO_set_retry_read(bio);
  }
  return is_plain_ ? -1 : static_cast<int>(got);
}

int TlsTransport::send(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t sent = ::send(descriptor_, data, static_cast<size_t>(size), MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<int>(sent);
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
    BIO_set_retry_write(bio);
  } else {
    error_ = errno;
  }
  return -1;
}

void TlsTransport::expect(const std::string& host) {
  if (!failure_.empty()) return;
  X509_VERIFY_PARAM* wanted = SSL_get0_param(ssl_);
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1) return;
  ERR_clear_error();  // it is a name
  const bool is_set = !host.empty() && X509_VERIFY_PARAM_set1_host(wanted, host.data(), host.size()) == 1 &&
                      SSL_set_tlsext_host_name(ssl_, host.c_str()) == 1;
  if (!is_set) fail("TLS: '" + host + "' is no name that a certificate can have");
}

Transport::Result TlsTransport::read(char* into, size_t size) {
  if (!failure_.empty()) return {Outcome::kFailed};
  size_t total = 0;
  do {
    ERR_clear_error();
    size_t got = 0;
    const int rc = SSL_read_ex(ssl_, into + total, size - total, &got);
    if (rc == 1 && check_ready()) {
      total += got;
      continue;
    }
    if (!failure_.empty()) return {Outcome::kFailed};
    const Result why = stopped(rc, Outcome::kLater, Outcome::kCrossed);
    if (total == 0) return why;
    // The bytes first; whatever else it is comes to light when it is read again.
    return {Outcome::kDone, total, why.outcome != Outcome::kLater};
  } while (total < size && SSL_has_pending(ssl_) == 1);
  return {Outcome::kDone, total, SSL_has_pending(ssl_) == 1};
}

Transport::Result TlsTransport::write(const iovec* parts, size_t count) {
  if (!failure_.empty()) return {Outcome::kFailed};
  const bool was_ready = is_ready_;
  Parts left(parts, count);
  size_t total = 0;
  for (std::string_view record = left.peek(); !record.empty(); record = left.peek()) {
    ERR_clear_error();
    size_t put = 0;
    const int rc = SSL_write_ex(ssl_, record.data(), record.size(), &put);
    if (rc != 1 || !check_ready()) {
      if (!failure_.empty()) return {Outcome::kFailed};
      if (total > 0) break;
      return stopped(rc, Outcome::kCrossed, Outcome::kLater);
    }
    total += put;
    left.take(put);
  }
  // The end of the handshake may have come with the first of what follows it.
  return {Outcome::kDone, total, !was_ready && SSL_has_pending(ssl_) == 1};
}

bool TlsTransport::check_ready() {
  if (is_ready_) return true;
  is_ready_ = true;
  if (protocol() == "h2" || takes_http1_) return true;
  fail("it does not offer ALPN h2, without which there is no gRPC over TLS");
  return false;
}

Transport::Result TlsTransport::stopped(int rc, Outcome on_want_read, Outcome on_want_write) {
  switch (SSL_get_error(ssl_, rc)) {
    case SSL_ERROR_WANT_READ:
      return {on_want_read};
    case SSL_ERROR_WANT_WRITE:
      return {on_want_write};
    case SSL_ERROR_ZERO_RETURN:
      if (SSL_is_init_finished(ssl_) == 1 || !has_heard_) return {Outcome::kEnd};
      return fail("it ended the connection during the TLS handshake");
    default:
      break;
  }
  if (is_plain_ && side_ == Side::kClient) return fail("it does not speak TLS");
  if (is_plain_) {
    answer_in_plain_text();
    return fail(is_http() ? "plain HTTP on a port that speaks TLS" : "no TLS on a port that speaks TLS");
  }
  if (is_at_end_ && !has_heard_) return {Outcome::kEnd};
  if (is_at_end_) return fail("it ended the connection during the TLS handshake");
  if (error_ != 0) return fail(last_words().value_or(std::strerror(error_)));
  const std::string errors = tls_errors();
  const long verdict = SSL_get_verify_result(ssl_);
  if (is_ready_ || verdict == X509_V_OK) return fail("TLS: " + errors);
  if (verdict == X509_V_ERR_APPLICATION_VERIFICATION) {
    return fail("TLS: no name of its certificate is allowed here (cert-allowed-cn, cert-allowed-san)");
  }
  return fail(std::string("TLS: its certificate is refused: ") + X509_verify_cert_error_string(verdict));
}

std::optional<std::string> TlsTransport::last_words() {
  ERR_clear_error();
  char byte = 0;
  size_t got = 0;
  const int rc = SSL_read_ex(ssl_, &byte, 1, &got);
  if (rc == 1 || SSL_get_error(ssl_, rc) != SSL_ERROR_SSL) return std::nullopt;
  return "TLS: " + tls_errors();
}

Transport::Result TlsTransport::fail(std::string why) {
  failure_ = std::move(why);
  return {Outcome::kFailed};
}

void TlsTransport::answer_in_plain_text() {
  if (!is_http()) return;
  const std::string answer = refusal_in_http1("this port speaks TLS");
  ::send(descriptor_, answer.data(), answer.size(), MSG_NOSIGNAL);
  shutdown(descriptor_, SHUT_WR);
}

}  // namespace

Tls::Tls(std::unique_ptr<TlsFiles> files) : files_(std::move(files)) {}
Tls::~Tls() = default;

Result<std::shared_ptr<Tls>, std::string> Tls::open(TlsOptions options) {
  auto files = std::make_unique<TlsFiles>(std::move(options));
  TRY(files->open());
  return std::shared_ptr<Tls>(new Tls(std::move(files)));
}

void Tls::look_at_files() { files_->look(); }

std::unique_ptr<Transport> Tls::serve(int descriptor, std::string peer, Offer offer) {
  auto context = files_->current();
  SSL* ssl = context->serve(offer);
  return std::make_unique<TlsTransport>(Side::kServer, std::move(context), ssl, descriptor, std::move(peer),
                                        offer != Offer::kHttp2);
}

std::unique_ptr<Transport> Tls::dial(int descriptor, std::string peer, const std::string& host) {
  auto context = files_->current();
  SSL* ssl = context->dial();
  auto transport = std::make_unique<TlsTransport>(Side::kClient, std::move(context), ssl, descriptor, std::move(peer));
  transport->expect(host);
  return transport;
}

}  // namespace cairn::net
