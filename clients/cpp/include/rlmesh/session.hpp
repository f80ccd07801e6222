// Sessions without input or output: bytes of frames in, bytes of frames out (CONTRACT.md, 4 to 10).
#pragma once

#include <cxxabi.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <random>
#include <typeinfo>

#include "codec.hpp"

namespace rlmesh {

// Version of the spec that these headers implement.
inline const char* const spec_version = "1.0.0rc3";
inline const char* const env_service = "rlmesh.proto.env.v1.EnvService";

// The numbers of rlmesh.proto.session.v1.Capability that these headers have.
enum class Capability : std::uint32_t { resume = 1, step_many = 2, render = 5, aligned_slabs = 17 };

// Returns whether two versions of the spec talk (E-2).
inline bool talks(const std::string& a, const std::string& b) {
  // Returns the first number of a final version; "" of another text.
  const auto major = [](const std::string& version) -> std::string {
    std::size_t parts = 0;
    for (std::size_t at = 0, end = 0; at <= version.size(); at = end + 1, ++parts) {
      end = std::min(version.find('.', at), version.size());
      const bool has_digits = end > at && version.find_first_not_of("0123456789", at) >= end;
      if (!has_digits || (version[at] == '0' && end - at > 1)) return "";
    }
    return parts == 3 ? version.substr(0, version.find('.')) : "";
  };
  if (!major(a).empty()) return major(a) == major(b);
  return a == b && (a.find("rc") != std::string::npos || a.find('-') != std::string::npos);
}

// What an environment is: spaces, and facts for its clients.
struct Contract {
  std::string id;
  Space observation_space, action_space;
  std::string render_mode;  // "" if it does not render
  double render_fps = 0;    // 0: not known
  Dynamic::Map metadata;
  std::uint64_t max_episode_steps = 0;  // 0: no limit is known
  Bytes tags;                           // A serialised rlmesh.proto.adapters.v1.EnvTags; empty: none
  // Of a served vector, which RemoteEnv refuses.
  std::uint32_t num_envs = 1;
  bool vector = false;

  static Contract read(ByteView message) {
    Contract found;
    std::uint64_t fields = 0;
    bool has_observation = false, has_action = false;
    const auto render = [&](ByteView part) {
      read_fields(part, &fields, [&](FieldReader& reader) { return reader.to(1, found.render_mode) || reader.to(3, found.render_fps); });
    };
    const auto space = [](Space& out, bool& has, const char* path) {
      return [&out, &has, path](ByteView part) { out = SpaceReader::read(part, path), has = true; };
    };
    read_fields(message, &fields, [&](FieldReader& reader) {
      return reader.to(1, found.id) || reader.message(3, space(found.observation_space, has_observation, "observation_space")) ||
             reader.message(4, space(found.action_space, has_action, "action_space")) || reader.to(5, found.num_envs) ||
             reader.to(6, found.vector) || reader.message(8, render) || reader.to(10, found.tags) ||
             reader.message(9, [&](ByteView part) { found.metadata = DynamicReader(&fields).map(part, "metadata"); });
    });
    if (found.id.empty() || !has_observation || !has_action || found.num_envs < 1) {
      throw malformed("expected a contract with an id, two spaces and num_envs (T-3)", "contract");
    }
    return found;
  }

  FieldWriter write() const {
    FieldWriter out;
    out.text(1, id);
    out.text(2, spec_version);
    out.message(3, write_space(observation_space));
    out.message(4, write_space(action_space));
    out.integer(5, num_envs);
    FieldWriter render;
    render.text(1, render_mode);
    if (!render_mode.empty()) render.bytes(2, view_of(render_mode));
    if (render_fps > 0) render.present64(3, render_fps);
    out.message(8, render);
    if (!metadata.entries.empty()) out.message(9, write_map(metadata));
    if (!tags.empty()) out.bytes(10, tags);
    if (max_episode_steps != 0) {
      FieldWriter registration;
      registration.present(1, max_episode_steps);
      out.message(11, registration);
    }
    return out;
  }
};

// The first observation of an episode.
struct Start {
  Value observation;
  Dynamic::Map info;
};

// The result of a step.
struct Step {
  Value observation;
  double reward = 0;
  bool terminated = false;
  bool truncated = false;
  Dynamic::Map info;
};

// An environment as servers see it; `env_of` makes one of a class with the same methods.
class Env {
 public:
  virtual ~Env() = default;
  virtual Contract contract() = 0;
  // `seed` is absent if the generator goes on, `options` null if there are none.
  virtual Start reset(std::optional<std::uint64_t> seed, const Dynamic::Map* options) = 0;
  virtual Step step(const Value& action) = 0;
  virtual bool renders() const { return false; }
  virtual Dynamic render() { return Dynamic(); }
};

namespace detail {
template <class T, class = void>
struct Renders : std::false_type {};
template <class T>
struct Renders<T, std::void_t<decltype(std::declval<T&>().render())>> : std::true_type {};

template <class T>
class EnvOf final : public Env {
 public:
  template <class... Arguments>
  explicit EnvOf(Arguments&&... arguments) : env_(std::forward<Arguments>(arguments)...) {}
  Contract contract() override { return env_.contract(); }
  Start reset(std::optional<std::uint64_t> seed, const Dynamic::Map* options) override { return env_.reset(seed, options); }
  Step step(const Value& action) override { return env_.step(action); }
  bool renders() const override { return Renders<T>::value; }
  Dynamic render() override {
    if constexpr (Renders<T>::value) return env_.render();
    return Dynamic();
  }

