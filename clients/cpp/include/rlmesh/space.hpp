// Spaces: what values an environment exchanges (CONTRACT.md, section 11).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <variant>

#include "wire.hpp"

namespace rlmesh {

// The numbers of rlmesh.proto.spaces.v1.DType.
enum class DType : std::uint8_t {
  boolean = 1, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float16, bfloat16, float32, float64,
};

inline std::size_t item_size(DType dtype) {
  constexpr std::uint8_t sizes[] = {0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8};
  return sizes[static_cast<std::size_t>(dtype)];
}
inline bool is_float(DType dtype) { return dtype >= DType::float16; }
inline bool is_integer(DType dtype) { return dtype >= DType::int8 && dtype <= DType::uint64; }
inline bool is_signed(DType dtype) { return dtype >= DType::int8 && dtype <= DType::int64; }

template <class T>
constexpr DType dtype_of() {
  static_assert(std::is_arithmetic_v<T>, "no dtype has this type");
  if constexpr (std::is_same_v<T, bool>) return DType::boolean;
  if constexpr (std::is_floating_point_v<T>) return sizeof(T) == 4 ? DType::float32 : DType::float64;
  constexpr int power = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
  return static_cast<DType>(static_cast<int>(std::is_signed_v<T> ? DType::int8 : DType::uint8) + power);
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

// A space of any family; the members that a family does not have are empty.
struct Space {
  Family family = Family::tuple;
  DType dtype = DType::float32;
  Shape shape;
  Bounds low, high;                              // Box
  std::uint64_t n = 1;                           // Discrete
  Bytes start, nvec;                             // Discrete, MultiDiscrete
  bool flat = false;                             // MultiBinary
  std::uint32_t min_length = 0, max_length = 0;  // Text
  std::string charset;                           // Text
  std::vector<Key> keys;                         // Dict: one for each of `parts`
  bool insertion_ordered = false;                // Dict
  bool stacked = false;                          // Sequence
  // Sub-spaces. Sequence: its one space. Graph: that of nodes, then that of edges if it has one.
  std::vector<Space> parts;

  bool is_leaf() const { return family <= Family::text; }
  bool is_composite() const { return family == Family::dict || family == Family::tuple; }
  // Returns the path of a part of a Dict, Tuple or OneOf.
  std::string part_path(const std::string& path, std::size_t i) const {
    return family == Family::dict ? path_of(path, keys[i]) : path_of(path, i);
  }

  // Returns a Box with one lower and one upper bound, in numbers of the dtype.
  template <class T>
  static Space box(T lowest, T highest, Shape extents) {
    const bool is_empty = std::find(extents.begin(), extents.end(), 0U) != extents.end();
    const std::size_t elements = is_empty ? 0 : 1;
    Space space = box(std::vector<T>(elements, lowest), std::vector<T>(elements, highest), std::move(extents));
    space.low.uniform = space.high.uniform = !is_empty;
    return space;
  }
  // Returns a Box with bounds element by element, in C order.
  template <class T>
  static Space box(const std::vector<T>& lowest, const std::vector<T>& highest, Shape extents) {
    Space space = leaf(Family::box, dtype_of<T>(), std::move(extents));
    space.low = Bounds{bytes_of(lowest), false, {}};
    space.high = Bounds{bytes_of(highest), false, {}};
    return space;
  }
  // Returns the integers from `first` to `first + count - 1`.
  static Space discrete(std::uint64_t count, std::int64_t first = 0, DType type = DType::int64) {
    Space space = leaf(Family::discrete, type, {});
    space.n = count;
    if (first != 0) space.start = bytes_of(std::vector<std::int64_t>{first});
    space.start.resize(first == 0 ? 0 : item_size(type));
    return space;
  }
  static Space multi_binary(Shape extents) {
    Space space = leaf(Family::multi_binary, DType::int8, std::move(extents));
    space.flat = space.shape.size() == 1;
    return space;
  }
  static Space multi_discrete(const std::vector<std::int64_t>& counts) {
    Space space = leaf(Family::multi_discrete, DType::int64, {counts.size()});
    space.nvec = bytes_of(counts);
    return space;
  }
  static Space text(std::uint32_t longest, std::string characters, std::uint32_t shortest = 0) {
    Space space = of(Family::text, {});
    space.min_length = shortest;
    space.max_length = longest;
    space.charset = std::move(characters);
    return space;
  }
  static Space dict(std::vector<std::pair<Key, Space>> entries) {
    Space space = of(Family::dict, {});
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
  static Space leaf(Family family, DType type, Shape extents) {
    Space space = of(family, {});
    space.dtype = type;
    space.shape = std::move(extents);
    return space;
  }
};

// Returns the product of the extents; 0 if one is 0. Throws if it has more than 2^63 - 1 bytes (S-4, M-6).
inline std::uint64_t element_count(const Shape& shape, std::uint64_t item, const std::string& path) {
  constexpr std::uint64_t largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  std::uint64_t product = 1;
  for (const std::uint64_t extent : shape) {
    if (extent > largest || (extent != 0 && product > largest / item / extent)) {
      throw Error(ErrorCode::limit_exceeded, "expected extents, and a size, of at most 2^63 - 1 bytes (M-6)", path);
    }
    product *= std::max<std::uint64_t>(extent, 1);
  }
  return std::find(shape.begin(), shape.end(), 0U) == shape.end() ? product : 0;
}

template <class T>
T load(const std::uint8_t* bytes) {
  T result;
  std::memcpy(&result, bytes, sizeof(T));
  return result;
}

inline double half_to_double(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const double fraction = bits & 1023;
  double result = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  if (exponent == 31) result = fraction != 0 ? std::nan("") : std::numeric_limits<double>::infinity();
  return (bits & 0x8000) != 0 ? -result : result;
}

// Calls `use` with a function that loads an element of a dtype, as the number that it is; a half float as a wider one.
template <class Use>
auto with_load(DType dtype, Use use) {
  switch (dtype) {
    case DType::int8: return use(load<std::int8_t>);
    case DType::int16: return use(load<std::int16_t>);
    case DType::int32: return use(load<std::int32_t>);
    case DType::int64: return use(load<std::int64_t>);
    case DType::uint16: return use(load<std::uint16_t>);
    case DType::uint32: return use(load<std::uint32_t>);
    case DType::uint64: return use(load<std::uint64_t>);
    case DType::float16: return use([](const std::uint8_t* bytes) { return half_to_double(load<std::uint16_t>(bytes)); });
    case DType::bfloat16:
      return use([](const std::uint8_t* bytes) {
        const std::uint8_t wide[4] = {0, 0, bytes[0], bytes[1]};
        return load<float>(wide);
      });
    case DType::float32: return use(load<float>);
    case DType::float64: return use(load<double>);
    default: return use(load<std::uint8_t>);
  }
}

// Returns one element as a double; integers of 64 bits are rounded.
inline double number_of(DType dtype, const std::uint8_t* bytes) {
  return with_load(dtype, [bytes](auto get) { return static_cast<double>(get(bytes)); });
}

// An exact integer of any of the eight types, and sums of them.
__extension__ typedef __int128 Whole;

inline Whole whole_of(DType dtype, const std::uint8_t* bytes) {
  return with_load(dtype, [bytes](auto get) { return static_cast<Whole>(get(bytes)); });
}
inline Whole largest(DType dtype) { return (Whole{1} << (8 * item_size(dtype) - (is_signed(dtype) ? 1 : 0))) - 1; }
inline Whole smallest(DType dtype) { return is_signed(dtype) ? -largest(dtype) - 1 : 0; }

// Splits UTF-8 into its characters.
inline std::vector<std::string> characters_of(const std::string& text) {
  std::vector<std::string> found;
  for (std::size_t i = 0, end = 0; i < text.size(); i = end) {
    for (end = i + 1; end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80;) ++end;
    found.push_back(text.substr(i, end - i));
  }
  return found;
}

inline DType read_dtype(std::uint64_t number, const std::string& path) {
  if (number == 0) throw malformed("a dtype is missing (S-3)", path);
  if (number > 13) throw Error(ErrorCode::unsupported, "dtype " + std::to_string(number) + " is unknown (S-3)", path);
  return static_cast<DType>(number);
}
inline Error over_limit(const std::string& limit, const std::string& path) {
  return Error(ErrorCode::limit_exceeded, "expected at most " + limit + " (M-1)", path);
}

// Returns the first element of a Box's array that is out of bounds, or NaN; the number of elements if there is none.
inline std::size_t first_outside(DType dtype, ByteView data, const Bounds& low, const Bounds& high) {
  const std::size_t item = item_size(dtype), count = data.size / item;
  const std::size_t low_step = low.uniform ? 0 : item, high_step = high.uniform ? 0 : item;
  return with_load(dtype, [&](auto get) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto number = get(data.data + i * item);
      if (!(get(low.data.data() + i * low_step) <= number && number <= get(high.data.data() + i * high_step))) return i;
    }
    return count;
  });
}

// Reads a space, and refuses one that breaks a rule of section 11 or is over a limit of M-1.
class SpaceReader {
 public:
  static Space read(ByteView message, const std::string& path) {
    SpaceReader reader;
    return reader.space(message, path, 1);
  }
  // Returns whether a value has no slab: nothing but empty Dicts and Tuples.
  static bool is_slabless(const Space& space) {
    return space.is_composite() && std::all_of(space.parts.begin(), space.parts.end(), is_slabless);
  }

