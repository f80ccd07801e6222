// Spaces: what values an environment exchanges (CONTRACT.md, section 11).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "wire.hpp"

namespace rlmesh {

// The numbers of rlmesh.proto.spaces.v1.DType.
enum class DType : std::uint8_t {
  boolean = 1,
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64,
  float16,
  bfloat16,
  float32,
  float64,
};

inline std::size_t item_size(DType dtype) {
  switch (dtype) {
    case DType::boolean:
    case DType::int8:
    case DType::uint8: return 1;
    case DType::int16:
    case DType::uint16:
    case DType::float16:
    case DType::bfloat16: return 2;
    case DType::int32:
    case DType::uint32:
    case DType::float32: return 4;
    default: return 8;
  }
}
inline bool is_float(DType dtype) { return dtype >= DType::float16; }
inline bool is_integer(DType dtype) { return dtype >= DType::int8 && dtype <= DType::uint64; }
inline bool is_signed(DType dtype) { return dtype >= DType::int8 && dtype <= DType::int64; }

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, bool>) return DType::boolean;
  if constexpr (std::is_same_v<T, std::int8_t>) return DType::int8;
  if constexpr (std::is_same_v<T, std::int16_t>) return DType::int16;
  if constexpr (std::is_same_v<T, std::int32_t>) return DType::int32;
  if constexpr (std::is_same_v<T, std::int64_t>) return DType::int64;
  if constexpr (std::is_same_v<T, std::uint8_t>) return DType::uint8;
  if constexpr (std::is_same_v<T, std::uint16_t>) return DType::uint16;
  if constexpr (std::is_same_v<T, std::uint32_t>) return DType::uint32;
  if constexpr (std::is_same_v<T, std::uint64_t>) return DType::uint64;
  if constexpr (std::is_same_v<T, float>) return DType::float32;
  if constexpr (std::is_same_v<T, double>) return DType::float64;
}

using Shape = std::vector<std::uint64_t>;
using Key = std::variant<std::string, std::int64_t>;

enum class Family { box = 1, discrete, multi_binary, multi_discrete, text, dict, tuple, sequence, graph, one_of };

// Bounds of a Box: `uniform` has one element, otherwise `data` has all; `unbounded` as in S-16.
struct Bounds {
  Bytes data;
  bool uniform = true;
  Bytes unbounded;
};

// Limits of M-1 that concern spaces.
constexpr unsigned max_depth = 24;
constexpr std::size_t max_leaves = 4'096;
constexpr std::size_t max_spaces = 16'384;
constexpr std::size_t max_dimensions = 31;
constexpr std::uint64_t max_message_bytes = 268'435'456;
constexpr std::uint64_t max_checked_elements = 8'388'608;
constexpr std::size_t max_key_bytes = 65'536;

// A space of any family; the members that a family does not have are empty.
struct Space {
  Family family = Family::tuple;
  DType dtype = DType::float32;
  Shape shape;
  Bounds low, high;                            // Box
  std::uint64_t n = 1;                         // Discrete
  Bytes start, nvec;                           // Discrete, MultiDiscrete
  bool flat = false;                           // MultiBinary
  std::uint32_t min_length = 0, max_length = 0;  // Text
  std::string charset;                         // Text
  std::vector<Key> keys;                       // Dict: one for each of `parts`
  bool insertion_ordered = false;              // Dict
  bool stacked = false;                        // Sequence
  // Sub-spaces. Sequence: its one space. Graph: that of nodes, then that of edges if it has one.
  std::vector<Space> parts;

  bool is_leaf() const { return family <= Family::text; }

