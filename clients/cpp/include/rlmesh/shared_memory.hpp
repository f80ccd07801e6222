// Memory that large frames travel in on a Unix socket (CONTRACT.md, B-14).
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "space.hpp"

namespace rlmesh {

// Anonymous memory of one end of a connection: that end writes its frames, the other one reads them in place.
class Segment {
 public:
  static constexpr std::uint64_t page_bytes = 4'096;
  static constexpr std::uint64_t max_bytes = 536'870'912;
  // Size in bytes from which a frame travels here; a smaller one costs less on the socket.
  static constexpr std::size_t worthwhile_bytes = 16'384;

  // Returns a segment to write, and its descriptor for the peer; null if the system has no such memory.
  // It has addresses for the largest frame; memory is taken for what has been written.
  static std::unique_ptr<Segment> make(int& descriptor) {
    descriptor = ::memfd_create("rlmesh", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) return nullptr;
    void* at = MAP_FAILED;
    if (::ftruncate(descriptor, static_cast<off_t>(max_message_bytes)) == 0) {
      at = ::mmap(nullptr, max_message_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    }
    // Reading a page that was cut off would end the reader's process.
    if (at != MAP_FAILED && ::fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0) {
      constexpr int seal_future_write = 0x10;  // Of Linux 5.1.
      ::fcntl(descriptor, F_ADD_SEALS, seal_future_write);
      ::fcntl(descriptor, F_ADD_SEALS, F_SEAL_SEAL);
      return std::unique_ptr<Segment>(new Segment(static_cast<std::uint8_t*>(at), max_message_bytes));
    }
    if (at != MAP_FAILED) ::munmap(at, max_message_bytes);
    ::close(descriptor);
    descriptor = -1;
    return nullptr;
  }

  // Maps a peer's segment read-only; null if the descriptor, which the caller closes, is not of sealed memory.
  static std::unique_ptr<Segment> map(int descriptor) {
    const int seals = ::fcntl(descriptor, F_GET_SEALS);
    struct stat facts {};
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || ::fstat(descriptor, &facts) != 0) return nullptr;
    const auto size = static_cast<std::uint64_t>(facts.st_size);
    if (size == 0 || size > max_bytes) return nullptr;
    void* const at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
    return at == MAP_FAILED ? nullptr : std::unique_ptr<Segment>(new Segment(static_cast<std::uint8_t*>(at), size));
  }

  ~Segment() { ::munmap(at_, size_); }
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  // Returns the bytes from an offset on, which the peer may write over later; nothing if they are not all inside.
  std::optional<ByteView> read(std::uint64_t offset, std::uint64_t count) const {
    if (count > size_ || offset > size_ - count) return std::nullopt;
    return ByteView(at_ + offset, static_cast<std::size_t>(count));
  }
  // Writes a frame at the first page, with the slabs at multiples of 64 bytes.
  void write(ByteView frame, const std::vector<AlignedSlab>& aligned) {
    std::uint8_t* out = at_;
    std::size_t done = 0;
    const auto copy_until = [&](std::size_t end) {
      out = std::copy(frame.data + done, frame.data + end, out);
      done = end;
    };
    const auto pad = [&](std::size_t size) {
      *out++ = 3 << 3 | 2;  // Value.padding
      *out++ = static_cast<std::uint8_t>(size);
      out = std::fill_n(out, size, std::uint8_t{0});
    };
    for (const AlignedSlab& slab : aligned) {
      copy_until(slab.begin);
      const std::size_t before = (64 - (static_cast<std::size_t>(out - at_) + 2 + slab.head) % 64) % 64;
      pad(before);
      done += 2;
      copy_until(done + slab.head + slab.size);
      pad(63 - before);
      done += 65;
    }
    copy_until(frame.size);
  }

 private:
  Segment(std::uint8_t* at, std::uint64_t size) : at_(at), size_(size) {}
  std::uint8_t* at_;
  std::uint64_t size_;
};

}  // namespace rlmesh