 private:
  std::uint64_t fields_ = 0;
  std::size_t spaces_ = 0, leaves_ = 0;
  std::uint64_t checked_ = 0;

  Space space(ByteView message, const std::string& path, unsigned depth) {
    if (depth > max_depth) throw malformed("expected a space of at most 24 levels (S-2)", path);
    if (++spaces_ > max_spaces) throw over_limit("16384 spaces", path);
    std::uint32_t kind = 0;
    Bytes body;
    read_fields(message, &fields_, [&](FieldReader& reader) {
      if (reader.type() != 2 || reader.number() > 10) return;
      // Two occurrences of one member of a oneof are merged, as every parser does.
      if (reader.number() != kind) body.clear();
      kind = reader.number();
      const ByteView part = reader.bytes();
      if (part.size) body.insert(body.end(), part.data, part.data + part.size);
    });
    if (kind == 0) throw Error(ErrorCode::unsupported, "a space has no kind, or an unknown one (S-1)", path);
    Space found;
    found.family = static_cast<Family>(kind);
    if (found.is_leaf() && ++leaves_ > max_leaves) throw over_limit("4096 leaves", path);
    switch (found.family) {
      case Family::box: box(found, body, path); break;
      case Family::discrete: discrete(found, body, path); break;
      case Family::multi_binary: multi_binary(found, body, path); break;
      case Family::multi_discrete: multi_discrete(found, body, path); break;
      case Family::text: text(found, body, path); break;
      case Family::dict: dict(found, body, path, depth); break;
      default: composite(found, body, path, depth);
    }
    return found;
  }