  // Returns a Box with one lower and one upper bound, in numbers of the dtype.
  template <class T>
  static Space box(T lowest, T highest, Shape extents) {
    Space space;
    space.family = Family::box;
    space.dtype = dtype_of<T>();
    space.shape = std::move(extents);
    space.low = one_bound(lowest, space.shape);
    space.high = one_bound(highest, space.shape);
    return space;
  }
  // Returns a Box with bounds element by element, in C order.
  template <class T>
  static Space box(const std::vector<T>& lowest, const std::vector<T>& highest, Shape extents) {
    Space space;
    space.family = Family::box;
    space.dtype = dtype_of<T>();
    space.shape = std::move(extents);
    space.low = Bounds{bytes_of(lowest), false, {}};
    space.high = Bounds{bytes_of(highest), false, {}};
    return space;
  }
  // Returns the integers from `first` to `first + count - 1`.
  static Space discrete(std::uint64_t count, std::int64_t first = 0, DType type = DType::int64) {
    Space space;
    space.family = Family::discrete;
    space.dtype = type;
    space.n = count;
    if (first != 0) space.start = bytes_of(std::vector<std::int64_t>{first});
    space.start.resize(first == 0 ? 0 : item_size(type));
    return space;
  }
  static Space multi_binary(Shape extents) {
    Space space;
    space.family = Family::multi_binary;
    space.dtype = DType::int8;
    space.flat = extents.size() == 1;
    space.shape = std::move(extents);
    return space;
  }
  static Space multi_discrete(const std::vector<std::int64_t>& counts) {
    Space space;
    space.family = Family::multi_discrete;
    space.dtype = DType::int64;
    space.shape = {counts.size()};
    space.nvec = bytes_of(counts);
    return space;
  }
  static Space text(std::uint32_t longest, std::string characters, std::uint32_t shortest = 0) {
    Space space;
    space.family = Family::text;
    space.min_length = shortest;
    space.max_length = longest;
    space.charset = std::move(characters);
    return space;
  }
  static Space dict(std::vector<std::pair<Key, Space>> entries) {
    Space space;
    space.family = Family::dict;
    space.insertion_ordered = true;
    for (auto& [key, part] : entries) {
      space.keys.push_back(std::move(key));
      space.parts.push_back(std::move(part));
    }
    return space;
  }
  static Space of(Family family, std::vector<Space> parts) {
    Space space;
    space.family = family;
    space.parts = std::move(parts);
    return space;
  }

  template <class T>
  static Bytes bytes_of(const std::vector<T>& numbers) {
    Bytes bytes(numbers.size() * sizeof(T));
    if (!numbers.empty()) std::memcpy(bytes.data(), numbers.data(), bytes.size());
    return bytes;
  }

 private:
  template <class T>
  static Bounds one_bound(T bound, const Shape& extents) {
    for (const std::uint64_t extent : extents) {
      if (extent == 0) return Bounds{{}, false, {}};
    }
    Bytes bytes(sizeof(T));
    std::memcpy(bytes.data(), &bound, sizeof(T));
    return Bounds{bytes, true, {}};
  }
};