 private:
  T env_;
};
}  // namespace detail

template <class T, class... Arguments>
std::unique_ptr<Env> env_of(Arguments&&... arguments) {
  return std::make_unique<detail::EnvOf<T>>(std::forward<Arguments>(arguments)...);
}

enum class Validation { off, warn, strict };

struct ServeOptions {
  std::string token;               // "": clients need none
  double grace_period = 30;        // Seconds that a session outlives its connection
  Validation validation = Validation::warn;  // Observations outside their space
  std::string implementation = "rlmesh-cpp";
};

inline Bytes random_bytes(std::size_t count) {
  std::random_device device;
  Bytes bytes(count);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(device());
  return bytes;
}

inline bool equals_in_constant_time(ByteView a, ByteView b) {
  unsigned difference = a.size == b.size ? 0 : 1;
  for (std::size_t i = 0; i < a.size; ++i) difference |= static_cast<unsigned>(a.data[i] ^ (b.size ? b.data[i % b.size] : 1));
  return difference == 0;
}

// An answer that is a failure (section 10).
struct Failure {
  ErrorCode code = ErrorCode::internal;
  std::string message, path, exception_type;
  bool session_closed = false;
  std::vector<std::string> choices;
  std::string holder;
  std::uint64_t held_ms = 0;

  Failure(ErrorCode number, std::string text, std::string where = "")
      : code(number), message(std::move(text)), path(std::move(where)) {}
  explicit Failure(const Error& error) : Failure(error.code(), error.message(), error.path()) {}

  void write(FieldWriter& out) const {
    out.integer(1, static_cast<std::uint64_t>(code));
    out.text(2, message.substr(0, 4096));
    out.text(3, exception_type);
    out.text(5, path);
    if (code == ErrorCode::invalid_value || code == ErrorCode::invalid_result) write_expectation(out);
    out.integer(8, session_closed ? 1 : 0);
    if (!holder.empty()) {
      FieldWriter part;
      part.text(1, holder);
      part.integer(3, held_ms);
      out.message(9, part);
    }
    for (const std::string& choice : choices) out.bytes(10, view_of(choice));
  }

 private:
  // Writes `expected` and `actual` (V-14), which messages have as "expected this, got that".
  void write_expectation(FieldWriter& out) const {
    const std::size_t begin = message.rfind("expected ", 0) == 0 ? 9 : 0, got = message.find(", got ");
    out.text(6, message.substr(begin, got == std::string::npos ? got : got - begin));
    out.text(7, got == std::string::npos ? "a value for which this does not hold" : message.substr(got + 6));
  }
};

// What both peers say of themselves.
struct PeerInfo {
  std::string spec_version, implementation, name;
  std::set<std::uint32_t> capabilities;

  static PeerInfo read(ByteView message) {
    PeerInfo found;
    const auto capability = [&](std::uint64_t number) { found.capabilities.insert(static_cast<std::uint32_t>(number)); };
    read_fields(message, nullptr, [&](FieldReader& reader) {
      return reader.to(1, found.spec_version) || reader.to(3, found.implementation) || reader.integers(4, capability) ||
             reader.to(5, found.name);
    });
    return found;
  }
  FieldWriter write() const {
    FieldWriter out;
    out.text(1, spec_version);
    out.text(3, implementation);
    out.packed(4, std::vector<std::uint64_t>(capabilities.begin(), capabilities.end()));
    out.text(5, name);
    return out;
  }
  bool can(Capability capability) const { return capabilities.count(static_cast<std::uint32_t>(capability)) != 0; }
};

// A request or an answer: its number, the field that its oneof holds, and the message in it.
struct Envelope {
  std::uint64_t sequence = 0;
  std::uint32_t kind = 0;  // 0: none that these headers know the wire type of
  Bytes merged;
  ByteView body;
  // The last member of the oneofs; a higher number is a field that is not known (G-3).
  static constexpr std::uint32_t last_member = 17;

