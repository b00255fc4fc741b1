#include "net/tls_context.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace cairn::net {

namespace {

using std::string_literals::operator""s;

std::string text_of(const ASN1_STRING* text) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, text);
  if (size < 0) return "";
  std::string out(reinterpret_cast<const char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return out;
}

std::vector<std::string> common_names_of(const X509& certificate) {
  std::vector<std::string> out;
  const X509_NAME* name = X509_get_subject_name(&certificate);
  for (int at = -1; (at = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0;) {
    out.push_back(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at))));
  }
  return out;
}

std::string text_of_address(const ASN1_OCTET_STRING* address) {
  char text[INET6_ADDRSTRLEN] = "";
  const int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
  if (ASN1_STRING_length(address) != 4 && ASN1_STRING_length(address) != 16) return "";
  inet_ntop(family, ASN1_STRING_get0_data(address), text, sizeof text);
  return text;
}

std::vector<std::string> alternative_names_of(const X509& certificate) {
  std::vector<std::string> out;
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS) out.push_back(text_of(name->d.dNSName));
    if (name->type == GEN_URI) out.push_back(text_of(name->d.uniformResourceIdentifier));
    if (name->type == GEN_EMAIL) out.push_back(text_of(name->d.rfc822Name));
    if (name->type == GEN_IPADD) out.push_back(text_of_address(name->d.iPAddress));
  }
  GENERAL_NAMES_free(names);
  return out;
}

bool meet(const std::vector<std::string>& names, const std::vector<std::string>& allowed) {
  return std::any_of(names.begin(), names.end(), [&](const auto& name) {
    return std::find(allowed.begin(), allowed.end(), name) != allowed.end();
  });
}

// What a server takes, in the order of its preference.
constexpr unsigned char kHttp2Only[] = {2, 'h', '2'};
constexpr unsigned char kHttp1Only[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
constexpr unsigned char kBoth[] = {2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

std::basic_string_view<unsigned char> alpn_of(Tls::Offer offer) {
  switch (offer) {
    case Tls::Offer::kHttp1:
      return {kHttp1Only, sizeof kHttp1Only};
    case Tls::Offer::kBoth:
      return {kBoth, sizeof kBoth};
    case Tls::Offer::kHttp2:
      break;
  }
  return {kHttp2Only, sizeof kHttp2Only};
}

int select_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                void*) {
  const auto ours = alpn_of(*static_cast<const Tls::Offer*>(SSL_get_app_data(ssl)));
  unsigned char* selected = nullptr;
  const int found =
      SSL_select_next_proto(&selected, out_size, ours.data(), static_cast<unsigned>(ours.size()), in, in_size);
  *out = selected;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

std::string tls_errors() {
  std::string out;
  while (const unsigned long error = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(error);
    if (ERR_SYSTEM_ERROR(error)) reason = strerror(ERR_GET_REASON(error));
    if (reason != nullptr && out.find(reason) == std::string::npos) out += (out.empty() ? ""s : ": "s) + reason;
  }
  return out.empty() ? "unknown error" : out;
}

SSL* TlsContext::serve(Tls::Offer offer) const {
  static constexpr Tls::Offer kOffers[] = {Tls::Offer::kHttp2, Tls::Offer::kHttp1, Tls::Offer::kBoth};
  SSL* ssl = SSL_new(server_.get());
  if (ssl == nullptr) return nullptr;
  for (const auto& one : kOffers) {
    if (one == offer) SSL_set_app_data(ssl, const_cast<Tls::Offer*>(&one));
  }
  const bool has_allowed = !options_.allowed_cn.empty() || !options_.allowed_san.empty();
  if (offer == Tls::Offer::kHttp1 && !has_allowed) SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
  return ssl;
}

Result<std::shared_ptr<const TlsContext>, std::string> TlsContext::load(const TlsOptions& options) {
  auto context = std::shared_ptr<TlsContext>(new TlsContext(options));
  TRY_ASSIGN(context->server_, context->make(TLS_server_method()));
  TRY_ASSIGN(context->client_, context->make(TLS_client_method()));
  SSL_CTX* server = context->server_.get();
  SSL_CTX_set_alpn_select_cb(server, &select_alpn, nullptr);
  if (!options.ca_path.empty()) {
    SSL_CTX_set_verify(server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    SSL_CTX_set_cert_verify_callback(server, &TlsContext::verify_client, context.get());
  }
  SSL_CTX* client = context->client_.get();
  SSL_CTX_set_verify(client, SSL_VERIFY_PEER, nullptr);
  if (SSL_CTX_set_alpn_protos(client, kHttp2Only, sizeof kHttp2Only) != 0) return Err(tls_errors());  // zero is success
  return std::shared_ptr<const TlsContext>(std::move(context));
}

Result<TlsContext::Handle, std::string> TlsContext::make(const SSL_METHOD* method) const {
  ERR_clear_error();
  Handle handle(SSL_CTX_new(method));
  if (!handle) return Err(tls_errors());
  SSL_CTX* context = handle.get();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // As much with one system call as there is, and not the head of a record and then the rest.
  SSL_CTX_set_read_ahead(context, 1);
  // A key with a password is an error, not a question on the terminal.
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return -1; });
  TRY(use_own(*context));
  TRY(use_trust(*context));
  return handle;
}

Result<void, std::string> TlsContext::use_own(SSL_CTX& context) const {
  if (options_.cert_path.empty() && options_.key_path.empty()) return {};
  if (SSL_CTX_use_certificate_chain_file(&context, options_.cert_path.c_str()) != 1) {
    return Err("the certificate " + options_.cert_path + " cannot be used: " + tls_errors());
  }
  if (SSL_CTX_use_PrivateKey_file(&context, options_.key_path.c_str(), SSL_FILETYPE_PEM) != 1) {
    return Err("the key " + options_.key_path + " cannot be used: " + tls_errors());
  }
  if (SSL_CTX_check_private_key(&context) != 1) {
    return Err("the key " + options_.key_path + " is not that of " + options_.cert_path + ": " + tls_errors());
  }
  return {};
}

Result<void, std::string> TlsContext::use_trust(SSL_CTX& context) const {
  X509_STORE* store = SSL_CTX_get_cert_store(&context);
  if (options_.ca_path.empty()) {
    SSL_CTX_set_default_verify_paths(&context);
  } else if (SSL_CTX_load_verify_file(&context, options_.ca_path.c_str()) != 1) {
    return Err("the CA " + options_.ca_path + " cannot be used: " + tls_errors());
  }
  // What stands in the file is trusted, be it signed by another or not: as Go has it.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  if (options_.crl_path.empty()) return {};
  X509_LOOKUP* lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
  if (lookup == nullptr || X509_load_crl_file(lookup, options_.crl_path.c_str(), X509_FILETYPE_PEM) <= 0) {
    return Err("the list of revoked certificates " + options_.crl_path + " cannot be used: " + tls_errors());
  }
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
  return {};
}

int TlsContext::verify_client(X509_STORE_CTX* verdict, void* self) {
  if (X509_verify_cert(verdict) != 1) return 0;
  if (static_cast<const TlsContext*>(self)->is_allowed(*verdict)) return 1;
  X509_STORE_CTX_set_error(verdict, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

bool TlsContext::is_allowed(X509_STORE_CTX& verdict) const {
  const X509* certificate = X509_STORE_CTX_get0_cert(&verdict);
  return (options_.allowed_cn.empty() || meet(common_names_of(*certificate), options_.allowed_cn)) &&
         (options_.allowed_san.empty() || meet(alternative_names_of(*certificate), options_.allowed_san));
}

}  // namespace cairn::net