// Returns the path of a part.
inline std::string path_of(const std::string& path, const Key& key) {
  if (const auto* index = std::get_if<std::int64_t>(&key)) return path + "[" + std::to_string(*index) + "]";
  std::string quoted;
  for (const char c : std::get<std::string>(key)) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return path + "['" + quoted + "']";
}
inline std::string path_of(const std::string& path, std::size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

inline Error too_large(const std::string& path) {
  return Error(ErrorCode::limit_exceeded, "expected extents, and a size, of at most 2^63 - 1 bytes (M-6)", path);
}

// Returns the product of the extents; 0 if one is 0. Throws if it has more than `limit` (S-4, M-6).
inline std::uint64_t element_count(const Shape& shape, std::uint64_t item, const std::string& path) {
  constexpr std::uint64_t largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  std::uint64_t product = 1;
  bool is_empty = false;
  for (const std::uint64_t extent : shape) {
    if (extent > largest) throw too_large(path);
    if (extent == 0) {
      is_empty = true;
      continue;
    }
    if (product > largest / item / extent) throw too_large(path);
    product *= extent;
  }
  return is_empty ? 0 : product;
}

// Returns one element as a double; integers of 64 bits are rounded.
double number_of(DType dtype, const std::uint8_t* bytes);

inline double half_to_double(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const double fraction = bits & 1023;
  double result = 0;
  if (exponent == 31) {
    result = fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
  } else if (exponent == 0) {
    result = std::ldexp(fraction, -24);
  } else {
    result = std::ldexp(1024 + fraction, exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -result : result;
}

template <class T>
T load(const std::uint8_t* bytes) {
  T result;
  std::memcpy(&result, bytes, sizeof(T));
  return result;
}

inline double number_of(DType dtype, const std::uint8_t* bytes) {
  switch (dtype) {
    case DType::boolean:
    case DType::uint8: return *bytes;
    case DType::int8: return load<std::int8_t>(bytes);
    case DType::int16: return load<std::int16_t>(bytes);
    case DType::int32: return load<std::int32_t>(bytes);
    case DType::int64: return static_cast<double>(load<std::int64_t>(bytes));
    case DType::uint16: return load<std::uint16_t>(bytes);
    case DType::uint32: return load<std::uint32_t>(bytes);
    case DType::uint64: return static_cast<double>(load<std::uint64_t>(bytes));
    case DType::float16: return half_to_double(load<std::uint16_t>(bytes));
    case DType::bfloat16: {
      const std::uint32_t bits = static_cast<std::uint32_t>(load<std::uint16_t>(bytes)) << 16;
      float result;
      std::memcpy(&result, &bits, 4);
      return result;
    }
    case DType::float32: return load<float>(bytes);
    case DType::float64: return load<double>(bytes);
  }
  return 0;
}

// An exact integer of any of the eight types: a sign and a magnitude.
struct Whole {
  bool negative = false;
  std::uint64_t magnitude = 0;

  static Whole of(DType dtype, const std::uint8_t* bytes) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, bytes, item_size(dtype));
    const unsigned size = static_cast<unsigned>(8 * item_size(dtype));
    if (is_signed(dtype) && ((bits >> (size - 1)) & 1) != 0) {
      if (size < 64) bits |= ~std::uint64_t{0} << size;
      return Whole{true, ~bits + 1};
    }
    return Whole{false, bits};
  }
  // Returns this number plus a count; the result saturates at 2^64 - 1.
  Whole plus(std::uint64_t count) const {
    if (!negative) {
      const std::uint64_t sum = magnitude + count;
      return Whole{false, sum < count ? std::numeric_limits<std::uint64_t>::max() : sum};
    }
    return count >= magnitude ? Whole{false, count - magnitude} : Whole{true, magnitude - count};
  }
  bool operator<(const Whole& other) const {
    if (negative != other.negative) return negative;
    return negative ? magnitude > other.magnitude : magnitude < other.magnitude;
  }
  static Whole largest(DType dtype) {
    const unsigned bits = static_cast<unsigned>(8 * item_size(dtype)) - (is_signed(dtype) ? 1 : 0);
    return Whole{false, bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1};
  }
};

// Compares two elements of one type, exactly.
inline bool is_less(DType dtype, const std::uint8_t* a, const std::uint8_t* b) {
  if (is_integer(dtype)) return Whole::of(dtype, a) < Whole::of(dtype, b);
  return number_of(dtype, a) < number_of(dtype, b);
}

// Splits UTF-8 into its characters.
inline std::vector<std::string> characters_of(const std::string& text) {
  std::vector<std::string> found;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i + 1;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
    found.push_back(text.substr(i, end - i));
    i = end;
  }
  return found;
}

inline DType read_dtype(std::uint64_t number, const std::string& path) {
  if (number == 0) throw malformed("a dtype is missing (S-3)", path);
  if (number > 13) throw Error(ErrorCode::unsupported, "dtype " + std::to_string(number) + " is unknown (S-3)", path);
  return static_cast<DType>(number);
}

// Reads a space, and refuses one that breaks a rule of section 11 or is over a limit of M-1.
class SpaceReader {
 public:
  static Space read(ByteView message, const std::string& path) {
    SpaceReader reader;
    return reader.space(message, path, 1);
  }

 private:
  std::uint64_t fields_ = 0;
  std::size_t spaces_ = 0, leaves_ = 0;
  std::uint64_t checked_ = 0;

  [[noreturn]] static void over(const std::string& limit, const std::string& path) {
    throw Error(ErrorCode::limit_exceeded, "expected at most " + limit + " (M-1)", path);
  }