  // Reads a SessionRequest or a SessionResponse.
  static Envelope read(ByteView frame, std::uint64_t* fields) {
    Envelope found;
    read_fields(frame, fields, [&](FieldReader& reader) {
      if (reader.to(1, found.sequence) || reader.type() != 2 || reader.number() < 3 || reader.number() > last_member) return;
      const bool again = found.kind == reader.number();
      found.kind = reader.number();
      const ByteView part = reader.bytes();
      if (again && found.merged.empty()) found.merged = found.body.copy();
      if (again) found.merged.insert(found.merged.end(), part.data, part.data + part.size);
      else found.merged.clear();
      found.body = again ? ByteView(found.merged) : part;
    });
    return found;
  }
};

// A message with the fields around its body, for which room was left before the body.
struct Frame {
  Bytes bytes;
  std::size_t begin = 0;
  std::vector<AlignedSlab> aligned;
  ByteView view() const { return ByteView(bytes.data() + begin, bytes.size() - begin); }

  // Room for a sequence number, `call_us` and the tag and length of the body.
  static constexpr std::size_t head_bytes = 32;
  // Returns a request or an answer; `body` begins after `head_bytes` bytes.
  static Frame of(std::uint64_t sequence, std::uint64_t call_us, std::uint32_t kind, FieldWriter body, std::vector<AlignedSlab> slabs = {}) {
    FieldWriter head;
    head.integer(1, sequence);
    head.integer(2, call_us);
    head.tag(kind, 2);
    head.varint(body.out.size() - head_bytes);
    Frame found{std::move(body.out), head_bytes - head.out.size(), std::move(slabs)};
    for (AlignedSlab& slab : found.aligned) slab.begin -= found.begin;
    std::copy(head.out.begin(), head.out.end(), found.bytes.begin() + static_cast<std::ptrdiff_t>(found.begin));
    return found;
  }
};
using Answer = std::shared_ptr<const Frame>;

// One environment, for one session after another. The caller moves frames between it and
// connections, calls it from one thread, and gives it the time in seconds of a monotonic clock.
class EnvSessions {
 public:
  // A connection of a client. `ended` is set if the caller has to close it.
  struct Connection {
    bool greeted = false, opened = false, ended = false;
    bool aligns = false;  // Slabs, if they travel in shared memory (B-17).
  };

  EnvSessions(std::unique_ptr<Env> env, ServeOptions options)
      : env_(std::move(env)), options_(std::move(options)), contract_(env_->contract()) {
    // Reading what clients will read finds a space that breaks a rule before anybody connects.
    Contract::read(contract_.write().out);
    us_.spec_version = spec_version;
    us_.implementation = options_.implementation;
    us_.capabilities = {static_cast<std::uint32_t>(Capability::step_many)};
    if (options_.grace_period > 0) us_.capabilities.insert(static_cast<std::uint32_t>(Capability::resume));
    if (env_->renders() && !contract_.render_mode.empty()) us_.capabilities.insert(static_cast<std::uint32_t>(Capability::render));
  }

  // Lists a capability of the connections on which the messages travel.
  void list(Capability capability) { us_.capabilities.insert(static_cast<std::uint32_t>(capability)); }

  // Handles one message of a connection over frames alone; returns the answer, null if none.
  Answer receive(Connection& connection, ByteView frame, double now) {
    tick(now);
    if (!connection.greeted) return greet(connection, frame);
    std::uint64_t fields = 0;
    Envelope request;
    try {
      request = Envelope::read(frame, &fields);
      return connection.opened ? next(connection, request, &fields) : first(connection, request, now);
    } catch (const Error& error) {
      return end(connection, request.sequence, Failure(ErrorCode::malformed, error.message(), error.path()));
    }
  }

  // Notes that a connection is lost.
  void lost(Connection& connection, double now) {
    connection.ended = true;
    if (current_ != &connection) return;
    current_ = nullptr;
    lost_at_ = now;
    if (key_.empty() || last_ == 0) close();
  }

  // Closes a session whose grace period is over.
  void tick(double now) {
    if (is_open_ && current_ == nullptr && now - lost_at_ >= options_.grace_period) close();
  }

  // Returns the last frame of the session's connection, and of others, before the server stops.
  Answer stopping() {
    is_stopping_ = true;
    close();
    Connection none;
    return end(none, 0, Failure(ErrorCode::shutting_down, "the server is shutting down"));
  }

