// Frames on one connected socket, the large ones in shared memory (CONTRACT.md, B-12 to B-14).
#pragma once

#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "shared_memory.hpp"

namespace rlmesh::detail {

inline double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

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
  // Returns whether bytes have left the kernel that `read` has not returned yet.
  virtual bool has_bytes() const { return false; }

 private:
  int descriptor_;
};

// Decides whether to look for bytes again and again before sleeping until they come. A process that sleeps is woken
// tens of microseconds later, which is more than a short step takes; so a spin lasts about as long as it can save.
class SpinWait {
 public:
  // Calls `look` until it returns true, which it probably does soon; false: sleep.
  template <class Look>
  bool spin(Look look) {
    static const bool has_cores = [] {
      cpu_set_t cores;
      return ::sched_getaffinity(0, sizeof cores, &cores) != 0 || CPU_COUNT(&cores) > 1;
    }();
    if (!was_short_ || !has_cores) return false;
    if (to_skip_ > skipped_) {
      ++skipped_;
      return false;
    }
    const double begun = seconds();
    for (double turn = begun; !look();) {
      ::sched_yield();  // The peer may have the same core.
      const double now = seconds();
      const bool is_preempted = now - turn > 1e-3;
      if (!is_preempted && now - begun < (succeeds_ ? 200e-6 : 500e-6)) {
        turn = now;
        continue;
      }
      // Other processes need the core, or the spin has failed: spin less often.
      to_skip_ = std::min(std::max(2 * to_skip_ + 1, is_preempted ? 32U : 0U), 256U);
      skipped_ = 0;
      return false;
    }
    if (succeeds_) to_skip_ = 0;
    succeeds_ = true;
    return true;
  }
  // Notes that the process has slept until bytes came.
  void slept(double duration) {
    was_short_ = duration < 500e-6;
    succeeds_ = false;
  }

 private:
  bool was_short_ = false, succeeds_ = false;
  unsigned skipped_ = 0, to_skip_ = 0;
};

class Channel {
 public:
  enum class Got { nothing, frame, too_long, end };

  // `may_share`: the ends of a Unix socket may hand over their segments, each with its first message but the hello.
  Channel(std::unique_ptr<Stream> stream, bool may_share)
      : stream_(std::move(stream)), heard_(seconds()), awaits_segment_(may_share) {}
  ~Channel() { release(handed_over_); }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  Stream& stream() { return *stream_; }
  // The time at which bytes last came.
  double heard() const { return heard_; }
  bool is_sending() const { return sent_ < out_.size() || rest_.size != 0; }

  // Looks for the next frame of at most `limit` bytes, without waiting; `frame` has it until the next call.
  Got read(std::uint64_t limit = max_message_bytes) {
    for (;;) {
      std::size_t wanted = 0;
      const Got found = is_gathering_ ? gather() : parse(limit, wanted);
      if (found != Got::nothing) return found;
      const ssize_t count = receive(wanted);
      if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return Got::nothing;
      if (count <= 0) return Got::end;
      heard_ = seconds();
      end_ += static_cast<std::size_t>(count);
    }
  }
  ByteView frame() const { return frame_; }
  // Returns whether large frames travel in shared memory.
  bool is_sharing() const { return is_sharing_; }
  // Gives up what has not been sent.
  void discard() {
    out_.clear();
    sent_ = 0;
    rest_ = ByteView();
  }
  // Returns whether bytes have come that `read` has not looked at.
  bool has_bytes() const { return begin_ != end_ || stream_->has_bytes(); }