  Space space(ByteView message, const std::string& path, unsigned depth) {
    if (depth > max_depth) throw malformed("expected a space of at most 24 levels (S-2)", path);
    if (++spaces_ > max_spaces) over("16384 spaces", path);
    std::uint32_t kind = 0;
    ByteView body;
    Bytes merged;
    FieldReader reader(message, &fields_);
    while (reader.next()) {
      const std::uint32_t number = reader.field(2);
      if (number < 1 || number > 10) continue;
      body = reader.bytes();
      // Two occurrences of one member of a oneof are merged, as every parser does.
      if (number == kind) {
        merged.insert(merged.end(), body.data, body.data + body.size);
        body = merged;
      } else {
        merged = body.copy();
      }
      kind = number;
    }
    if (kind == 0) throw Error(ErrorCode::unsupported, "a space has no kind, or an unknown one (S-1)", path);
    Space found;
    found.family = static_cast<Family>(kind);
    if (found.is_leaf() && ++leaves_ > max_leaves) over("4096 leaves", path);
    FieldReader fields(kind == 0 ? ByteView() : body, &fields_);
    switch (found.family) {
      case Family::box: box(found, fields, path); break;
      case Family::discrete: discrete(found, fields, path); break;
      case Family::multi_binary: multi_binary(found, fields, path); break;
      case Family::multi_discrete: multi_discrete(found, fields, path); break;
      case Family::text: text(found, fields, path); break;
      case Family::dict: dict(found, fields, path, depth); break;
      default: composite(found, fields, path, depth);
    }
    return found;
  }

  static void extent(Space& space, FieldReader& fields, const std::string& path) {
    fields.integers([&](std::uint64_t value) {
      if (space.shape.size() == max_dimensions) over("31 dimensions", path);
      space.shape.push_back(value);
    });
  }

  // Returns the number of elements of a leaf whose values fit into a message.
  static std::uint64_t sized(const Space& space, const std::string& path) {
    const std::uint64_t item = item_size(space.dtype);
    const std::uint64_t count = element_count(space.shape, item, path);
    if (count > max_message_bytes / item) over("268435456 bytes in a value of a leaf", path);
    return count;
  }

  void box(Space& space, FieldReader& fields, const std::string& path) {
    std::uint64_t dtype = 0;
    bool has[2] = {false, false};
    while (fields.next()) {
      switch (fields.number()) {
        case 1: if (fields.field(0)) dtype = fields.integer(); break;
        case 2: extent(space, fields, path); break;
        case 3:
        case 4:
          if (!fields.field(2)) break;
          bounds(fields.number() == 3 ? space.low : space.high, fields.bytes(), has[fields.number() - 3]);
          break;
        default: break;
      }
    }
    space.dtype = read_dtype(dtype, path);
    if (!has[0] || !has[1]) throw malformed("expected low and high with one form each (S-5)", path);
    const std::uint64_t count = sized(space, path);
    check_bounds(space, count, path);
  }

  void bounds(Bounds& out, ByteView message, bool& has_form) {
    FieldReader fields(message, &fields_);
    while (fields.next()) {
      const std::uint32_t number = fields.field(2);
      if (number == 1 || number == 2) {
        out.data = fields.bytes().copy();
        out.uniform = number == 1;
        has_form = true;
      } else if (number == 3) {
        out.unbounded = fields.bytes().copy();
      }
    }
  }

  void check_bounds(const Space& space, std::uint64_t count, const std::string& path) {
    const std::uint64_t item = item_size(space.dtype);
    for (const Bounds* side : {&space.low, &space.high}) {
      const std::uint64_t expected = side->uniform ? item : count * item;
      if (side->data.size() != expected) throw malformed("a bound has another size than its elements (S-5)", path);
      if (!side->uniform && (checked_ += count) > max_checked_elements) over("8388608 bounds by element", path);
      const std::size_t marks = side->unbounded.size();
      if (marks != 0 && marks != 1 && marks != count) throw malformed("expected one mark, or one for each element (S-16)", path);
      if (marks != 0 && !is_integer(space.dtype)) throw malformed("only bounds of integers have marks (S-16)", path);
      if (marks == 1 && count != 1 && side->unbounded[0] != 1) throw malformed("expected the mark 1 (S-16)", path);
    }
    const std::uint64_t checked = space.low.uniform && space.high.uniform ? 1 : count;
    for (std::uint64_t i = 0; i < checked; ++i) {
      const std::uint8_t* low = element(space.low, i, item);
      const std::uint8_t* high = element(space.high, i, item);
      if (space.dtype == DType::boolean && (*low > 1 || *high > 1)) throw malformed("a bound of bools is neither 0 nor 1 (S-6)", path);
      const bool is_nan = is_float(space.dtype) && (std::isnan(number_of(space.dtype, low)) || std::isnan(number_of(space.dtype, high)));
      if (is_nan || is_less(space.dtype, high, low)) throw malformed("expected low <= high, neither of them NaN (S-6)", path);
    }
    check_marks(space, space.low, count, path, true);
    check_marks(space, space.high, count, path, false);
  }