  // Returns the frame that refuses a message before it is read, such as one over the limit.
  Answer refusal(Connection& connection, const std::string& message) {
    return end(connection, 0, Failure(ErrorCode::malformed, message));
  }

 private:
  static Answer response(std::uint64_t sequence, std::uint32_t kind, FieldWriter body, std::uint64_t call_us = 0, std::vector<AlignedSlab> slabs = {}) {
    return std::make_shared<const Frame>(Frame::of(sequence, call_us, kind, std::move(body), std::move(slabs)));
  }
  static Answer failed(std::uint64_t sequence, const Failure& failure, std::uint64_t call_us = 0) {
    FieldWriter body(Frame::head_bytes);
    failure.write(body);
    return response(sequence, 3, std::move(body), call_us);
  }
  static Answer end(Connection& connection, std::uint64_t sequence, Failure failure) {
    connection.ended = true;
    failure.session_closed = true;
    return failed(sequence, failure);
  }

  // B-16
  Answer greet(Connection& connection, ByteView frame) {
    std::string service, token;
    try {
      if (frame.size > 8192) throw malformed("expected a FramesHello of at most 8192 bytes");
      read_fields(frame, nullptr, [&](FieldReader& reader) { return reader.to(1, service) || reader.to(2, token); });
      if (service.empty()) throw malformed("expected a FramesHello with a service");
    } catch (const Error& error) {
      return end(connection, 0, Failure(ErrorCode::malformed, error.what()));
    }
    if (!options_.token.empty() && !equals_in_constant_time(view_of(token), view_of(options_.token))) {
      return end(connection, 0, Failure(ErrorCode::unauthenticated, "expected the server's token; pass token="));
    }
    if (service != env_service) {
      Failure failure(ErrorCode::unsupported, "the service is not served here", "service");
      failure.choices = {env_service};
      return end(connection, 0, failure);
    }
    connection.greeted = true;
    return {};
  }

  // The first request of a connection (H-2, H-3).
  Answer first(Connection& connection, const Envelope& request, double now) {
    if (request.kind == 15) {
      connection.ended = true;
      FieldWriter body(Frame::head_bytes);
      body.message(1, us_.write());
      body.message(2, contract_.write());
      body.message(3, terms(true));
      return response(request.sequence, 15, std::move(body));
    }
    const auto refuse = [&](ErrorCode code, const std::string& message, std::string path = "") {
      return end(connection, request.sequence, Failure(code, message, std::move(path)));
    };
    if (request.kind != 3) return refuse(ErrorCode::wrong_state, "expected open as the first request (H-2)");
    if (request.sequence != 0) return refuse(ErrorCode::malformed, "expected open with sequence 0 (H-2)");
    std::optional<PeerInfo> client;
    std::optional<ByteView> resume;
    read_fields(request.body, nullptr, [&](FieldReader& reader) {
      return reader.to(2, resume) || reader.message(1, [&](ByteView part) { client = PeerInfo::read(part); });
    });
    if (!client) return refuse(ErrorCode::malformed, "an open has no client (H-3)", "client");
    if (!talks(client->spec_version, spec_version)) {
      const std::string message = "the server speaks spec " + std::string(spec_version) + ", the client '" + client->spec_version + "' (H-4)";
      Failure failure(ErrorCode::unsupported_version, message);
      failure.choices = {spec_version};
      return end(connection, 0, failure);
    }
    if (is_stopping_) return refuse(ErrorCode::shutting_down, "the server is shutting down (K-12)");
    connection.aligns = client->can(Capability::aligned_slabs) && us_.can(Capability::aligned_slabs);
    if (resume) return resumed(connection, *resume);
    if (is_open_) {
      Failure failure(ErrorCode::busy, "the environment is held by " + holder_ + " (K-4)");
      failure.holder = holder_;
      failure.held_ms = static_cast<std::uint64_t>(1000 * (now - since_));
      return end(connection, 0, failure);
    }
    begin(connection, *client, now);
    return opened(0, true);
  }

  void begin(Connection& connection, const PeerInfo& client, double now) {
    const Bytes id = random_bytes(16);
    id_.clear();
    for (const std::uint8_t byte : id) {
      id_ += "0123456789abcdef"[byte >> 4];
      id_ += "0123456789abcdef"[byte & 15];
    }
    key_ = client.can(Capability::resume) && us_.can(Capability::resume) ? random_bytes(16) : Bytes();
    holder_ = client.name.empty() ? "a client" : client.name;
    is_open_ = connection.opened = true;
    current_ = &connection;
    since_ = now;
    last_ = 0;
    kept_.reset();
    reported_.clear();
  }