  static bool extent(Space& space, FieldReader& reader, std::uint32_t number, const std::string& path) {
    return reader.integers(number, [&](std::uint64_t value) {
      if (space.shape.size() == max_dimensions) throw over_limit("31 dimensions", path);
      space.shape.push_back(value);
    });
  }

  // Returns the number of elements of a leaf whose values fit into a message.
  static std::uint64_t sized(const Space& space, const std::string& path) {
    const std::uint64_t item = item_size(space.dtype);
    const std::uint64_t count = element_count(space.shape, item, path);
    if (count > max_message_bytes / item) throw over_limit("268435456 bytes in a value of a leaf", path);
    return count;
  }

  void box(Space& space, ByteView message, const std::string& path) {
    std::uint64_t dtype = 0;
    bool has[2] = {false, false};
    const auto read = [&](Bounds& out, bool& has_form) {
      return [&](ByteView part) {
        read_fields(part, &fields_, [&](FieldReader& reader) {
          const bool is_uniform = reader.number() == 1;
          if (reader.to(is_uniform ? 1 : 2, out.data)) out.uniform = is_uniform, has_form = true;
          else reader.to(3, out.unbounded);
        });
      };
    };
    read_fields(message, &fields_, [&](FieldReader& reader) {
      return reader.to(1, dtype) || extent(space, reader, 2, path) || reader.message(3, read(space.low, has[0])) ||
             reader.message(4, read(space.high, has[1]));
    });
    space.dtype = read_dtype(dtype, path);
    if (!has[0] || !has[1]) throw malformed("expected low and high with one form each (S-5)", path);
    check_bounds(space, sized(space, path), path);
  }