  static const std::uint8_t* element(const Bounds& side, std::uint64_t i, std::uint64_t item) {
    return side.data.data() + (side.uniform ? 0 : i * item);
  }

  static void check_marks(const Space& space, const Bounds& side, std::uint64_t count, const std::string& path, bool is_low) {
    const std::size_t marks = side.unbounded.size();
    if (marks == 0) return;
    const std::uint64_t checked = marks == 1 && side.uniform ? 1 : count;
    for (std::uint64_t i = 0; i < checked; ++i) {
      const std::uint8_t mark = side.unbounded[marks == 1 ? 0 : i];
      if (mark > 1) throw malformed("a mark is neither 0 nor 1 (S-16)", path);
      if (mark == 0) continue;
      const Whole bound = Whole::of(space.dtype, element(side, i, item_size(space.dtype)));
      const Whole largest = Whole::largest(space.dtype);
      const Whole wanted = !is_low ? largest : is_signed(space.dtype) ? Whole{true, largest.magnitude + 1} : Whole{};
      if (bound < wanted || wanted < bound) throw malformed("a marked bound is not the limit of its dtype (S-16)", path);
    }
  }

  void discrete(Space& space, FieldReader& fields, const std::string& path) {
    std::uint64_t dtype = 0;
    space.n = 0;
    while (fields.next()) {
      switch (fields.number()) {
        case 1: if (fields.field(0)) dtype = fields.integer(); break;
        case 2: if (fields.field(0)) space.n = fields.integer(); break;
        case 3: if (fields.field(2)) space.start = fields.bytes().copy(); break;
        default: break;
      }
    }
    space.dtype = read_dtype(dtype, path);
    if (!is_integer(space.dtype)) throw malformed("expected an integer dtype (S-7)", path);
    if (space.n == 0) throw malformed("expected n of at least 1 (S-7)", path);
    if (!space.start.empty() && space.start.size() != item_size(space.dtype)) throw malformed("a start has another size than its dtype (S-7)", path);
    check_range(space.dtype, space.start.empty() ? nullptr : space.start.data(), space.n, path, "S-7");
  }

  static void check_range(DType dtype, const std::uint8_t* start, std::uint64_t count, const std::string& path, const char* rule) {
    const Whole first = start == nullptr ? Whole{} : Whole::of(dtype, start);
    const Whole last = first.plus(count - 1);
    const bool wraps = !first.negative && last.magnitude < count - 1;
    if (wraps || (!first.negative && first.magnitude > ~std::uint64_t{0} - (count - 1)) || Whole::largest(dtype) < last) {
      throw malformed(std::string("the last number is beyond the dtype (") + rule + ")", path);
    }
  }

  static void multi_binary(Space& space, FieldReader& fields, const std::string& path) {
    while (fields.next()) {
      if (fields.number() == 1) extent(space, fields, path);
      else if (fields.number() == 2 && fields.field(0)) space.flat = fields.integer() != 0;
    }
    space.dtype = DType::int8;
    if (space.shape.empty()) throw malformed("expected one dimension at least (S-8)", path);
    if (space.flat && space.shape.size() != 1) throw malformed("expected one dimension of a flat MultiBinary (S-8)", path);
    sized(space, path);
  }