  Answer resumed(Connection& connection, ByteView message) {
    std::string id;
    Bytes key;
    std::uint64_t awaited = 0;
    read_fields(message, nullptr, [&](FieldReader& reader) { return reader.to(1, id) || reader.to(2, key) || reader.to(3, awaited); });
    const bool is_known = equals_in_constant_time(key, key_) && is_open_ && id == id_ && !key_.empty();
    if (!is_known) return end(connection, 0, Failure(ErrorCode::unknown_session, "there is no such session (R-5)"));
    if (awaited < 1 || (awaited != last_ && awaited != last_ + 1)) {
      return end(connection, 0, Failure(ErrorCode::out_of_sequence, "expected to await request " + std::to_string(last_) + " or the next one (R-6)"));
    }
    if (current_ != nullptr) current_->ended = true;
    current_ = &connection;
    connection.opened = true;
    return opened(last_, false);
  }

  Answer opened(std::uint64_t received, bool is_new) {
    FieldWriter header, body(Frame::head_bytes);
    header.message(1, us_.write());
    header.text(2, id_);
    if (!key_.empty()) header.bytes(3, key_);
    header.message(4, terms(!key_.empty()));
    header.integer(5, received);
    body.message(1, header);
    if (is_new) body.message(2, contract_.write());
    return response(0, 4, std::move(body));
  }

  FieldWriter terms(bool resumable) const {
    FieldWriter out;
    if (resumable) out.integer(1, static_cast<std::uint64_t>(1000 * options_.grace_period));
    out.integer(2, max_message_bytes);
    return out;
  }

  // A numbered request.
  Answer next(Connection& connection, const Envelope& request, std::uint64_t* fields) {
    if (current_ != &connection) {
      connection.ended = true;
      return {};
    }
    if (request.sequence == last_ && last_ >= 1) return kept_;
    if (request.sequence != last_ + 1) {
      const std::string message = "expected request " + std::to_string(last_ + 1) + ", got " + std::to_string(request.sequence) + " (Q-5)";
      return failed(request.sequence, Failure(ErrorCode::out_of_sequence, message));
    }
    last_ = request.sequence;
    kept_ = handle(request, fields);
    if (request.kind == 11) {
      connection.ended = true;
      const Answer answer = kept_;
      close();
      return answer;
    }
    return kept_;
  }

  void close() {
    is_open_ = false;
    current_ = nullptr;
    key_.clear();
    kept_.reset();
  }

  Answer handle(const Envelope& request, std::uint64_t* fields) {
    call_us_ = 0;
    aligned_.clear();
    FieldWriter body(Frame::head_bytes);
    std::uint32_t kind = request.kind;
    try {
      switch (request.kind) {
        case 3: throw Error(ErrorCode::wrong_state, "the session is open (N-3)");
        case 4: reset(request.body, fields, body); break;
        case 5: step(request.body, fields, body); break;
        case 6: step_many(request.body, fields, body); break;
        case 7: render(request.body, body); break;
        case 11: kind = 12; break;
        default: throw Error(ErrorCode::unsupported, "the server does not have this request (H-10)");
      }
    } catch (const Error& error) {
      return failed(last_, Failure(error), call_us_);
    } catch (const UserError& error) {
      return failed(last_, error.failure, call_us_);
    }
    if (kind >= 4 && kind <= 7) ++kind;  // The members of responses come one later.
    const Answer answer = response(last_, kind, std::move(body), call_us_, std::move(aligned_));
    if (answer->view().size <= max_message_bytes) return answer;
    return failed(last_, Failure(ErrorCode::limit_exceeded, "the answer has more than 268435456 bytes (M-3)"), call_us_);
  }

  // An exception of the environment's own.
  struct UserError {
    Failure failure;
  };

