// Protobuf's wire format, and the errors of this library. No other library is needed.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace rlmesh {

static_assert(sizeof(double) == 8 && sizeof(float) == 4, "IEEE 754 is required");
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "rlmesh needs a little-endian machine: slabs are little-endian (G-4)"
#endif

// The numbers of rlmesh.proto.session.v1.ErrorCode.
enum class ErrorCode : std::uint32_t {
  user_exception = 1, malformed, invalid_value, invalid_result, wrong_state, out_of_sequence, unsupported_version,
  unsupported, unauthenticated, permission_denied, busy, unknown_session, limit_exceeded, not_exposed, timeout, crashed,
  shutting_down, internal,
};

// The base of all exceptions of this library. `path` locates a value or field.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message, std::string path = "")
      : std::runtime_error(path.empty() ? message : path + ": " + message),
        code_(code),
        path_(std::move(path)),
        message_(message) {}

  ErrorCode code() const { return code_; }
  const std::string& path() const { return path_; }
  // The message without the path.
  const std::string& message() const { return message_; }

 private:
  ErrorCode code_;
  std::string path_;
  std::string message_;
};

// The peer's answer is an error; the session goes on unless `session_closed`.
class RemoteError : public Error {
 public:
  RemoteError(ErrorCode code, const std::string& message, std::string path, bool session_closed)
      : Error(code, message, std::move(path)), session_closed_(session_closed) {}
  bool session_closed() const { return session_closed_; }

 private:
  bool session_closed_;
};

using Bytes = std::vector<std::uint8_t>;

// Bytes that belong to something else.
struct ByteView {
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;

  ByteView() = default;
  ByteView(const std::uint8_t* bytes, std::size_t count) : data(bytes), size(count) {}
  ByteView(const Bytes& bytes) : data(bytes.data()), size(bytes.size()) {}
  std::string text() const { return std::string(reinterpret_cast<const char*>(data), size); }
  Bytes copy() const { return Bytes(data, data + size); }
};

// Bytes of its own, or in place: those of something that outlives it.
class Data {
 public:
  Data() = default;
  Data(Bytes bytes) : own_(std::move(bytes)) {}
  static Data in_place(ByteView bytes) {
    Data found;
    found.view_ = bytes;
    return found;
  }
  bool is_in_place() const { return view_.data != nullptr; }
  const std::uint8_t* data() const { return is_in_place() ? view_.data : own_.data(); }
  std::size_t size() const { return is_in_place() ? view_.size : own_.size(); }
  const std::uint8_t* begin() const { return data(); }
  const std::uint8_t* end() const { return data() + size(); }
  operator ByteView() const { return ByteView(data(), size()); }
  bool operator==(const Data& other) const {
    return size() == other.size() && (size() == 0 || std::memcmp(data(), other.data(), size()) == 0);
  }

 private:
  Bytes own_;
  ByteView view_;
};

inline ByteView view_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline Error malformed(const std::string& message, std::string path = "") {
  return Error(ErrorCode::malformed, message, std::move(path));
}

// Maximum number of fields in one message and in the messages within it (M-1).
constexpr std::uint64_t max_fields = 8'388'608;

// Returns whether bytes are UTF-8: shortest forms, no surrogates, at most U+10FFFF (G-7, V-9).
inline bool is_utf8(ByteView text) {
  for (std::size_t i = 0; i < text.size;) {
    const std::uint8_t lead = text.data[i++];
    if (lead < 0x80) continue;
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4 || text.size - i < static_cast<std::size_t>(more)) return false;
    const std::uint8_t second = text.data[i];
    const std::uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const std::uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (second < low || second > high) return false;
    for (int k = 1; k < more; ++k) {
      if ((text.data[i + static_cast<std::size_t>(k)] & 0xC0) != 0x80) return false;
    }
    i += static_cast<std::size_t>(more);
  }
  return true;
}

// Reads the fields of one message in their order on the wire. The bytes may be memory that another process could change:
// each byte is read once, and what is checked is a copy.
class FieldReader {
 public:
  explicit FieldReader(ByteView message, std::uint64_t* fields = nullptr)
      : at_(message.data), end_(message.data + message.size), fields_(fields ? fields : &own_) {}
  FieldReader(const FieldReader&) = delete;
  FieldReader& operator=(const FieldReader&) = delete;

  // Reads the next tag; false at the end of the message.
  bool next() {
    if (pending_) skip();
    if (at_ == end_) return false;
    if (++*fields_ > max_fields) {
      throw Error(ErrorCode::limit_exceeded, "expected at most 8388608 fields in a message (M-1)");
    }
    const std::uint64_t tag = varint();
    number_ = tag >> 3;
    type_ = static_cast<unsigned>(tag & 7);
    if (number_ == 0 || number_ > 536'870'911) throw malformed("a field has no valid number");
    pending_ = true;
    return true;
  }

  bool is(std::uint32_t number, unsigned type) const { return number_ == number && type_ == type; }
  std::uint32_t number() const { return static_cast<std::uint32_t>(number_); }
  unsigned type() const { return type_; }

  // Reads the field into `out` and returns true if it has this number, and the wire type of `out`; with another wire type
  // it counts as unknown (G-3).
  template <class T>
  bool to(std::uint32_t number, T& out) {
    constexpr unsigned type = std::is_floating_point_v<T> ? 1 : std::is_arithmetic_v<T> ? 0 : 2;
    if (!is(number, type)) return false;
    if constexpr (type == 1) out = number64();
    else if constexpr (std::is_same_v<T, bool>) out = integer() != 0;
    else if constexpr (type == 0) out = static_cast<T>(integer());
    else if constexpr (std::is_same_v<T, std::string>) out = text();
    else if constexpr (std::is_same_v<T, Bytes>) out = bytes().copy();
    else out = bytes();
    return true;
  }
  // The same for a message, with which `read` is called.
  template <class Read>
  bool message(std::uint32_t number, Read read) {
    if (!is(number, 2)) return false;
    read(bytes());
    return true;
  }
  // The same for a repeated field of integers, packed or not.
  template <class Append>
  bool integers(std::uint32_t number, Append append) {
    if (number_ != number) return false;
    if (type_ == 0) {
      append(integer());
      return true;
    }
    FieldReader packed(bytes());
    while (packed.at_ != packed.end_) append(packed.varint());
    return true;
  }

