// TLS for frames, by OpenSSL: `framess://HOST:PORT`. Include it, and link ssl and crypto, only for that.
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "frames.hpp"

namespace rlmesh {

// Certificates as files in PEM. Pass it to Server, serve or RemoteEnv in place of `make`.
class Tls {
 public:
  // For a server: its certificate (with the chain) and key; with an authority, clients need one too.
  static Tls server(const std::string& certificate, const std::string& key, const std::string& authority = "") {
    Tls tls(TLS_server_method(), true);
    tls.use(certificate, key);
    if (!authority.empty()) {
      tls.trust(authority);
      SSL_CTX_set_verify(tls.context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    return tls;
  }
  // For a client: the authority, or "" for those of the system; and perhaps a certificate of its own.
  static Tls client(const std::string& authority = "", const std::string& certificate = "", const std::string& key = "") {
    Tls tls(TLS_client_method(), false);
    if (!certificate.empty()) tls.use(certificate, key);
    if (!authority.empty()) tls.trust(authority);
    else check(SSL_CTX_set_default_verify_paths(tls.context_.get()) == 1, "the system's authorities");
    SSL_CTX_set_verify(tls.context_.get(), SSL_VERIFY_PEER, nullptr);
    return tls;
  }

  std::unique_ptr<detail::Stream> operator()(int descriptor, const Address& address) const {
    if (!address.is_tls) return detail::plain(descriptor, address);
    return std::make_unique<TlsStream>(descriptor, address, context_, is_server_);
  }

 private:
  Tls(const SSL_METHOD* method, bool is_server) : context_(SSL_CTX_new(method), SSL_CTX_free), is_server_(is_server) {
    check(context_ != nullptr && SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION) == 1, "TLS");
  }
  void use(const std::string& certificate, const std::string& key) {
    check(SSL_CTX_use_certificate_chain_file(context_.get(), certificate.c_str()) == 1, certificate);
    check(SSL_CTX_use_PrivateKey_file(context_.get(), key.c_str(), SSL_FILETYPE_PEM) == 1, key);
  }
  void trust(const std::string& authority) {
    check(SSL_CTX_load_verify_locations(context_.get(), authority.c_str(), nullptr) == 1, authority);
  }
  static void check(bool worked, const std::string& what) {
    if (worked) return;
    char text[256];
    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    throw std::runtime_error(what + ": " + text);
  }

  class TlsStream final : public detail::Stream {
   public:
    TlsStream(int descriptor, const Address& address, const std::shared_ptr<SSL_CTX>& context, bool is_server)
        : Stream(descriptor), context_(context), ssl_(SSL_new(context.get()), SSL_free), is_server_(is_server) {
      ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
      SSL_set_fd(ssl_.get(), descriptor);
      SSL_set_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
      if (is_server) {
        SSL_set_accept_state(ssl_.get());  // The handshake takes place with the first read.
        return;
      }
      in_addr four{};
      in6_addr six{};
      const bool is_number = ::inet_pton(AF_INET, address.host.c_str(), &four) == 1 || ::inet_pton(AF_INET6, address.host.c_str(), &six) == 1;
      if (is_number) X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), address.host.c_str());
      else if (SSL_set_tlsext_host_name(ssl_.get(), address.host.c_str()) == 1) SSL_set1_host(ssl_.get(), address.host.c_str());
      SSL_set_connect_state(ssl_.get());
    }
    ssize_t read(void* out, std::size_t size) override {
      const std::lock_guard<std::mutex> lock(mutex_);
      return moved(SSL_read(ssl_.get(), out, chunk(size)));
    }
    ssize_t write(const void* bytes, std::size_t size) override {
      const std::lock_guard<std::mutex> lock(mutex_);
      return moved(SSL_write(ssl_.get(), bytes, chunk(size)));
    }
    // Either call may have to read or write, for the handshake.
    short events(short asked) const override { return wanted_ != 0 ? wanted_ : asked; }
    bool has_bytes() const override { return SSL_pending(ssl_.get()) > 0; }

   private:
    static int chunk(std::size_t size) { return static_cast<int>(std::min<std::size_t>(size, 1 << 20)); }
    ssize_t moved(int count) {
      wanted_ = 0;
      if (count > 0) return count;
      const int error = SSL_get_error(ssl_.get(), count);
      if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        wanted_ = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
        errno = EAGAIN;
        return -1;
      }
      const long verdict = SSL_get_verify_result(ssl_.get());
      if (!is_server_ && verdict != X509_V_OK) throw ConnectionLost(std::string("the server's certificate is not trusted: ") + X509_verify_cert_error_string(verdict));
      ERR_clear_error();
      return 0;
    }
    std::shared_ptr<SSL_CTX> context_;
    std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
    bool is_server_;
    short wanted_ = 0;
    std::mutex mutex_;
  };

  std::shared_ptr<SSL_CTX> context_;
  bool is_server_;
};

}  // namespace rlmesh
