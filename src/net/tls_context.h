// What the files of TLS say at one time, as OpenSSL holds it. Internal to tls.cc and tls_context.cc.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "base/result.h"
#include "net/tls.h"

namespace cairn::net {

// Immutable; shared by the connections that were made with it.
class TlsContext {
 public:
  static Result<std::shared_ptr<const TlsContext>, std::string> load(const TlsOptions& options);

  // A new connection's; the context must outlive it. Null: no memory.
  SSL* serve(Tls::Offer offer) const;
  SSL* dial() const { return SSL_new(client_.get()); }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  using Handle = std::unique_ptr<SSL_CTX, Free>;

  explicit TlsContext(const TlsOptions& options) : options_(options) {}
  Result<Handle, std::string> make(const SSL_METHOD* method) const;
  Result<void, std::string> use_own(SSL_CTX& context) const;
  Result<void, std::string> use_trust(SSL_CTX& context) const;
  // The names of a client that is known to the CA. Fills OpenSSL's verdict.
  bool is_allowed(X509_STORE_CTX& verdict) const;
  static int verify_client(X509_STORE_CTX* verdict, void* self);

  const TlsOptions options_;
  Handle server_;
  Handle client_;
};

// OpenSSL's last errors in words, all taken off its queue.
std::string tls_errors();

}  // namespace cairn::net