  template <class Call>
  auto called(const char* name, Call call) {
    const auto begun = std::chrono::steady_clock::now();
    struct Timer {
      std::uint64_t* out;
      std::chrono::steady_clock::time_point begun;
      ~Timer() {
        *out += static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begun).count());
      }
    } timer{&call_us_, begun};
    try {
      return call();
    } catch (const std::exception& error) {
      int status = 0;
      char* const demangled = abi::__cxa_demangle(typeid(error).name(), nullptr, nullptr, &status);
      const std::string type = demangled != nullptr ? demangled : typeid(error).name();
      std::free(demangled);
      Failure failure(ErrorCode::user_exception, std::string(name) + "() raised " + type + ": " + error.what());
      failure.exception_type = type;
      throw UserError{failure};
    } catch (...) {
      throw UserError{Failure(ErrorCode::user_exception, std::string(name) + "() raised an exception of an unknown type")};
    }
  }

  void reset(ByteView message, std::uint64_t* fields, FieldWriter& body) {
    std::optional<std::uint64_t> seed;
    std::optional<Dynamic::Map> options;
    bool has_lane_seeds = false, has_mask = false;
    read_fields(message, fields, [&](FieldReader& reader) {
      if (reader.is(1, 0)) seed = reader.integer();
      else if (reader.is(2, 2)) has_lane_seeds = true;
      else if (reader.is(3, 2)) options = DynamicReader(fields).map(reader.bytes(), "options");
      else if (reader.is(4, 2)) has_mask = reader.bytes().size != 0;
    });
    if (has_mask) throw Error(ErrorCode::unsupported, "expected no mask of lanes of an environment that is no vector (L-8)", "lane_mask");
    if (has_lane_seeds) throw malformed("expected no seeds of lanes of an environment that is no vector (N-4)", "lane_seeds");
    Start start = called("reset", [&] { return env_->reset(seed, options ? &*options : nullptr); });
    observation(start.observation, start.info, body, current_->aligns);
    if (!start.info.entries.empty()) body.message(2, write_map(start.info));
  }

  void observation(const Value& value, Dynamic::Map& info, FieldWriter& body, bool aligns) {
    const Space& space = contract_.observation_space;
    try {
      const Slabs slabs = Encoder::one(space, value, "observation");
      if (options_.validation != Validation::off) {
        if (const auto found = nonconformity(space, value, "observation")) report(*found, info);
      }
      write_value(body, 1, slabs, aligns ? &aligned_ : nullptr);
    } catch (const Error& error) {
      throw Error(ErrorCode::invalid_result, error.message(), error.path());
    }
  }

  // F-2 and F-4
  void report(const Nonconformity& found, Dynamic::Map& info) {
    if (options_.validation == Validation::strict) throw Error(ErrorCode::invalid_result, found.message, found.path);
    if (!reported_.insert(found.path).second) return;
    Dynamic::Map reports;
    reports.set(found.path, found.message);
    info.set("rlmesh.validation", reports);
  }

  Value action(ByteView message, std::uint64_t* fields) {
    const SlabsOfMessage found = SlabsOfMessage::read(message, fields);
    if (found.batch_size) throw invalid("expected one action, got a batch (L-1)", "action");
    Value value = Decoder::one(contract_.action_space, found.slabs, "action");
    if (options_.validation == Validation::strict) {
      if (const auto wrong = nonconformity(contract_.action_space, value, "action")) throw invalid(wrong->message, wrong->path);
    }
    return value;
  }

  Step apply(const Value& action) {
    return called("step", [&] { return env_->step(action); });
  }

  void write_step(Step& step, FieldWriter& body, bool observed, bool aligns) {
    if (observed) observation(step.observation, step.info, body, aligns);
    body.number64(2, step.reward);
    body.integer(3, step.terminated ? 1 : 0);
    body.integer(4, step.truncated ? 1 : 0);
    if (!step.info.entries.empty()) body.message(5, write_map(step.info));
  }

  void step(ByteView message, std::uint64_t* fields, FieldWriter& body) {
    std::optional<ByteView> found;
    read_fields(message, fields, [&](FieldReader& reader) { reader.to(1, found); });
    if (!found) throw malformed("a step has no action (G-8)", "action");
    Step result = apply(action(*found, fields));
    write_step(result, body, true, current_->aligns);
  }

  // N-8 and N-9
  void step_many(ByteView message, std::uint64_t* fields, FieldWriter& body) {
    std::optional<ByteView> found;
    std::uint64_t count = 0;
    bool all = false;
    read_fields(message, fields, [&](FieldReader& reader) { return reader.to(1, found) || reader.to(2, count) || reader.to(3, all); });
    if (!found) throw malformed("expected actions (N-8)", "actions");
    if (count > 65'536) throw Error(ErrorCode::limit_exceeded, "expected a count of at most 65536 (M-1)", "count");
    const SlabsOfMessage slabs = SlabsOfMessage::read(*found, fields);
    if (count == 0 || slabs.batch_size != static_cast<std::uint32_t>(count)) throw malformed("expected a batch of count actions, one at least (N-8)", "actions");
    const std::vector<Value> actions = Decoder::batch(contract_.action_space, slabs.slabs, static_cast<std::size_t>(count), "actions");
    std::optional<Step> last;
    FieldWriter failure;
    const auto flush = [&](bool observed) {
      if (!last) return;
      FieldWriter part;
      write_step(*last, part, observed, false);
      body.message(1, part);
      last.reset();
    };
    try {
      for (const Value& one : actions) {
        flush(all);
        last = apply(one);
        if (last->terminated || last->truncated || body.out.size() > max_message_bytes / 2) break;
      }
      flush(true);
    } catch (const UserError& error) {
      flush(true);
      error.failure.write(failure);
    } catch (const Error& error) {
      Failure(error).write(failure);
    }
    if (!failure.out.empty()) body.message(2, failure);
  }

  void render(ByteView message, FieldWriter& body) {
    if (!us_.can(Capability::render)) throw Error(ErrorCode::unsupported, "the environment does not render (H-10)");
    read_fields(message, nullptr, [](FieldReader& reader) {
      if (reader.number() == 1) throw malformed("expected no lanes of an environment that is no vector (N-10)", "lanes");
    });
    body.message(1, write_dynamic(called("render", [&] { return env_->render(); })));
  }

  std::unique_ptr<Env> env_;
  ServeOptions options_;
  Contract contract_;
  PeerInfo us_;
  // The session; there is one at a time.
  bool is_open_ = false, is_stopping_ = false;
  Connection* current_ = nullptr;
  std::string id_, holder_;
  Bytes key_;
  Answer kept_;
  std::uint64_t last_ = 0, call_us_ = 0;
  std::vector<AlignedSlab> aligned_;  // Of the answer that is being written.
  double since_ = 0, lost_at_ = 0;
  std::set<std::string> reported_;
};

