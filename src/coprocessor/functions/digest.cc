// Digests, by OpenSSL. Their text is in small hexadecimal digits.
#include <absl/strings/ascii.h>
#include <openssl/evp.h>

#include <array>

#include "base/bytes.h"
#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/families.h"

namespace cairn::coprocessor {
namespace {

// Nothing: this OpenSSL does not have the algorithm.
std::optional<ByteView> digest(Frame& f, const char* algorithm, ByteView text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  size_t size = 0;
  if (EVP_Q_digest(nullptr, algorithm, nullptr, text.data(), text.size(), bytes.data(), &size) != 1) {
    f.context.raise(code::kUnknown, std::string("no digests of the kind ") + algorithm);
    return std::nullopt;
  }
  std::string hex = to_hex(ByteView(reinterpret_cast<const char*>(bytes.data()), size));
  absl::AsciiStrToLower(&hex);
  return f.keep(hex);
}

std::optional<ByteView> md5(Frame& f, ByteView text) { return digest(f, "MD5", text); }
std::optional<ByteView> sha1(Frame& f, ByteView text) { return digest(f, "SHA1", text); }
std::optional<ByteView> sm3(Frame& f, ByteView text) { return digest(f, "SM3", text); }

std::optional<ByteView> sha2(Frame& f, ByteView text, int64_t bits) {
  switch (bits) {
    case 0:
    case 256:
      return digest(f, "SHA256", text);
    case 224:
      return digest(f, "SHA224", text);
    case 384:
      return digest(f, "SHA384", text);
    case 512:
      return digest(f, "SHA512", text);
    default:
      f.context.warn(code::kIncorrectParameters, "Incorrect parameters in the call to native function 'sha2'");
      return std::nullopt;
  }
}

}  // namespace

Found find_digest(tipb::ScalarFuncSig signature, const CallType&) {
  switch (signature) {
    case tipb::MD5:
      return rowwise<&md5>();
    case tipb::SHA1:
      return rowwise<&sha1>();
    case tipb::SHA2:
      return rowwise<&sha2>();
    case tipb::SM3:
      return rowwise<&sm3>();
    default:
      return std::nullopt;
  }
}

}  // namespace cairn::coprocessor