  void check_bounds(const Space& space, std::uint64_t count, const std::string& path) {
    const std::uint64_t item = item_size(space.dtype);
    for (const Bounds* side : {&space.low, &space.high}) {
      const std::uint64_t expected = side->uniform ? item : count * item;
      if (side->data.size() != expected) throw malformed("a bound has another size than its elements (S-5)", path);
      if (!side->uniform && (checked_ += count) > max_checked_elements) throw over_limit("8388608 bounds by element", path);
      const std::size_t marks = side->unbounded.size();
      if (marks != 0 && marks != 1 && marks != count) throw malformed("expected one mark, or one for each element (S-16)", path);
      if (marks != 0 && !is_integer(space.dtype)) throw malformed("only bounds of integers have marks (S-16)", path);
      if (marks == 1 && count != 1 && side->unbounded[0] != 1) throw malformed("expected the mark 1 (S-16)", path);
    }
    const bool is_bool = space.dtype == DType::boolean;
    for (const Bounds* side : {&space.low, &space.high}) {
      const bool is_valid = !is_bool || std::all_of(side->data.begin(), side->data.end(), [](std::uint8_t byte) { return byte <= 1; });
      if (!is_valid) throw malformed("a bound of bools is neither 0 nor 1 (S-6)", path);
    }
    // Each lower bound is at least itself, unless it is NaN, and at most the upper one; the same for upper ones.
    const Bounds& longer = space.low.uniform ? space.high : space.low;
    if (first_outside(space.dtype, longer.data, space.low, space.high) * item != longer.data.size()) {
      throw malformed("expected low <= high, neither of them NaN (S-6)", path);
    }
    check_marks(space, space.low, count, path, smallest(space.dtype));
    check_marks(space, space.high, count, path, largest(space.dtype));
  }

  static void check_marks(const Space& space, const Bounds& side, std::uint64_t count, const std::string& path, Whole limit) {
    const std::size_t marks = side.unbounded.size(), item = item_size(space.dtype);
    const std::uint64_t checked = marks == 0 ? 0 : marks == 1 && side.uniform ? 1 : count;
    for (std::uint64_t i = 0; i < checked; ++i) {
      const std::uint8_t mark = side.unbounded[marks == 1 ? 0 : i];
      if (mark > 1) throw malformed("a mark is neither 0 nor 1 (S-16)", path);
      if (mark == 1 && whole_of(space.dtype, side.data.data() + (side.uniform ? 0 : i * item)) != limit) {
        throw malformed("a marked bound is not the limit of its dtype (S-16)", path);
      }
    }
  }

  void discrete(Space& space, ByteView message, const std::string& path) {
    std::uint64_t dtype = 0;
    space.n = 0;
    read_fields(message, &fields_, [&](FieldReader& reader) {
      return reader.to(1, dtype) || reader.to(2, space.n) || reader.to(3, space.start);
    });
    space.dtype = read_dtype(dtype, path);
    if (!is_integer(space.dtype)) throw malformed("expected an integer dtype (S-7)", path);
    if (space.n == 0) throw malformed("expected n of at least 1 (S-7)", path);
    if (!space.start.empty() && space.start.size() != item_size(space.dtype)) throw malformed("a start has another size than its dtype (S-7)", path);
    check_range(space, 0, space.n, path, "S-7");
  }

  static void check_range(const Space& space, std::size_t at, Whole count, const std::string& path, const char* rule) {
    const Whole first = space.start.empty() ? 0 : whole_of(space.dtype, space.start.data() + at);
    if (first + count - 1 > largest(space.dtype)) throw malformed(std::string("the last number is beyond the dtype (") + rule + ")", path);
  }

  void multi_binary(Space& space, ByteView message, const std::string& path) {
    read_fields(message, &fields_, [&](FieldReader& reader) { return extent(space, reader, 1, path) || reader.to(2, space.flat); });
    space.dtype = DType::int8;
    if (space.shape.empty()) throw malformed("expected one dimension at least (S-8)", path);
    if (space.flat && space.shape.size() != 1) throw malformed("expected one dimension of a flat MultiBinary (S-8)", path);
    sized(space, path);
  }

  void multi_discrete(Space& space, ByteView message, const std::string& path) {
    std::uint64_t dtype = 0;
    read_fields(message, &fields_, [&](FieldReader& reader) {
      return reader.to(1, dtype) || extent(space, reader, 2, path) || reader.to(3, space.nvec) || reader.to(4, space.start);
    });
    space.dtype = read_dtype(dtype, path);
    if (!is_integer(space.dtype)) throw malformed("expected an integer dtype (S-9)", path);
    const std::uint64_t count = sized(space, path);
    const std::size_t item = item_size(space.dtype);
    if ((checked_ += count) > max_checked_elements) throw over_limit("8388608 elements of MultiDiscretes", path);
    if (space.nvec.size() != count * item) throw malformed("nvec has another size than its elements (S-9)", path);
    if (!space.start.empty() && space.start.size() != space.nvec.size()) throw malformed("start has another size than nvec (S-9)", path);
    for (std::size_t at = 0; at < space.nvec.size(); at += item) {
      const Whole number = whole_of(space.dtype, space.nvec.data() + at);
      if (number < 1) throw malformed("expected nvec of at least 1 (S-9)", path);
      check_range(space, at, number, path, "S-9");
    }
  }