  // Sends as much of a frame as is possible now; `flush` sends the rest, for which its bytes must stay where they are.
  // False: the connection is lost.
  bool send(ByteView frame, const std::vector<AlignedSlab>& aligned = {}) {
    discard();
    if (is_sharing_ && frame.size >= Segment::worthwhile_bytes) {
      own_->write(frame, aligned);
      append(static_cast<std::uint32_t>(frame.size) | reference_bit);
      append(0);
    } else {
      append(static_cast<std::uint32_t>(frame.size));
      const std::size_t first = std::min<std::size_t>(frame.size, 16'384);
      out_.insert(out_.end(), frame.data, frame.data + first);
      rest_ = ByteView(frame.data + first, frame.size - first);
    }
    return flush();
  }
  bool flush() {
    while (is_sending()) {
      const bool is_rest = sent_ == out_.size();
      const std::uint8_t* const from = is_rest ? rest_.data : out_.data() + sent_;
      const ssize_t count = write(from, is_rest ? rest_.size : out_.size() - sent_);
      if (count <= 0) return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
      const auto moved = static_cast<std::size_t>(count);
      if (is_rest) rest_ = ByteView(rest_.data + moved, rest_.size - moved);
      else sent_ += moved;
    }
    return true;
  }

  // Sends the first request of a client, with a segment.
  bool offer(ByteView frame) {
    if (awaits_segment_) own_ = Segment::make(handed_over_);
    return send(frame);
  }
  // Ends the offer of a client whose first request has been answered: frames are shared if a segment has come.
  void offered() {
    awaits_segment_ = false;
    is_sharing_ = own_ != nullptr && peer_ != nullptr;
    if (is_sharing_) return;
    own_.reset();
    peer_.reset();
  }
  // Sends the answer to the first request of a client, with a segment if one has come.
  bool answer_offer(ByteView frame) {
    if (peer_ != nullptr) own_ = Segment::make(handed_over_);
    const bool is_sent = send(frame);
    offered();
    return is_sent;
  }

 private:
  static constexpr std::uint32_t reference_bit = 0x8000'0000, in_chunks = 0xFFFF'FFFF;

  void append(std::uint32_t number) {
    const std::size_t at = out_.size();
    out_.resize(at + 4);
    std::memcpy(out_.data() + at, &number, 4);
  }
  static void release(int& descriptor) {
    if (descriptor >= 0) ::close(descriptor);
    descriptor = -1;
  }

  // Looks for a frame in the bytes that have come; `wanted`: how many it takes.
  Got parse(std::uint64_t limit, std::size_t& wanted) {
    for (wanted = 4; end_ - begin_ >= wanted;) {
      const std::uint8_t* const at = in_.data() + begin_;
      const auto length = load<std::uint32_t>(at);
      const std::uint32_t size = length & ~reference_bit;
      if (size > limit) return Got::too_long;
      const bool is_reference = length != size;
      wanted = is_reference ? 8 : 4 + std::size_t{size};
      if (end_ - begin_ < wanted) break;
      begin_ += wanted;
      if (is_reference) return refer(size, load<std::uint32_t>(at + 4));
      frame_ = ByteView(at + 4, size);
      if (size != 0) return Got::frame;
      wanted = 4;  // It was a pulse.
    }
    return Got::nothing;
  }

  // Receives bytes of a message of which `wanted` bytes are expected; the buffer grows with what has come (M-4).
  ssize_t receive(std::size_t wanted) {
    if (begin_ > 0) std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
    if (end_ == in_.size()) in_.resize(std::max<std::size_t>(4'096, std::min(std::max(wanted, end_ + 1), 2 * end_)));
    std::uint8_t* const out = in_.data() + end_;
    const std::size_t room = in_.size() - end_;
    return awaits_segment_ ? receive_with_segment(out, room) : stream_->read(out, room);
  }

  ssize_t receive_with_segment(std::uint8_t* out, std::size_t size) {
    iovec part{out, size};
    alignas(cmsghdr) std::uint8_t control[CMSG_SPACE(4 * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t count = ::recvmsg(stream_->descriptor(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count < 0) return count;
    bool is_refused = (message.msg_flags & MSG_CTRUNC) != 0;
    for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
      if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
      const std::size_t descriptors = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < descriptors; ++i) {
        int one = -1;
        std::memcpy(&one, CMSG_DATA(head) + i * sizeof(int), sizeof one);
        is_refused = is_refused || peer_ != nullptr;  // B-14: one descriptor.
        if (!is_refused) peer_ = Segment::map(one);
        is_refused = is_refused || peer_ == nullptr;
        ::close(one);
      }
    }
    return is_refused ? 0 : count;
  }

  ssize_t write(const std::uint8_t* bytes, std::size_t size) {
    if (handed_over_ < 0) return stream_->write(bytes, size);
    iovec part{const_cast<std::uint8_t*>(bytes), size};
    alignas(cmsghdr) std::uint8_t control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(head), &handed_over_, sizeof(int));
    const ssize_t count = ::sendmsg(stream_->descriptor(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) release(handed_over_);
    return count;
  }

  // Finds the frame that a reference stands for, or begins one that comes in chunks.
  Got refer(std::uint32_t size, std::uint32_t page) {
    if (!is_sharing_ || size == 0) return Got::end;
    if (page == in_chunks) {
      chunks_.resize(size);
      gathered_ = 0;
      is_gathering_ = true;
      return gather();
    }
    const auto found = peer_->read(page * Segment::page_bytes, size);
    frame_ = found.value_or(ByteView());
    return found ? Got::frame : Got::end;
  }

  // Copies the chunks whose byte has come, and sends a byte for each.
  Got gather() {
    const bool is_large = chunks_.size() >= 16 * 1'048'576;
    const std::size_t chunk = is_large ? 1'048'576 : 262'144, slots = is_large ? 4 : 8;
    if (!is_sending()) out_.clear(), sent_ = 0;
    for (; begin_ != end_ && gathered_ < chunks_.size(); ++begin_) {
      const std::size_t count = std::min(chunk, chunks_.size() - gathered_);
      const auto found = peer_->read(gathered_ / chunk % slots * chunk, count);
      if (!found) return Got::end;
      std::memcpy(chunks_.data() + gathered_, found->data, count);
      gathered_ += count;
      out_.push_back(1);
    }
    if (!flush()) return Got::end;
    if (gathered_ < chunks_.size() || is_sending()) return Got::nothing;
    is_gathering_ = false;
    frame_ = chunks_;
    return Got::frame;
  }

  std::unique_ptr<Stream> stream_;
  double heard_;
  // Bytes that have come: those from `begin_` to `end_` have not been looked at.
  Bytes in_;
  std::size_t begin_ = 0, end_ = 0;
  ByteView frame_;
  // Bytes to send: `out_` from `sent_` on, then `rest_`.
  Bytes out_;
  std::size_t sent_ = 0;
  ByteView rest_;
  // Shared memory.
  bool awaits_segment_, is_sharing_ = false;
  std::unique_ptr<Segment> own_, peer_;
  int handed_over_ = -1;
  // A frame that comes in chunks, and how many of its bytes have come.
  Bytes chunks_;
  std::size_t gathered_ = 0;
  bool is_gathering_ = false;
};

}  // namespace rlmesh::detail