// The frames that a client writes, and what it reads from those of its server.
class EnvClient {
 public:
  std::string token;
  PeerInfo server;
  Contract contract;
  std::uint64_t max_request_bytes = 0;  // 0: no limit
  double grace_period = 0;
  // Whether large slabs are aligned, if the server lists it too (B-17).
  bool aligns = false;
  // Whether the arrays of Boxes in observations are views of the frame that they were read from.
  bool in_place = false;

  Bytes hello() const {
    FieldWriter out;
    out.text(1, env_service);
    out.text(2, token);
    return out.out;
  }

  // Returns `open`, which resumes the session if there is one.
  Bytes open(const std::string& name) const {
    PeerInfo us;
    us.spec_version = spec_version;
    us.implementation = "rlmesh-cpp";
    us.name = name;
    us.capabilities = {static_cast<std::uint32_t>(Capability::resume)};
    if (aligns) us.capabilities.insert(static_cast<std::uint32_t>(Capability::aligned_slabs));
    FieldWriter header, out;
    header.message(1, us.write());
    if (!id_.empty()) {
      FieldWriter resume;
      resume.text(1, id_);
      resume.bytes(2, key_);
      resume.integer(3, awaited());
      header.message(2, resume);
    }
    out.message(3, header);
    return out.out;
  }

  // Returns whether a frame is an error of the connection, after which the session may be resumed.
  static bool ends_connection(ByteView frame) {
    std::uint64_t fields = 0;
    const Envelope found = Envelope::read(frame, &fields);
    return found.sequence == 0 && found.kind == 3;
  }
  // Returns the error that a frame is.
  static RemoteError error_in(ByteView frame) {
    std::uint64_t fields = 0;
    return failure(Envelope::read(frame, &fields).body);
  }

  // Reads the answer to `open`; throws RemoteError if the server refuses.
  void opened(ByteView frame) {
    const bool is_new = id_.empty();
    bool has_contract = false;
    read_fields(answer(frame, 0, 4), nullptr, [&](FieldReader& reader) {
      if (reader.is(1, 2)) header(reader.bytes());
      else if (is_new && reader.is(2, 2)) contract = Contract::read(reader.bytes()), has_contract = true;
    });
    if (!talks(server.spec_version, spec_version)) {
      throw RemoteError(ErrorCode::unsupported_version, "the server speaks spec '" + server.spec_version + "', this client " + spec_version, "", true);
    }
    if (is_new && (!has_contract || id_.empty())) throw malformed("an answer to open has no contract or session_id (H-6)");
    if (is_new && contract.vector) throw Error(ErrorCode::unsupported, "the server serves a vector, and RemoteEnv is for one environment");
  }

  bool is_resumable() const { return !key_.empty(); }
  bool has_request() const { return !request_.bytes.empty(); }
  // The request that has no answer yet, for sending it again.
  const Frame& request() const { return request_; }