  std::uint64_t integer() {
    require(0);
    return varint();
  }
  std::int64_t zigzag() {
    const std::uint64_t bits = integer();
    return static_cast<std::int64_t>((bits >> 1) ^ (~(bits & 1) + 1));
  }
  double number64() {
    require(1);
    double result = 0;
    std::memcpy(&result, take(8).data, 8);
    return result;
  }
  ByteView bytes() {
    require(2);
    return sized();
  }
  std::string text() {
    std::string found = bytes().text();
    if (!is_utf8(view_of(found))) throw malformed("a text is not UTF-8 (G-7)");
    return found;
  }
 private:
  void require(unsigned type) {
    if (type_ != type) throw malformed("a field has another wire type than its schema");
    pending_ = false;
  }
  std::uint64_t varint() {
    std::uint64_t result = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      if (at_ == end_) throw malformed("a message ends within a number");
      const std::uint8_t byte = *at_++;
      if (shift < 64) result |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return result;
    }
    throw malformed("a number has more than 10 bytes");
  }
  ByteView take(std::uint64_t size) {
    if (size > static_cast<std::uint64_t>(end_ - at_)) throw malformed("a message ends within a field");
    const ByteView found(at_, static_cast<std::size_t>(size));
    at_ += size;
    return found;
  }
  ByteView sized() { return take(varint()); }
  void skip(unsigned depth = 0) {
    pending_ = false;
    switch (type_) {
      case 0: varint(); break;
      case 1: take(8); break;
      case 2: sized(); break;
      case 5: take(4); break;
      case 3: skip_group(depth); break;
      default: throw malformed("a field has an unknown wire type");
    }
  }
  void skip_group(unsigned depth) {
    if (depth > 100) throw malformed("groups are nested too deeply");
    const std::uint64_t group = number_;
    for (;;) {
      const std::uint64_t tag = varint();
      number_ = tag >> 3;
      type_ = static_cast<unsigned>(tag & 7);
      if (type_ == 4) break;
      skip(depth + 1);
    }
    if (number_ != group) throw malformed("a group ends as another one");
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  std::uint64_t own_ = 0;
  std::uint64_t* fields_;
  std::uint64_t number_ = 0;
  unsigned type_ = 0;
  bool pending_ = false;
};

// Calls `read` with a reader at each field of a message.
template <class Read>
void read_fields(ByteView message, std::uint64_t* fields, Read read) {
  FieldReader reader(message, fields);
  while (reader.next()) read(reader);
}

// A slab with padding around it, which a writer of shared memory moves between the two until the slab is aligned (B-17):
// two bytes of padding, `head` bytes of tag and length, `size` bytes of slab, 65 bytes of padding.
struct AlignedSlab {
  std::size_t begin, head, size;
};

// Appends fields to a message, in the order of its caller.
class FieldWriter {
 public:
  Bytes out;

  // `room`: the number of bytes left free at the beginning.
  explicit FieldWriter(std::size_t room = 0) : out(room) {}

  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::uint8_t>(value | 0x80));
    out.push_back(static_cast<std::uint8_t>(value));
  }
  static std::size_t varint_size(std::uint64_t value) {
    std::size_t size = 1;
    for (; value >= 0x80; value >>= 7) ++size;
    return size;
  }
  void tag(std::uint32_t field, unsigned type) {
    varint((static_cast<std::uint64_t>(field) << 3) | type);
  }
  // Writes a number unless it is 0, the default.
  void integer(std::uint32_t field, std::uint64_t value) {
    if (value == 0) return;
    tag(field, 0);
    varint(value);
  }
  // Writes a number of a field with presence.
  void present(std::uint32_t field, std::uint64_t value) {
    tag(field, 0);
    varint(value);
  }
  static std::uint64_t zigzag(std::int64_t value) {
    return (static_cast<std::uint64_t>(value) << 1) ^ (value < 0 ? ~std::uint64_t{0} : 0);
  }
  void number64(std::uint32_t field, double value) {
    const double zero = 0;
    if (std::memcmp(&value, &zero, 8) != 0) present64(field, value);
  }
  void present64(std::uint32_t field, double value) {
    tag(field, 1);
    const std::size_t at = out.size();
    out.resize(at + 8);
    std::memcpy(out.data() + at, &value, 8);
  }
  // Writes bytes, also empty ones.
  void bytes(std::uint32_t field, ByteView value) {
    tag(field, 2);
    varint(value.size);
    raw(value);
  }
  // Writes a text unless it is empty, the default.
  void text(std::uint32_t field, const std::string& value) {
    if (!value.empty()) bytes(field, view_of(value));
  }
  void message(std::uint32_t field, const FieldWriter& part) { bytes(field, part.out); }
  void packed(std::uint32_t field, const std::vector<std::uint64_t>& values) {
    if (values.empty()) return;
    FieldWriter part;
    for (const std::uint64_t value : values) part.varint(value);
    message(field, part);
  }
  void raw(ByteView value) {
    if (value.size) out.insert(out.end(), value.data, value.data + value.size);
  }
};

}  // namespace rlmesh
