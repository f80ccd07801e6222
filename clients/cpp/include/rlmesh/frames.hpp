// Frames over POSIX sockets: servers of environments and their clients (CONTRACT.md, B-12 to B-16).
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

#include "session.hpp"

namespace rlmesh {

// The connection broke, and the session could not be resumed.
class ConnectionLost : public Error {
 public:
  explicit ConnectionLost(const std::string& message) : Error(ErrorCode::internal, message) {}
};

// `frames://HOST:PORT`, or `frames+unix:///ABSOLUTE/PATH`; `framess://HOST:PORT` needs tls.hpp.
struct Address {
  bool is_unix = false, is_tls = false;
  std::string host, port, path;

  static Address parse(const std::string& text) {
    Address found;
    const std::size_t scheme = text.find("://");
    const std::string name = text.substr(0, scheme == std::string::npos ? 0 : scheme);
    const std::string rest = scheme == std::string::npos ? "" : text.substr(scheme + 3);
    if (name == "frames+unix" && !rest.empty() && rest[0] == '/') {
      found.is_unix = true;
      found.path = rest;
      return found;
    }
    found.is_tls = name == "framess";
    const std::size_t colon = rest.rfind(':');
    if ((name != "frames" && !found.is_tls) || colon == std::string::npos || colon == 0) {
      throw std::invalid_argument("expected frames://HOST:PORT or frames+unix:///PATH, got " + text);
    }
    found.host = rest.substr(0, colon);
    if (found.host.front() == '[' && found.host.back() == ']') found.host = found.host.substr(1, found.host.size() - 2);
    found.port = rest.substr(colon + 1);
    return found;
  }
  std::string text() const {
    if (is_unix) return "frames+unix://" + path;
    const bool is_six = host.find(':') != std::string::npos;
    return (is_tls ? "framess://" : "frames://") + (is_six ? "[" + host + "]" : host) + ":" + port;
  }
};

namespace detail {

inline double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
inline std::string reason(const std::string& what) { return what + ": " + std::strerror(errno); }

// A connected socket. TLS overrides the two calls that move bytes.
class Stream {
 public:
  explicit Stream(int descriptor) : descriptor_(descriptor) {}
  virtual ~Stream() { ::close(descriptor_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  int descriptor() const { return descriptor_; }
  // Move at most `size` bytes; -1 and errno EAGAIN if none can be moved now, 0 at the end.
  virtual ssize_t read(void* out, std::size_t size) { return ::recv(descriptor_, out, size, MSG_DONTWAIT); }
  virtual ssize_t write(const void* bytes, std::size_t size) {
    return ::send(descriptor_, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  // Returns the events to wait for before a call is made again that asked for these.
  virtual short events(short asked) const { return asked; }

 private:
  int descriptor_;
};
using MakeStream = std::function<std::unique_ptr<Stream>(int descriptor, const Address& address)>;

inline std::unique_ptr<Stream> plain(int descriptor, const Address& address) {
  if (address.is_tls) {
    ::close(descriptor);
    throw std::invalid_argument("framess:// needs rlmesh/tls.hpp, and its Tls as an argument");
  }
  return std::make_unique<Stream>(descriptor);
}

inline void no_delay(int descriptor) {
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const int lost_after_ms = 20'000;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &lost_after_ms, sizeof lost_after_ms);
}

// Calls `use` with the socket addresses of an address until one call returns a descriptor.
template <class Use>
int resolve(const Address& address, bool listens, Use use) {
  if (address.is_unix) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (address.path.size() >= sizeof name.sun_path) throw std::invalid_argument("the path of a socket is too long");
    std::memcpy(name.sun_path, address.path.c_str(), address.path.size());
    return use(AF_UNIX, reinterpret_cast<const sockaddr*>(&name), static_cast<socklen_t>(sizeof name));
  }
  addrinfo hints{}, *list = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = listens ? AI_PASSIVE : 0;
  if (::getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &list) != 0) throw ConnectionLost("the host of " + address.text() + " is not known");
  int found = -1;
  for (const addrinfo* one = list; one != nullptr && found < 0; one = one->ai_next) found = use(one->ai_family, one->ai_addr, one->ai_addrlen);
  ::freeaddrinfo(list);
  return found;
}

// Length and bytes of a frame.
inline Bytes framed(ByteView frame) {
  Bytes out(4 + frame.size);
  const auto size = static_cast<std::uint32_t>(frame.size);
  std::memcpy(out.data(), &size, 4);
  if (frame.size) std::memcpy(out.data() + 4, frame.data, frame.size);
  return out;
}

constexpr double pulse_seconds = 4;    // B-13: at least every 5 s
constexpr double silence_seconds = 20;  // B-13

}  // namespace detail

// Serves one environment over frames. `run` calls it on the caller's thread until `stop`.
class Server {
 public:
  Server(std::unique_ptr<Env> env, const std::string& address, ServeOptions options = {}, detail::MakeStream make = detail::plain)
      : address_(Address::parse(address)), make_(std::move(make)), has_token_(!options.token.empty()), sessions_(std::move(env), std::move(options)) {
    listen();
    if (::pipe2(wake_, O_CLOEXEC | O_NONBLOCK) != 0) throw std::runtime_error(detail::reason("pipe"));
  }
  ~Server() {
    ::close(listener_);
    ::close(wake_[0]);
    ::close(wake_[1]);
    if (address_.is_unix) ::unlink(address_.path.c_str());
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The address, with the port that was chosen for port 0.
  std::string address() const { return address_.text(); }

  // Ends `run`; may be called from a signal handler or another thread.
  void stop() {
    const char byte = 0;
    [[maybe_unused]] const ssize_t written = ::write(wake_[1], &byte, 1);
  }

  void run() {
    std::thread pulses([this] { pulse(); });
    struct Join {
      Server* server;
      std::thread* thread;
      ~Join() {
        {
          const std::lock_guard<std::mutex> lock(server->pulsing_);
          server->is_over_ = true;
        }
        server->over_.notify_all();
        thread->join();
      }
    } join{this, &pulses};
    while (turn()) {
    }
    const Bytes last = detail::framed(sessions_.stopping());
    for (Peer& peer : peers_) {
      if (peer.connection.opened && peer.out.empty()) peer.stream->write(last.data(), last.size());
    }
    peers_.clear();
  }

 private:
  struct Peer {
    std::unique_ptr<detail::Stream> stream;
    EnvSessions::Connection connection;
    double since = 0, heard = 0;
    std::uint8_t header[4] = {};
    std::size_t header_size = 0, body_size = 0;
    Bytes body, out;
    std::size_t sent = 0;
    bool reads_body = false;
  };

  void listen() {
    if (address_.is_unix) remove_stale_socket();
    listener_ = detail::resolve(address_, true, [this](int family, const sockaddr* name, socklen_t size) {
      const int one = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      const int on = 1;
      ::setsockopt(one, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
      const mode_t before = address_.is_unix ? ::umask(0177) : 0;
      const bool bound = one >= 0 && ::bind(one, name, size) == 0;
      if (address_.is_unix) ::umask(before);
      if (bound && ::listen(one, 1024) == 0) return one;
      if (one >= 0) ::close(one);
      return -1;
    });
    if (listener_ < 0) throw std::runtime_error(detail::reason("cannot listen on " + address_.text()));
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &size);
    const in_port_t port = name.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&name)->sin6_port : reinterpret_cast<sockaddr_in*>(&name)->sin_port;
    if (!address_.is_unix) address_.port = std::to_string(ntohs(port));
    const bool is_loopback = address_.is_unix || address_.host == "localhost" || address_.host == "::1" || address_.host.rfind("127.", 0) == 0;
    if (!is_loopback && !has_token_) std::fprintf(stderr, "rlmesh: %s has no token: everyone who reaches it can use it (Y-9)\n", address_.text().c_str());
  }