  void ask(std::uint32_t kind, FieldWriter body = FieldWriter(Frame::head_bytes), std::vector<AlignedSlab> slabs = {}) {
    Frame made = Frame::of(sequence_ + 1, 0, kind, std::move(body), std::move(slabs));
    if (max_request_bytes != 0 && made.view().size > max_request_bytes) {
      throw Error(ErrorCode::limit_exceeded, "the request is larger than the server accepts (M-3)");
    }
    ++sequence_;
    request_ = std::move(made);
  }
  void ask_reset(std::optional<std::uint64_t> seed, const Dynamic::Map* options) {
    FieldWriter body(Frame::head_bytes);
    if (seed) body.present(1, *seed);
    if (options != nullptr) body.message(3, write_map(*options));
    ask(4, std::move(body));
  }
  void ask_step(const Value& action) {
    FieldWriter body(Frame::head_bytes);
    std::vector<AlignedSlab> slabs;
    const bool aligned = aligns && server.can(Capability::aligned_slabs);
    write_value(body, 1, Encoder::one(contract.action_space, action, "action"), aligned ? &slabs : nullptr);
    ask(5, std::move(body), std::move(slabs));
  }

  Start read_reset(ByteView frame) {
    Start start;
    std::uint64_t fields = 0;
    bool has_observation = false;
    read_fields(answered(frame, 5), &fields, [&](FieldReader& reader) {
      if (reader.is(1, 2)) start.observation = observation(reader.bytes(), &fields), has_observation = true;
      else if (reader.is(2, 2)) start.info = DynamicReader(&fields).map(reader.bytes(), "info");
    });
    if (!has_observation) throw malformed("a reset has come without an observation (G-8)", "observation");
    return start;
  }
  Step read_step(ByteView frame) {
    Step step;
    std::uint64_t fields = 0;
    bool has_observation = false;
    read_fields(answered(frame, 6), &fields, [&](FieldReader& reader) {
      if (reader.to(2, step.reward) || reader.to(3, step.terminated) || reader.to(4, step.truncated)) return;
      if (reader.is(1, 2)) step.observation = observation(reader.bytes(), &fields), has_observation = true;
      else if (reader.is(5, 2)) step.info = DynamicReader(&fields).map(reader.bytes(), "info");
    });
    if (!has_observation) throw malformed("a step has come without an observation (G-8)", "observation");
    return step;
  }
  Dynamic read_render(ByteView frame) {
    Dynamic found;
    read_fields(answered(frame, 8), nullptr, [&](FieldReader& reader) {
      reader.message(1, [&](ByteView part) { found = DynamicReader().value(part, "frame"); });
    });
    return found;
  }
  void read_close(ByteView frame) { answered(frame, 12); }

 private:
  std::uint64_t awaited() const { return request_.bytes.empty() ? sequence_ + 1 : sequence_; }

  Value observation(ByteView message, std::uint64_t* fields) {
    const SlabsOfMessage found = SlabsOfMessage::read(message, fields);
    if (found.batch_size) throw malformed("expected one observation, got a batch (L-1)", "observation");
    return Decoder::one(contract.observation_space, found.slabs, "observation", in_place);
  }
  ByteView answered(ByteView frame, std::uint32_t kind) {
    request_.bytes.clear();
    return answer(frame, sequence_, kind);
  }
  ByteView answer(ByteView frame, std::uint64_t sequence, std::uint32_t kind) {
    std::uint64_t fields = 0;
    answer_ = Envelope::read(frame, &fields);
    if (answer_.kind == 3) throw failure(answer_.body);
    if (answer_.sequence != sequence || answer_.kind != kind) throw malformed("the server has answered another request (N-1)");
    return answer_.body;
  }
  static RemoteError failure(ByteView message) {
    std::uint64_t code = 0;
    std::string text, path;
    bool closed = false;
    read_fields(message, nullptr, [&](FieldReader& reader) {
      return reader.to(1, code) || reader.to(2, text) || reader.to(5, path) || reader.to(8, closed);
    });
    const bool known = code >= 1 && code <= 18;
    if (!known) text += " (error code " + std::to_string(code) + ")";
    return RemoteError(known ? static_cast<ErrorCode>(code) : ErrorCode::internal, text, path, closed);
  }
  void header(ByteView message) {
    read_fields(message, nullptr, [&](FieldReader& reader) {
      return reader.message(1, [&](ByteView part) { server = PeerInfo::read(part); }) || reader.to(2, id_) || reader.to(3, key_) ||
             reader.message(4, [&](ByteView part) { terms(part); });
    });
  }
  void terms(ByteView message) {
    std::uint64_t grace_ms = 0;
    read_fields(message, nullptr, [&](FieldReader& reader) { return reader.to(1, grace_ms) || reader.to(2, max_request_bytes); });
    grace_period = static_cast<double>(grace_ms) / 1000;
  }

  std::string id_;
  Bytes key_;
  Frame request_;
  std::uint64_t sequence_ = 0;
  Envelope answer_;
};

}  // namespace rlmesh
