// Frames over POSIX sockets: servers of environments and their clients (CONTRACT.md, B-12 to B-16).
#pragma once

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <functional>
#include <list>
#include <mutex>

#include "channel.hpp"
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

inline std::string reason(const std::string& what) { return what + ": " + std::strerror(errno); }

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

constexpr double pulse_seconds = 4;    // B-13: at least every 5 s
constexpr double silence_seconds = 20;  // B-13

// Calls `beat` at every pulse, on a thread of its own that holds the mutex meanwhile.
class Pulses {
 public:
  Pulses(std::mutex& mutex, std::function<void()> beat) : mutex_(mutex), thread_([this, beat] {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!over_.wait_for(lock, std::chrono::duration<double>(pulse_seconds), [this] { return is_over_; })) beat();
  }) {}
  ~Pulses() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      is_over_ = true;
    }
    over_.notify_all();
    thread_.join();
  }

 private:
  std::mutex& mutex_;
  std::condition_variable over_;
  bool is_over_ = false;
  std::thread thread_;
};

inline void pulse(Stream& stream) {
  const std::uint8_t empty_frame[4] = {};
  stream.write(empty_frame, 4);
}

}  // namespace detail

// Serves one environment over frames. `run` calls it on the caller's thread until `stop`.
class Server {
 public:
  Server(std::unique_ptr<Env> env, const std::string& address, ServeOptions options = {}, detail::MakeStream make = detail::plain)
      : address_(Address::parse(address)), make_(std::move(make)), has_token_(!options.token.empty()), sessions_(std::move(env), std::move(options)) {
    if (address_.is_unix) sessions_.list(Capability::aligned_slabs);
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
    const detail::Pulses pulses(pulsing_, [this] {
      if (detail::Stream* const stream = running_) detail::pulse(*stream);
    });
    while (turn()) {
    }
    const Answer last = sessions_.stopping();
    for (Peer& peer : peers_) {
      if (peer.connection.opened && !peer.channel.is_sending()) peer.channel.send(last->view());
    }
    peers_.clear();
  }

 private:
  struct Peer {
    Peer(std::unique_ptr<detail::Stream> stream, bool is_unix) : channel(std::move(stream), is_unix) {}
    detail::Channel channel;
    EnvSessions::Connection connection;
    double since = detail::seconds();
    Answer sending;  // Kept until it has been sent.
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
    for (Peer& peer : peers_) {
      const short asked = peer.channel.is_sending() ? POLLOUT : POLLIN;
      watched.push_back({peer.channel.stream().descriptor(), peer.channel.stream().events(asked), 0});
    }
    const auto look = [&] { return ::poll(watched.data(), watched.size(), 0) != 0; };
    const double begun = detail::seconds();
    if (!spin_.spin(look)) {
      if (::poll(watched.data(), watched.size(), 500) < 0 && errno != EINTR) throw std::runtime_error(detail::reason("poll"));
      spin_.slept(detail::seconds() - begun);
    }
    if (watched[0].revents != 0) return false;
    std::size_t i = 2;
    for (Peer& peer : peers_) {
      if (watched[i++].revents != 0) serve(peer);
    }
    if (watched[1].revents != 0) accept();
    const double now = detail::seconds();
    sessions_.tick(now);
    for (Peer& peer : peers_) expire(peer, now);
    // Peers go at the end of a turn, because `watched` has one element for each.
    peers_.remove_if([&](Peer& peer) {
      if (!peer.connection.ended || peer.channel.is_sending()) return false;
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
      try {
        peers_.emplace_back(make_(one, address_), address_.is_unix);
      } catch (const std::exception&) {  // Of TLS.
      }
    }
  }

  void expire(Peer& peer, double now) {
    const bool is_late = !peer.connection.opened && now - peer.since > 10;
    const bool is_silent = !address_.is_unix && peer.connection.opened && now - peer.channel.heard() > detail::silence_seconds;
    if (is_late || is_silent) drop(peer);
  }

  void drop(Peer& peer) {
    peer.channel.discard();
    sessions_.lost(peer.connection, detail::seconds());
  }

  void serve(Peer& peer) {
    if (!peer.channel.flush()) return drop(peer);
    do {
      if (peer.connection.ended || peer.channel.is_sending()) return;
      const bool greeted = peer.connection.greeted;
      switch (peer.channel.read(!greeted ? 8'192 : !peer.connection.opened ? 65'536 : max_message_bytes)) {
        case detail::Channel::Got::nothing: return;
        case detail::Channel::Got::end: return drop(peer);
        case detail::Channel::Got::too_long:
          // A longer hello is answered (B-16); a longer frame ends the connection (B-12).
          if (greeted) return drop(peer);
          send(peer, sessions_.refusal(peer.connection, "expected a FramesHello of at most 8192 bytes"));
          break;
        case detail::Channel::Got::frame: handle(peer);
      }
    } while (peer.channel.has_bytes());
  }

  void handle(Peer& peer) {
    const bool is_first = !peer.connection.opened;
    running_ = address_.is_unix ? nullptr : &peer.channel.stream();
    Answer answer = sessions_.receive(peer.connection, peer.channel.frame(), detail::seconds());
    {
      const std::lock_guard<std::mutex> lock(pulsing_);
      running_ = nullptr;
    }
    if (answer == nullptr) return;
    if (is_first && peer.connection.opened) {
      peer.sending = std::move(answer);
      if (!peer.channel.answer_offer(peer.sending->view())) drop(peer);
    } else {
      send(peer, std::move(answer));
    }
  }