  // Removes the socket of a server that has ended.
  void remove_stale_socket() const {
    struct stat facts {};
    if (::lstat(address_.path.c_str(), &facts) != 0 || !S_ISSOCK(facts.st_mode)) return;
    const int probe = detail::resolve(address_, false, [](int family, const sockaddr* name, socklen_t size) {
      const int one = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (::connect(one, name, size) == 0) return one;
      ::close(one);
      return -1;
    });
    if (probe >= 0) {
      ::close(probe);
      throw std::runtime_error("another server listens on " + address_.text());
    }
    ::unlink(address_.path.c_str());
  }

  // Waits for events and handles them; false if the server is to stop.
  bool turn() {
    std::vector<pollfd> watched = {{wake_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
    for (const Peer& peer : peers_) {
      watched.push_back({peer.stream->descriptor(), static_cast<short>(peer.out.empty() ? POLLIN : POLLOUT), 0});
    }
    if (::poll(watched.data(), watched.size(), 500) < 0 && errno != EINTR) throw std::runtime_error(detail::reason("poll"));
    if (watched[0].revents != 0) return false;
    std::size_t i = 2;
    for (Peer& peer : peers_) {
      if (watched[i].revents != 0) serve(peer);
      ++i;
    }
    if (watched[1].revents != 0) accept();
    const double now = detail::seconds();
    sessions_.tick(now);
    for (Peer& peer : peers_) expire(peer, now);
    // Peers go at the end of a turn, because `watched` has one element for each.
    peers_.remove_if([&](Peer& peer) {
      if (!peer.connection.ended || !peer.out.empty()) return false;
      sessions_.lost(peer.connection, now);
      return true;
    });
    return true;
  }

  void accept() {
    for (int one; (one = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;) {
      if (!address_.is_unix) detail::no_delay(one);
      if (peers_.size() >= 1024) {  // B-16
        auto oldest = std::find_if(peers_.begin(), peers_.end(), [](const Peer& peer) { return !peer.connection.opened; });
        if (oldest == peers_.end()) {
          ::close(one);
          continue;
        }
        peers_.erase(oldest);
      }
      Peer& peer = peers_.emplace_back();
      try {
        peer.stream = make_(one, address_);
      } catch (const std::exception&) {
        peers_.pop_back();
        continue;
      }
      peer.since = peer.heard = detail::seconds();
    }
  }

  void expire(Peer& peer, double now) {
    const bool is_late = !peer.connection.opened && now - peer.since > 10;
    const bool is_silent = !address_.is_unix && peer.connection.opened && now - peer.heard > detail::silence_seconds;
    if (is_late || is_silent) drop(peer);
  }

  void drop(Peer& peer) {
    peer.out.clear();
    sessions_.lost(peer.connection, detail::seconds());
  }

  void serve(Peer& peer) {
    flush(peer);
    while (peer.out.empty() && !peer.connection.ended && receive(peer)) {
    }
  }

  // Reads what has come of a frame; true if it was whole and has been handled.
  bool receive(Peer& peer) {
    while (true) {
      if (!peer.reads_body) {
        if (!fill(peer, peer.header, 4, peer.header_size)) return false;
        std::uint32_t size = 0;
        std::memcpy(&size, peer.header, 4);
        peer.header_size = 0;
        if (size == 0) return true;  // A pulse.
        const std::uint64_t limit = !peer.connection.greeted ? 8'192 : !peer.connection.opened ? 65'536 : max_message_bytes;
        if (size > limit) {
          // A longer hello is answered (B-16); a longer frame ends the connection (B-12).
          if (!peer.connection.greeted) send(peer, sessions_.refusal(peer.connection, "expected a FramesHello of at most 8192 bytes"));
          else drop(peer);
          return false;
        }
        peer.body.resize(size);
        peer.body_size = 0;
        peer.reads_body = true;
      }
      if (!fill(peer, peer.body.data(), peer.body.size(), peer.body_size)) return false;
      peer.reads_body = false;
      running_ = address_.is_unix ? nullptr : peer.stream.get();
      const Bytes answer = sessions_.receive(peer.connection, peer.body, detail::seconds());
      {
        const std::lock_guard<std::mutex> lock(pulsing_);
        running_ = nullptr;
      }
      if (peer.body.size() > 1 << 20) Bytes().swap(peer.body);
      if (!answer.empty()) send(peer, answer);
      return true;
    }
  }

  bool fill(Peer& peer, std::uint8_t* out, std::size_t wanted, std::size_t& have) {
    while (have < wanted) {
      const ssize_t count = peer.stream->read(out + have, wanted - have);
      if (count > 0) {
        have += static_cast<std::size_t>(count);
        peer.heard = detail::seconds();
        continue;
      }
      if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return false;
      drop(peer);
      return false;
    }
    return true;
  }

  void send(Peer& peer, ByteView frame) {
    peer.out = detail::framed(frame);
    peer.sent = 0;
    flush(peer);
  }

  void flush(Peer& peer) {
    while (peer.sent < peer.out.size()) {
      const ssize_t count = peer.stream->write(peer.out.data() + peer.sent, peer.out.size() - peer.sent);
      if (count > 0) {
        peer.sent += static_cast<std::size_t>(count);
        continue;
      }
      if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
      drop(peer);
      return;
    }
    peer.out.clear();
  }

  // Sends pulses while a request is handled.
  void pulse() {
    const std::uint8_t zeros[4] = {};
    std::unique_lock<std::mutex> lock(pulsing_);
    while (!over_.wait_for(lock, std::chrono::duration<double>(detail::pulse_seconds), [this] { return is_over_; })) {
      if (detail::Stream* const stream = running_) stream->write(zeros, 4);
    }
  }

  Address address_;
  detail::MakeStream make_;
  bool has_token_;
  EnvSessions sessions_;
  int listener_ = -1, wake_[2] = {-1, -1};
  std::list<Peer> peers_;
  std::mutex pulsing_;
  std::condition_variable over_;
  bool is_over_ = false;
  std::atomic<detail::Stream*> running_{nullptr};
};

// Serves an environment until SIGINT or SIGTERM, on the caller's thread. `ready` gets the address.
inline void serve(std::unique_ptr<Env> env, const std::string& address, ServeOptions options = {},
                  const std::function<void(const std::string&)>& ready = {}, detail::MakeStream make = detail::plain) {
  Server server(std::move(env), address, std::move(options), std::move(make));
  static std::atomic<Server*> serving;
  serving = &server;
  struct sigaction action {}, interrupt {}, terminate {};
  action.sa_handler = [](int) {
    if (Server* const one = serving) one->stop();
  };
  ::sigaction(SIGINT, &action, &interrupt);
  ::sigaction(SIGTERM, &action, &terminate);
  if (ready) ready(server.address());
  server.run();
  ::sigaction(SIGINT, &interrupt, nullptr);
  ::sigaction(SIGTERM, &terminate, nullptr);
  serving = nullptr;
}
template <class T>
void serve(const std::string& address, ServeOptions options = {}, const std::function<void(const std::string&)>& ready = {}) {
  serve(env_of<T>(), address, std::move(options), ready);
}

// A served environment. One thread at a time may call it.
class RemoteEnv {
 public:
  // Connects, and resumes the session by itself if the connection breaks.
  // Throws ConnectionLost if nobody answers, and RemoteError if the server refuses.
  explicit RemoteEnv(const std::string& address, std::string token = "", detail::MakeStream make = detail::plain)
      : address_(Address::parse(address)), make_(std::move(make)) {
    client_.token = std::move(token);
    connect();
    if (!address_.is_unix) pulses_ = std::thread([this] { pulse(); });
  }
  ~RemoteEnv() {
    try {
      close();
    } catch (const std::exception&) {  // The server frees the environment when it notices.
    }
    {
      const std::lock_guard<std::mutex> lock(sending_);
      is_over_ = true;
    }
    over_.notify_all();
    if (pulses_.joinable()) pulses_.join();
  }
  RemoteEnv(const RemoteEnv&) = delete;
  RemoteEnv& operator=(const RemoteEnv&) = delete;

  const Contract& contract() const { return client_.contract; }
  Start reset(std::optional<std::uint64_t> seed = {}, const Dynamic::Map* options = nullptr) {
    check_open();
    client_.ask_reset(seed, options);
    return client_.read_reset(exchange());
  }
  Step step(const Value& action) {
    check_open();
    client_.ask_step(action);
    return client_.read_step(exchange());
  }
  Dynamic render() {
    check_open();
    if (!client_.server.can(Capability::render)) throw Error(ErrorCode::unsupported, "the server does not render");
    client_.ask(7, FieldWriter());
    return client_.read_render(exchange());
  }
  // Ends the session; may be called again.
  void close() {
    if (is_closed_) return;
    is_closed_ = true;
    client_.ask(11, FieldWriter());
    client_.read_close(exchange());
    const std::lock_guard<std::mutex> lock(sending_);
    stream_.reset();
  }

 private:
  void check_open() const {
    if (is_closed_) throw std::logic_error("the client is closed");
  }

  void connect() {
    const int descriptor = detail::resolve(address_, false, [](int family, const sockaddr* name, socklen_t size) {
      const int one = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (one >= 0 && ::connect(one, name, size) == 0) return one;
      if (one >= 0) ::close(one);
      return -1;
    });
    if (descriptor < 0) throw ConnectionLost(detail::reason("no server answers at " + address_.text()));
    if (!address_.is_unix) detail::no_delay(descriptor);
    char name[256] = "client";
    ::gethostname(name, sizeof name - 1);
    std::unique_ptr<detail::Stream> made = make_(descriptor, address_);
    {
      const std::lock_guard<std::mutex> lock(sending_);
      stream_ = std::move(made);
    }
    Bytes first = detail::framed(client_.hello());
    const Bytes open = detail::framed(client_.open(std::string(name) + ":" + std::to_string(::getpid())));
    first.insert(first.end(), open.begin(), open.end());
    try {
      send(first);
    } catch (const ConnectionLost&) {  // The answer may be there all the same (B-16).
    }
    client_.opened(receive());
  }

  // Sends the request, and returns its answer, over as many connections as it takes (section 6).
  Bytes exchange() {
    try {
      return attempt();
    } catch (const ConnectionLost& lost) {
      if (!client_.is_resumable()) throw;
      return resumed(lost.what());
    }
  }

  Bytes attempt() {
    send(detail::framed(client_.request()));
    Bytes frame = receive();
    if (EnvClient::ends_connection(frame)) throw ConnectionLost(EnvClient::error_in(frame).what());
    return frame;
  }

  Bytes resumed(std::string why) {
    const double until = detail::seconds() + client_.grace_period;
    for (double pause = 0; detail::seconds() < until; pause = std::min(2.0, pause > 0 ? 2 * pause : 0.1)) {
      std::this_thread::sleep_for(std::chrono::duration<double>(pause));
      try {
        connect();
        return attempt();
      } catch (const RemoteError& error) {
        if (error.code() != ErrorCode::shutting_down) throw;
        why = error.what();
      } catch (const ConnectionLost& error) {
        why = error.what();
      }
    }
    throw ConnectionLost("the session could not be resumed: " + why);
  }

  void send(const Bytes& frame) {
    const std::lock_guard<std::mutex> lock(sending_);
    waits_ = true;
    for (std::size_t sent = 0; sent < frame.size();) {
      const ssize_t count = stream_->write(frame.data() + sent, frame.size() - sent);
      if (count > 0) sent += static_cast<std::size_t>(count);
      else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) wait(POLLOUT);
      else throw ConnectionLost(detail::reason("the connection to " + address_.text() + " is lost"));
    }
  }

  void wait(short events) {
    pollfd watched{stream_->descriptor(), stream_->events(events), 0};
    const int limit = address_.is_unix ? -1 : static_cast<int>(1000 * detail::silence_seconds);
    const int ready = ::poll(&watched, 1, limit);
    if (ready == 0) throw ConnectionLost("nothing has come from " + address_.text() + " for 20 s");
    if (ready < 0 && errno != EINTR) throw ConnectionLost(detail::reason("poll"));
  }

  void fill(std::uint8_t* out, std::size_t wanted) {
    for (std::size_t have = 0; have < wanted;) {
      const ssize_t count = stream_->read(out + have, wanted - have);
      if (count > 0) have += static_cast<std::size_t>(count);
      else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) wait(POLLIN);
      else throw ConnectionLost("the connection to " + address_.text() + " is lost");
    }
  }

  Bytes receive() {
    std::uint32_t size = 0;
    while (size == 0) {  // Pulses are empty.
      std::uint8_t header[4];
      fill(header, 4);
      std::memcpy(&size, header, 4);
    }
    if (size > max_message_bytes) throw ConnectionLost("the server has sent a frame of more than 268435456 bytes (M-1)");
    Bytes frame(size);
    fill(frame.data(), size);
    const std::lock_guard<std::mutex> lock(sending_);
    waits_ = false;
    return frame;
  }

  // Sends pulses while no request is outstanding.
  void pulse() {
    const std::uint8_t zeros[4] = {};
    std::unique_lock<std::mutex> lock(sending_);
    while (!over_.wait_for(lock, std::chrono::duration<double>(detail::pulse_seconds), [this] { return is_over_; })) {
      if (!waits_ && stream_ != nullptr) stream_->write(zeros, 4);
    }
  }

  Address address_;
  detail::MakeStream make_;
  EnvClient client_;
  std::unique_ptr<detail::Stream> stream_;
  std::mutex sending_;
  std::condition_variable over_;
  std::thread pulses_;
  bool waits_ = false, is_over_ = false, is_closed_ = false;
};

}  // namespace rlmesh