  void text(Space& space, ByteView message, const std::string& path) {
    read_fields(message, &fields_, [&](FieldReader& reader) {
      return reader.to(1, space.min_length) || reader.to(2, space.max_length) || reader.to(3, space.charset);
    });
    if (space.min_length > space.max_length) throw malformed("expected min_length <= max_length (S-10)", path);
    if (space.charset.empty()) throw malformed("expected a charset that is not empty (S-10)", path);
    std::set<std::string> seen;
    for (const std::string& character : characters_of(space.charset)) {
      if (!seen.insert(character).second) throw malformed("a character stands twice in a charset (S-10)", path);
    }
  }

  void dict(Space& space, ByteView message, const std::string& path, unsigned depth) {
    std::set<Key> seen;
    const auto entry = [&](ByteView bytes) {
      std::optional<Key> key;
      std::optional<ByteView> part;
      read_fields(bytes, &fields_, [&](FieldReader& reader) {
        if (reader.is(1, 2)) key = reader.text();
        else if (reader.is(2, 0)) key = reader.zigzag();
        else reader.to(3, part);
      });
      if (!key) throw malformed("an entry of a Dict has no key (S-11)", path);
      if (!part) throw malformed("an entry of a Dict has no space (S-11)", path_of(path, *key));
      const auto* name = std::get_if<std::string>(&*key);
      if (name != nullptr && name->size() > max_key_bytes) throw over_limit("65536 bytes of a key", path);
      if (!seen.insert(*key).second) throw malformed("a key stands twice in a Dict (S-11)", path_of(path, *key));
      space.parts.push_back(this->space(*part, path_of(path, *key), depth + 1));
      space.keys.push_back(std::move(*key));
    };
    read_fields(message, &fields_, [&](FieldReader& reader) { return reader.message(1, entry) || reader.to(2, space.insertion_ordered); });
  }

  void composite(Space& space, ByteView message, const std::string& path, unsigned depth) {
    std::optional<Space> node, edge;
    const bool is_sequence = space.family == Family::sequence, is_graph = space.family == Family::graph;
    const auto part = [&](const std::string& at) { return [&, at](ByteView bytes) { return this->space(bytes, at, depth + 1); }; };
    read_fields(message, &fields_, [&](FieldReader& reader) {
      if (is_sequence && reader.to(2, space.stacked)) return;
      if (is_graph && reader.is(2, 2)) edge = part(path + ".edges")(reader.bytes());
      else if (!reader.is(1, 2)) return;
      else if (is_sequence || is_graph) node = part(path + (is_graph ? ".nodes" : "[0]"))(reader.bytes());
      else space.parts.push_back(part(path_of(path, space.parts.size()))(reader.bytes()));
    });
    if (space.family == Family::one_of && space.parts.empty()) throw malformed("expected one alternative at least (S-14)", path);
    if (!is_sequence && !is_graph) return;
    if (!node) throw malformed("a space of elements or nodes is missing (S-12, S-13)", path);
    if (is_graph && is_slabless(*node)) throw malformed("expected features that have a slab (S-13)", path + ".nodes");
    if (edge && is_slabless(*edge)) throw malformed("expected features that have a slab (S-13)", path + ".edges");
    space.parts.push_back(std::move(*node));
    if (edge) space.parts.push_back(std::move(*edge));
  }
};

// Writes a space in the form of S-5, S-7 and S-9.
inline FieldWriter write_space(const Space& space);

inline FieldWriter write_bounds(const Bounds& bounds, const Space& space) {
  FieldWriter out;
  const std::size_t item = item_size(space.dtype);
  if (std::find(space.shape.begin(), space.shape.end(), 0U) != space.shape.end()) {
    out.bytes(2, ByteView());
    return out;
  }
  const Bytes &data = bounds.data, &marks = bounds.unbounded;
  const bool is_uniform = data.size() >= item && std::equal(data.begin() + static_cast<std::ptrdiff_t>(item), data.end(), data.begin());
  if (is_uniform) out.bytes(1, ByteView(data.data(), item));
  else out.bytes(2, data);
  const auto marked = static_cast<std::size_t>(std::count(marks.begin(), marks.end(), 1));
  if (marked != 0) out.bytes(3, ByteView(marks.data(), marked == marks.size() ? 1 : marks.size()));
  return out;
}

inline bool is_zero(const Bytes& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
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