  void multi_discrete(Space& space, FieldReader& fields, const std::string& path) {
    std::uint64_t dtype = 0;
    while (fields.next()) {
      switch (fields.number()) {
        case 1: if (fields.field(0)) dtype = fields.integer(); break;
        case 2: extent(space, fields, path); break;
        case 3: if (fields.field(2)) space.nvec = fields.bytes().copy(); break;
        case 4: if (fields.field(2)) space.start = fields.bytes().copy(); break;
        default: break;
      }
    }
    space.dtype = read_dtype(dtype, path);
    if (!is_integer(space.dtype)) throw malformed("expected an integer dtype (S-9)", path);
    const std::uint64_t count = sized(space, path);
    const std::size_t item = item_size(space.dtype);
    if ((checked_ += count) > max_checked_elements) over("8388608 elements of MultiDiscretes", path);
    if (space.nvec.size() != count * item) throw malformed("nvec has another size than its elements (S-9)", path);
    if (!space.start.empty() && space.start.size() != space.nvec.size()) throw malformed("start has another size than nvec (S-9)", path);
    for (std::uint64_t i = 0; i < count; ++i) {
      const Whole number = Whole::of(space.dtype, space.nvec.data() + i * item);
      if (number.negative || number.magnitude == 0) throw malformed("expected nvec of at least 1 (S-9)", path);
      check_range(space.dtype, space.start.empty() ? nullptr : space.start.data() + i * item, number.magnitude, path, "S-9");
    }
  }

  static void text(Space& space, FieldReader& fields, const std::string& path) {
    while (fields.next()) {
      switch (fields.number()) {
        case 1: if (fields.field(0)) space.min_length = static_cast<std::uint32_t>(fields.integer()); break;
        case 2: if (fields.field(0)) space.max_length = static_cast<std::uint32_t>(fields.integer()); break;
        case 3: if (fields.field(2)) space.charset = fields.text(); break;
        default: break;
      }
    }
    if (space.min_length > space.max_length) throw malformed("expected min_length <= max_length (S-10)", path);
    if (space.charset.empty()) throw malformed("expected a charset that is not empty (S-10)", path);
    std::set<std::string> seen;
    for (const std::string& character : characters_of(space.charset)) {
      if (!seen.insert(character).second) throw malformed("a character stands twice in a charset (S-10)", path);
    }
  }

  void dict(Space& space, FieldReader& fields, const std::string& path, unsigned depth) {
    std::set<Key> seen;
    while (fields.next()) {
      if (fields.number() == 2 && fields.field(0)) space.insertion_ordered = fields.integer() != 0;
      if (fields.field(2) != 1) continue;
      FieldReader entry(fields.bytes(), &fields_);
      std::optional<Key> key;
      std::optional<ByteView> part;
      while (entry.next()) {
        if (entry.number() == 1 && entry.field(2)) key = entry.text();
        else if (entry.number() == 2 && entry.field(0)) key = entry.zigzag();
        else if (entry.number() == 3 && entry.field(2)) part = entry.bytes();
      }
      if (!key) throw malformed("an entry of a Dict has no key (S-11)", path);
      if (!part) throw malformed("an entry of a Dict has no space (S-11)", path_of(path, *key));
      const auto* name = std::get_if<std::string>(&*key);
      if (name != nullptr && name->size() > max_key_bytes) over("65536 bytes of a key", path);
      if (!seen.insert(*key).second) throw malformed("a key stands twice in a Dict (S-11)", path_of(path, *key));
      space.parts.push_back(this->space(*part, path_of(path, *key), depth + 1));
      space.keys.push_back(std::move(*key));
    }
  }

  void composite(Space& space, FieldReader& fields, const std::string& path, unsigned depth) {
    std::optional<Space> node, edge;
    while (fields.next()) {
      const std::uint32_t number = fields.number();
      if (space.family == Family::sequence) {
        if (number == 1 && fields.field(2)) node = this->space(fields.bytes(), path + "[0]", depth + 1);
        else if (number == 2 && fields.field(0)) space.stacked = fields.integer() != 0;
      } else if (space.family == Family::graph) {
        if (number == 1 && fields.field(2)) node = this->space(fields.bytes(), path + ".nodes", depth + 1);
        else if (number == 2 && fields.field(2)) edge = this->space(fields.bytes(), path + ".edges", depth + 1);
      } else if (number == 1 && fields.field(2)) {
        space.parts.push_back(this->space(fields.bytes(), path_of(path, space.parts.size()), depth + 1));
      }
    }
    if (space.family == Family::one_of && space.parts.empty()) throw malformed("expected one alternative at least (S-14)", path);
    if (space.family != Family::sequence && space.family != Family::graph) return;
    if (!node) throw malformed("a space of elements or nodes is missing (S-12, S-13)", path);
    const bool is_graph = space.family == Family::graph;
    if (is_graph && is_slabless(*node)) throw malformed("expected features that have a slab (S-13)", path + ".nodes");
    if (edge && is_slabless(*edge)) throw malformed("expected features that have a slab (S-13)", path + ".edges");
    space.parts.push_back(std::move(*node));
    if (edge) space.parts.push_back(std::move(*edge));
  }