  void send(Peer& peer, Answer answer) {
    peer.sending = std::move(answer);
    if (!peer.channel.send(peer.sending->view(), peer.sending->aligned)) drop(peer);
  }

  Address address_;
  detail::MakeStream make_;
  bool has_token_;
  EnvSessions sessions_;
  int listener_ = -1, wake_[2] = {-1, -1};
  std::list<Peer> peers_;
  std::mutex pulsing_;
  std::atomic<detail::Stream*> running_{nullptr};  // The connection with a request that is handled: it gets pulses.
  detail::SpinWait spin_;
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
    client_.aligns = address_.is_unix;
    connect();
    if (address_.is_unix) return;
    pulses_.emplace(sending_, [this] {
      if (!waits_ && channel_ != nullptr) detail::pulse(channel_->stream());
    });
  }
  ~RemoteEnv() {
    try {
      close();
    } catch (const std::exception&) {  // The server frees the environment when it notices.
    }
  }
  RemoteEnv(const RemoteEnv&) = delete;
  RemoteEnv& operator=(const RemoteEnv&) = delete;

  const Contract& contract() const { return client_.contract; }
  // Whether the arrays of Boxes in observations are views of memory, on a Unix socket of what the server wrote: they are
  // read-only, may be unaligned (`Array::at` reads them all the same), and are valid until the next call.
  void view_observations(bool on) { client_.in_place = on; }
  // Returns whether large frames travel in memory that is shared with the server.
  bool shares_memory() const { return channel_ != nullptr && channel_->is_sharing(); }
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
    client_.ask(7);
    return client_.read_render(exchange());
  }
  // Ends the session; may be called again.
  void close() {
    if (is_closed_) return;
    is_closed_ = true;
    client_.ask(11);
    client_.read_close(exchange());
    const std::lock_guard<std::mutex> lock(sending_);
    channel_.reset();
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
    auto made = std::make_unique<detail::Channel>(make_(descriptor, address_), address_.is_unix);
    {
      const std::lock_guard<std::mutex> lock(sending_);
      channel_ = std::move(made);
    }
    try {
      const Bytes hello = client_.hello(), open = client_.open(std::string(name) + ":" + std::to_string(::getpid()));
      send([&] { return channel_->send(hello); });
      send([&] { return channel_->offer(open); });
    } catch (const ConnectionLost&) {  // The answer may be there all the same (B-16).
    }
    client_.opened(receive());
    channel_->offered();
  }

  // Sends the request, and returns its answer, over as many connections as it takes (section 6). The answer is valid
  // until the next one.
  ByteView exchange() {
    try {
      return attempt();
    } catch (const ConnectionLost& lost) {
      if (!client_.is_resumable()) throw;
      return resumed(lost.what());
    }
  }

  ByteView attempt() {
    const Frame& request = client_.request();
    send([&] { return channel_->send(request.view(), request.aligned); });
    const ByteView frame = receive();
    if (EnvClient::ends_connection(frame)) throw ConnectionLost(EnvClient::error_in(frame).what());
    return frame;
  }

  ByteView resumed(std::string why) {
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

  // Calls `begin`, which sends what can be sent now, and sends the rest.
  template <class Begin>
  void send(Begin begin) {
    const std::lock_guard<std::mutex> lock(sending_);
    waits_ = true;
    for (bool sent = begin();; sent = channel_->flush()) {
      if (!sent) throw ConnectionLost(detail::reason("the connection to " + address_.text() + " is lost"));
      if (!channel_->is_sending()) return;
      wait(POLLOUT);
    }
  }

  void wait(short events) {
    pollfd watched{channel_->stream().descriptor(), channel_->stream().events(events), 0};
    const int limit = address_.is_unix ? -1 : static_cast<int>(1000 * detail::silence_seconds);
    const int ready = ::poll(&watched, 1, limit);
    if (ready == 0) throw ConnectionLost("nothing has come from " + address_.text() + " for 20 s");
    if (ready < 0 && errno != EINTR) throw ConnectionLost(detail::reason("poll"));
  }

  ByteView receive() {
    auto got = detail::Channel::Got::nothing;
    const auto look = [&] { return (got = channel_->read()) != detail::Channel::Got::nothing; };
    while (!look() && !spin_.spin(look)) {
      const double begun = detail::seconds();
      wait(channel_->is_sending() ? POLLOUT : POLLIN);
      spin_.slept(detail::seconds() - begun);
    }
    if (got == detail::Channel::Got::end) throw ConnectionLost("the connection to " + address_.text() + " is lost");
    if (got != detail::Channel::Got::frame) throw ConnectionLost("the server has sent a frame of more than 268435456 bytes (M-1)");
    const std::lock_guard<std::mutex> lock(sending_);
    waits_ = false;
    return channel_->frame();
  }

  Address address_;
  detail::MakeStream make_;
  EnvClient client_;
  std::unique_ptr<detail::Channel> channel_;
  detail::SpinWait spin_;
  std::mutex sending_;
  bool waits_ = false, is_closed_ = false;  // `waits_`: a request is outstanding, and the server sends the pulses.
  std::optional<detail::Pulses> pulses_;  // The last member, because it uses others.
};

}  // namespace rlmesh