 public:
  // Returns whether a value has no slab: nothing but empty Dicts and Tuples.
  static bool is_slabless(const Space& space) {
    if (space.family != Family::dict && space.family != Family::tuple) return false;
    for (const Space& part : space.parts) {
      if (!is_slabless(part)) return false;
    }
    return true;
  }
};

// Writes a space in the form of S-5, S-7 and S-9.
inline FieldWriter write_space(const Space& space);

inline FieldWriter write_bounds(const Bounds& bounds, const Space& space) {
  FieldWriter out;
  const std::size_t item = item_size(space.dtype);
  const bool is_empty = std::find(space.shape.begin(), space.shape.end(), 0U) != space.shape.end();
  if (is_empty) {
    out.bytes(2, ByteView());
    return out;
  }
  bool uniform = !bounds.data.empty();
  for (std::size_t i = item; uniform && i < bounds.data.size(); ++i) uniform = bounds.data[i] == bounds.data[i - item];
  if (uniform) out.bytes(1, ByteView(bounds.data.data(), item));
  else out.bytes(2, bounds.data);
  bool any = false, all = true;
  for (const std::uint8_t mark : bounds.unbounded) {
    any = any || mark != 0;
    all = all && mark != 0;
  }
  const std::uint8_t one = 1;
  if (any && all) out.bytes(3, ByteView(&one, 1));
  else if (any) out.bytes(3, bounds.unbounded);
  return out;
}

inline bool is_zero(const Bytes& bytes) {
  for (const std::uint8_t byte : bytes) {
    if (byte != 0) return false;
  }
  return true;
}

inline FieldWriter write_space(const Space& space) {
  FieldWriter body;
  switch (space.family) {
    case Family::box:
      body.integer(1, static_cast<std::uint64_t>(space.dtype));
      body.packed(2, space.shape);
      body.message(3, write_bounds(space.low, space));
      body.message(4, write_bounds(space.high, space));
      break;
    case Family::discrete:
      body.integer(1, static_cast<std::uint64_t>(space.dtype));
      body.integer(2, space.n);
      if (!is_zero(space.start)) body.bytes(3, space.start);
      break;
    case Family::multi_binary:
      body.packed(1, space.shape);
      body.integer(2, space.flat ? 1 : 0);
      break;
    case Family::multi_discrete:
      body.integer(1, static_cast<std::uint64_t>(space.dtype));
      body.packed(2, space.shape);
      if (!space.nvec.empty()) body.bytes(3, space.nvec);
      if (!is_zero(space.start)) body.bytes(4, space.start);
      break;
    case Family::text:
      body.integer(1, space.min_length);
      body.integer(2, space.max_length);
      body.text(3, space.charset);
      break;
    case Family::dict:
      for (std::size_t i = 0; i < space.parts.size(); ++i) {
        FieldWriter entry;
        if (const auto* name = std::get_if<std::string>(&space.keys[i])) entry.bytes(1, view_of(*name));
        else entry.present(2, FieldWriter::zigzag(std::get<std::int64_t>(space.keys[i])));
        entry.message(3, write_space(space.parts[i]));
        body.message(1, entry);
      }
      body.integer(2, space.insertion_ordered ? 1 : 0);
      break;
    case Family::graph:
      body.message(1, write_space(space.parts[0]));
      if (space.parts.size() > 1) body.message(2, write_space(space.parts[1]));
      break;
    default:
      for (const Space& part : space.parts) body.message(1, write_space(part));
      if (space.family == Family::sequence) body.integer(2, space.stacked ? 1 : 0);
  }
  FieldWriter out;
  out.message(static_cast<std::uint32_t>(space.family), body);
  return out;
}

}  // namespace rlmesh
