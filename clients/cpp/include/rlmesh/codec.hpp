// Values of spaces <-> slabs, and self-describing values <-> bytes (CONTRACT.md, 12 to 14).
#pragma once

#include <array>

#include "space.hpp"

namespace rlmesh {

// An array of one dtype in C order: the value of a Box, MultiBinary, MultiDiscrete or, without
// dimensions, of a Discrete; and a tensor within a self-describing value.
struct Array {
  DType dtype = DType::float32;
  Shape shape;
  Data data;

  Array() = default;
  Array(DType type, Shape extents, Data bytes) : dtype(type), shape(std::move(extents)), data(std::move(bytes)) {}

  template <class T>
  static Array of(const std::vector<T>& numbers, Shape extents) {
    return Array(dtype_of<T>(), std::move(extents), Space::bytes_of(numbers));
  }
  template <class T>
  static Array of(const std::vector<T>& numbers) {
    return of(numbers, {numbers.size()});
  }
  template <class T>
  static Array scalar(T number) {
    return of(std::vector<T>{number}, {});
  }
  std::size_t size() const { return data.size() / item_size(dtype); }
  // Returns element i in C order. Throws if T is not the C++ type of the dtype.
  template <class T>
  T at(std::size_t i) const {
    if (dtype_of<T>() != dtype) throw Error(ErrorCode::invalid_value, "the array has another dtype than the one asked for");
    if (i >= size()) throw std::out_of_range("rlmesh::Array::at");
    return load<T>(data.data() + i * sizeof(T));
  }
  // Returns element i as a double, whatever the dtype.
  double number(std::size_t i = 0) const {
    if (i >= size()) throw std::out_of_range("rlmesh::Array::number");
    return number_of(dtype, data.data() + i * item_size(dtype));
  }
  bool operator==(const Array& other) const {
    return dtype == other.dtype && shape == other.shape && data == other.data;
  }
};

struct Value;

struct Graph {
  std::vector<Value> nodes;
  std::optional<std::vector<Value>> edges;
  std::optional<std::vector<std::array<std::int32_t, 2>>> links;  // (source, target)
  bool operator==(const Graph& other) const;
};

// A value of a OneOf: the index of the alternative, and its value as the one element.
struct Choice {
  std::size_t index = 0;
  std::vector<Value> value;
  bool operator==(const Choice& other) const;
};

// A value of any space. Dict (in the order of the space), Tuple and Sequence hold a vector.
struct Value {
  std::variant<Array, std::string, std::vector<Value>, Graph, Choice> held;

  Value() : held(std::vector<Value>()) {}
  Value(Array array) : held(std::move(array)) {}
  Value(std::string text) : held(std::move(text)) {}
  Value(const char* text) : held(std::string(text)) {}
  Value(std::vector<Value> parts) : held(std::move(parts)) {}
  Value(Graph graph) : held(std::move(graph)) {}
  Value(Choice choice) : held(std::move(choice)) {}
  // A value of a Discrete, whose dtype is int64 unless `type` says otherwise.
  static Value integer(std::int64_t number, DType type = DType::int64) {
    Bytes bytes = Space::bytes_of(std::vector<std::int64_t>{number});
    bytes.resize(item_size(type));
    return Array(type, {}, bytes);
  }

  // Each throws INVALID_VALUE if the value is another one.
  const Array& array(const std::string& path = "") const { return get<Array>("an array", path); }
  const std::string& text(const std::string& path = "") const { return get<std::string>("a text", path); }
  const std::vector<Value>& parts(const std::string& path = "") const { return get<std::vector<Value>>("a vector of parts", path); }
  const Graph& graph(const std::string& path = "") const { return get<Graph>("a graph", path); }
  const Choice& choice(const std::string& path = "") const { return get<Choice>("a choice", path); }
  std::int64_t integer() const {
    const Array& found = array();
    if (found.size() != 1) throw Error(ErrorCode::invalid_value, "expected one integer");
    return static_cast<std::int64_t>(whole_of(found.dtype, found.data.data()));
  }
  bool operator==(const Value& other) const { return held == other.held; }

 private:
  template <class T>
  const T& get(const char* expected, const std::string& path) const {
    if (const T* found = std::get_if<T>(&held)) return *found;
    throw Error(ErrorCode::invalid_value, std::string("expected ") + expected, path);
  }
};

inline bool Graph::operator==(const Graph& other) const {
  return nodes == other.nodes && edges == other.edges && links == other.links;
}
inline bool Choice::operator==(const Choice& other) const {
  return index == other.index && value == other.value;
}

using Slabs = std::vector<Data>;

inline Error invalid(const std::string& message, const std::string& path) {
  return Error(ErrorCode::invalid_value, message, path);
}

// The walk of V-2: turns values into slabs, or slabs into values. Both check V-1 to V-12 and V-15; reading checks the
// limits of M-1 and M-8 too, before values are made.
template <bool reads>
class Walk {
 public:
  using Held = std::conditional_t<reads, Value, const Value>;
  using Values = std::vector<Held*>;

  // The slabs that have been written, or that are read.
  Slabs out;
  std::vector<ByteView> in;
  // Whether the arrays of Boxes are views of the slabs that are read.
  bool in_place = false;

  // Walks the values of a space.
  void begin(const Space& space, const Values& values, const std::string& path) {
    many(space, values, path);
    if (reads && next_ != in.size()) throw invalid("expected " + std::to_string(next_) + " slabs, got " + std::to_string(in.size()) + " (V-3)", path);
  }

  // Refuses to read as many values of a space, if there cannot be so many.
  void admit(const Space& space, std::uint64_t count, const std::string& path) {
    checked(count, path);
    free(count * byteless_parts(space), path);
    const std::uint64_t size = least_bytes(space);
    std::uint64_t rest = 65'536;  // What is missing from a few values is reported with its own path later.
    for (std::size_t i = next_; i < in.size(); ++i) rest += in[i].size;
    if (size != 0 && count > rest / size) throw invalid("expected more bytes in slabs, for " + std::to_string(count) + " values (V-4)", path);
  }

 private:
  void many(const Space& space, const Values& values, const std::string& path) {
    switch (space.family) {
      case Family::text: return texts(values, path);
      case Family::dict:
      case Family::tuple: return composites(space, values, path);
      case Family::sequence: return sequences(space, values, path);
      case Family::graph: return graphs(space, values, path);
      case Family::one_of: return choices(space, values, path);
      default: return arrays(space, values, path);
    }
  }

  ByteView take(std::uint64_t size, const std::string& path, const char* rule = "V-4") {
    if (next_ == in.size()) throw invalid("a slab is missing (V-3)", path);
    const ByteView slab = in[next_++];
    if (slab.size != size) {
      throw invalid("expected " + std::to_string(size) + " bytes in a slab, got " + std::to_string(slab.size) + " (" + rule + ")", path);
    }
    return slab;
  }
  // A slab of numbers, which are as many as are read.
  template <class T>
  void numbers(std::vector<T>& found, const std::string& path, const char* rule = "V-4") {
    if constexpr (reads) {
      const ByteView slab = take(sizeof(T) * found.size(), path, rule);
      if (slab.size != 0) std::memcpy(found.data(), slab.data, slab.size);
    } else {
      out.push_back(Space::bytes_of(found));
    }
  }
  static std::uint32_t length(std::size_t size, const std::string& path) {
    if (size > 0xFFFFFFFF) throw invalid("expected fewer than 2^32 elements", path);
    return static_cast<std::uint32_t>(size);
  }
  static std::size_t checked(std::uint64_t count, const std::string& path) {
    if (reads && count > 16'777'216) throw over_limit("16777216 values at one place", path);
    return static_cast<std::size_t>(count);
  }
  static std::uint64_t sum(const std::vector<std::uint32_t>& numbers) {
    std::uint64_t total = 0;
    for (const std::uint32_t number : numbers) total += number;
    return total;
  }

  // Counts values without a byte, before they are made (M-8).
  void free(std::uint64_t count, const std::string& path) {
    std::uint64_t max_free = 65'536;
    for (const ByteView& slab : in) max_free += 4 * std::uint64_t{slab.size};
    if ((free_ += count) > max_free) throw Error(ErrorCode::limit_exceeded, "expected fewer values without a byte (M-8)", path);
  }
  static bool is_byteless(const Space& space) {
    if (space.is_composite()) return std::all_of(space.parts.begin(), space.parts.end(), is_byteless);
    return space.is_leaf() && std::find(space.shape.begin(), space.shape.end(), 0U) != space.shape.end();
  }
  static std::uint64_t byteless_parts(const Space& space) {
    std::uint64_t parts = is_byteless(space) ? 1 : 0;
    for (std::size_t i = 0; space.is_composite() && i < space.parts.size(); ++i) parts += byteless_parts(space.parts[i]);
    return parts;
  }
  // The number of bytes that a value has in slabs at least.
  static std::uint64_t least_bytes(const Space& space) {
    if (space.family == Family::graph) return 9;
    if (space.is_leaf() && space.family != Family::text) return leaf_bytes(space, "");
    std::uint64_t bytes = space.is_composite() ? 0 : 4;
    for (std::size_t i = 0; space.is_composite() && i < space.parts.size(); ++i) bytes += least_bytes(space.parts[i]);
    return bytes;
  }
  static std::uint64_t leaf_bytes(const Space& space, const std::string& path) {
    return element_count(space.shape, item_size(space.dtype), path) * item_size(space.dtype);
  }
  // The number of parts that an empty stack of a space is made of, besides itself (M-8).
  static std::uint64_t stack_parts(const Space& space) {
    std::uint64_t parts = 1;
    for (std::size_t i = 0; space.is_composite() && i < space.parts.size(); ++i) parts += stack_parts(space.parts[i]);
    return parts;
  }
  void stacks(const Space& features, const std::vector<std::uint32_t>& counts, const std::string& path) {
    const auto empty = static_cast<std::uint64_t>(std::count(counts.begin(), counts.end(), 0U));
    if (reads) free(empty * stack_parts(features), path);
  }

  void arrays(const Space& space, const Values& values, const std::string& path) {
    const std::uint64_t size = leaf_bytes(space, path);
    Data only;
    Bytes joined;
    ByteView slab;
    if constexpr (reads) slab = take(size * values.size(), path);
    const bool is_view = in_place && space.family == Family::box && space.dtype != DType::boolean;
    for (Held* value : values) {
      if constexpr (reads) {
        const ByteView part(slab.data, static_cast<std::size_t>(size));
        slab.data += size;
        value->held = Array(space.dtype, space.shape, is_view ? Data::in_place(part) : Data(part.copy()));
      }
      const Array& array = value->array(path);
      if (array.dtype != space.dtype || array.shape != space.shape || array.data.size() != size) {
        throw invalid("expected an array of the dtype and shape of the space (F-6, F-7)", path);
      }
      check_elements(space, array.data, path);
      if (reads) continue;
      if (values.size() == 1) only = Data::in_place(array.data);
      else joined.insert(joined.end(), array.data.begin(), array.data.end());
    }
    if (!reads) out.push_back(only.is_in_place() ? std::move(only) : Data(std::move(joined)));
  }

  // Checks V-7 and V-8.
  static void check_elements(const Space& space, ByteView data, const std::string& path) {
    if (space.dtype == DType::boolean || space.family == Family::multi_binary) {
      const bool is_valid = std::all_of(data.data, data.data + data.size, [](std::uint8_t byte) { return byte <= 1; });
      if (!is_valid) throw invalid("expected 0 or 1 (V-7)", path);
    }
    const bool is_discrete = space.family == Family::discrete;
    const std::size_t item = item_size(space.dtype);
    for (std::size_t i = 0; (is_discrete || space.family == Family::multi_discrete) && i < data.size; i += item) {
      const Whole count = is_discrete ? Whole{space.n} : whole_of(space.dtype, space.nvec.data() + i);
      const Whole first = space.start.empty() ? 0 : whole_of(space.dtype, space.start.data() + i);
      const Whole found = whole_of(space.dtype, data.data + i);
      if (found < first || found >= first + count) throw invalid("expected a number from start to start + n - 1 (V-8)", path);
    }
  }

  void texts(const Values& values, const std::string& path) {
    std::vector<std::uint32_t> sizes(values.size());
    Bytes joined;
    for (std::size_t i = 0; !reads && i < values.size(); ++i) {
      const std::string& text = values[i]->text(path);
      sizes[i] = length(text.size(), path);
      joined.insert(joined.end(), text.begin(), text.end());
    }
    numbers(sizes, path);
    ByteView slab;
    if constexpr (reads) slab = take(sum(sizes), path, "V-9");
    else out.push_back(std::move(joined));
    for (std::size_t i = 0; i < values.size(); ++i) {
      if constexpr (reads) values[i]->held = ByteView(slab.data, sizes[i]).text();
      slab.data += reads ? sizes[i] : 0;
      if (!is_utf8(view_of(values[i]->text(path)))) throw invalid("expected UTF-8 (V-9)", path);
    }
  }

  void composites(const Space& space, const Values& values, const std::string& path) {
    const std::size_t count = space.parts.size();
    for (Held* value : values) {
      if constexpr (reads) value->held = std::vector<Value>(count);
      const std::size_t found = value->parts(path).size();
      if (found != count) throw invalid("expected " + std::to_string(count) + " parts, got " + std::to_string(found), path);
    }
    Values column(values.size());
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t k = 0; k < values.size(); ++k) column[k] = &std::get<std::vector<Value>>(values[k]->held)[i];
      many(space.parts[i], column, space.part_path(path, i));
    }
  }

  // Appends the values of a vector, which are made if they are read.
  template <class Parts>
  static void append(Values& all, Parts& parts, std::size_t count) {
    if constexpr (reads) parts.resize(count);
    for (auto& part : parts) all.push_back(&part);
  }

  void sequences(const Space& space, const Values& values, const std::string& path) {
    std::vector<std::uint32_t> sizes(values.size());
    for (std::size_t i = 0; !reads && i < values.size(); ++i) sizes[i] = length(values[i]->parts(path).size(), path);
    numbers(sizes, path);
    if (space.stacked) stacks(space.parts[0], sizes, path);
    if (space.stacked && sum(sizes) != 0 && SpaceReader::is_slabless(space.parts[0])) {
      throw invalid("expected lengths of 0 of stacks without a slab (V-15)", path);
    }
    if (reads) admit(space.parts[0], sum(sizes), path + "[0]");
    Values elements;
    for (std::size_t i = 0; i < values.size(); ++i) append(elements, std::get<std::vector<Value>>(values[i]->held), sizes[i]);
    many(space.parts[0], elements, path + "[0]");
  }

  void graphs(const Space& space, const Values& values, const std::string& path) {
    const std::size_t count = values.size();
    const bool has_edges = space.parts.size() > 1;
    Bytes flags(count);
    std::vector<std::uint32_t> node_counts(count), edge_counts(count), feature_counts;
    std::vector<std::int32_t> links;
    for (std::size_t i = 0; !reads && i < count; ++i) {
      const Graph& graph = values[i]->graph(path);
      if (graph.edges && graph.links && graph.edges->size() != graph.links->size()) throw invalid("expected as many links as features of edges (V-10)", path);
      flags[i] = static_cast<std::uint8_t>((graph.edges ? 1 : 0) | (graph.links ? 2 : 0));
      node_counts[i] = length(graph.nodes.size(), path);
      edge_counts[i] = length(graph.links ? graph.links->size() : graph.edges ? graph.edges->size() : 0, path);
      for (std::size_t k = 0; graph.links && k < graph.links->size(); ++k) links.insert(links.end(), (*graph.links)[k].begin(), (*graph.links)[k].end());
    }
    numbers(flags, path);
    numbers(node_counts, path);
    numbers(edge_counts, path);
    std::uint64_t linked = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (flags[i] > 3 || (!has_edges && (flags[i] & 1) != 0)) throw invalid("a graph has a flag that its space does not allow (V-10)", path);
      if ((flags[i] == 0 || !has_edges) && edge_counts[i] != 0) throw invalid("expected no edge (V-10)", path);
      if ((flags[i] & 2) != 0) linked += edge_counts[i];
      if ((flags[i] & 1) != 0) feature_counts.push_back(edge_counts[i]);
    }
    // As many links as there are bytes for: `numbers` refuses the slab if it has another size.
    const std::size_t linkable = next_ < in.size() ? in[next_].size / 8 + 1 : 0;
    if (reads) links.resize(2 * std::min(checked(linked, path), linkable));
    numbers(links, path + ".edge_links", "V-10");
    if (reads) admit(space.parts[0], sum(node_counts), path + ".nodes");
    if (reads && has_edges) admit(space.parts[1], sum(feature_counts), path + ".edges");
    stacks(space.parts[0], node_counts, path + ".nodes");
    if (has_edges) stacks(space.parts[1], feature_counts, path + ".edges");
    Values nodes, edges;
    auto link = links.begin();
    for (std::size_t i = 0; i < count; ++i) {
      if constexpr (reads) {
        Graph& graph = values[i]->held.template emplace<Graph>();
        if ((flags[i] & 1) != 0) graph.edges.emplace();
        if ((flags[i] & 2) != 0) graph.links.emplace(edge_counts[i]);
      }
      auto& graph = std::get<Graph>(values[i]->held);
      append(nodes, graph.nodes, node_counts[i]);
      if (graph.edges) append(edges, *graph.edges, edge_counts[i]);
      for (std::size_t k = 0; graph.links && k < 2 * graph.links->size(); ++k, ++link) {
        const bool is_node = *link >= 0 && static_cast<std::uint32_t>(*link) < node_counts[i];
        if (!is_node) throw invalid("an end of a link is no node of the graph (V-11)", path + ".edge_links");
        if constexpr (reads) (*graph.links)[k / 2][k % 2] = *link;
      }
    }
    many(space.parts[0], nodes, path + ".nodes");
    if (has_edges) many(space.parts[1], edges, path + ".edges");
  }

  void choices(const Space& space, const Values& values, const std::string& path) {
    std::vector<std::uint32_t> indices(values.size());
    for (std::size_t i = 0; !reads && i < values.size(); ++i) {
      const Choice& choice = values[i]->choice(path);
      if (choice.value.size() != 1) throw invalid("expected a choice with one value", path);
      indices[i] = length(choice.index, path);
    }
    numbers(indices, path);
    std::vector<Values> chosen(space.parts.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::uint32_t index = indices[i];
      if (index >= space.parts.size()) throw invalid("expected an index below the number of alternatives (V-12)", path);
      if constexpr (reads) values[i]->held = Choice{index, std::vector<Value>(1)};
      chosen[index].push_back(&std::get<Choice>(values[i]->held).value[0]);
    }
    for (std::size_t i = 0; i < space.parts.size(); ++i) {
      const std::string at = space.part_path(path, i);
      if (reads) admit(space.parts[i], chosen[i].size(), at);
      many(space.parts[i], chosen[i], at);
    }
  }

  std::size_t next_ = 0;
  std::uint64_t free_ = 0;
};

// Turns values into slabs, which may be views of the values; throws INVALID_VALUE for a value that is not one of the space.
struct Encoder {
  static Slabs one(const Space& space, const Value& value, const std::string& path) { return all(space, {&value}, path); }
  static Slabs batch(const Space& space, const std::vector<Value>& values, const std::string& path) {
    std::vector<const Value*> pointers;
    for (const Value& value : values) pointers.push_back(&value);
    return all(space, pointers, path);
  }

 private:
  static Slabs all(const Space& space, const std::vector<const Value*>& values, const std::string& path) {
    Walk<false> walk;
    walk.begin(space, values, path);
    return std::move(walk.out);
  }
};

// Turns slabs into values. `in_place`: the arrays of Boxes are views of the slabs.
struct Decoder {
  static Value one(const Space& space, const std::vector<ByteView>& slabs, const std::string& path, bool in_place = false) {
    return std::move(batch(space, slabs, 1, path, in_place)[0]);
  }
  static std::vector<Value> batch(const Space& space, const std::vector<ByteView>& slabs, std::size_t count, const std::string& path, bool in_place = false) {
    Walk<true> walk;
    walk.in = slabs;
    walk.in_place = in_place;
    walk.admit(space, count, path);
    std::vector<Value> values(count);
    std::vector<Value*> pointers;
    for (Value& value : values) pointers.push_back(&value);
    walk.begin(space, pointers, path);
    return values;
  }
};

// The slabs of a message `Value`, with its batch size if it is a batch.
struct SlabsOfMessage {
  std::vector<ByteView> slabs;
  std::optional<std::uint32_t> batch_size;

  static SlabsOfMessage read(ByteView message, std::uint64_t* fields) {
    SlabsOfMessage found;
    std::uint32_t batch_size = 0;
    read_fields(message, fields, [&](FieldReader& reader) {
      if (reader.to(2, batch_size)) found.batch_size = batch_size;
      else reader.message(1, [&](ByteView slab) { found.slabs.push_back(slab); });
    });
    return found;
  }
};

// Appends a field with a message `Value`, whose size is calculated first. Large slabs get padding if `aligned` is not null.
inline void write_value(FieldWriter& out, std::uint32_t field, const Slabs& slabs, std::vector<AlignedSlab>* aligned = nullptr) {
  std::size_t size = 0, bytes = 0;
  for (const Data& slab : slabs) bytes += slab.size();
  const auto is_aligned = [&](const Data& slab) { return aligned != nullptr && bytes >= 4'096 && slab.size() >= 64; };
  for (const Data& slab : slabs) size += 1 + FieldWriter::varint_size(slab.size()) + slab.size() + (is_aligned(slab) ? 67 : 0);
  out.tag(field, 2);
  out.varint(size);
  out.out.reserve(out.out.size() + size);
  const Bytes padding(63);
  for (const Data& slab : slabs) {
    if (!is_aligned(slab)) {
      out.bytes(1, slab);
      continue;
    }
    aligned->push_back({out.out.size(), 1 + FieldWriter::varint_size(slab.size()), slab.size()});
    out.bytes(3, ByteView());
    out.bytes(1, slab);
    out.bytes(3, padding);
  }
}

// A self-describing value: of infos, options, metadata, and of calls and attributes.
struct Dynamic {
  struct Null {
    bool operator==(const Null&) const { return true; }
  };
  struct BigInt {
    Bytes bytes;  // Two's complement, the fewest bytes.
    bool operator==(const BigInt& other) const { return bytes == other.bytes; }
  };
  struct Scalar {  // One number with a dtype, such as a NumPy scalar.
    DType dtype = DType::float64;
    Bytes data;
    bool operator==(const Scalar& other) const { return dtype == other.dtype && data == other.data; }
  };
  struct Objects {  // An array of any values, in C order.
    Shape shape;
    std::vector<Dynamic> elements;
    bool operator==(const Objects& other) const { return shape == other.shape && elements == other.elements; }
  };
  struct List {
    std::vector<Dynamic> elements;
    bool operator==(const List& other) const { return elements == other.elements; }
  };
  struct Tuple {
    std::vector<Dynamic> elements;
    bool operator==(const Tuple& other) const { return elements == other.elements; }
  };
  using Entry = std::pair<Dynamic, Dynamic>;
  struct Map {
    std::vector<Entry> entries;
    // Returns the value of a text key; null if there is none.
    const Dynamic* find(const std::string& key) const;
    void set(std::string key, Dynamic value);
    bool operator==(const Map& other) const;
  };

  std::variant<Null, bool, std::int64_t, BigInt, double, std::string, Bytes, Scalar, Array, Objects, List, Tuple, Map> held;

  Dynamic() = default;
  Dynamic(bool value) : held(value) {}
  Dynamic(int value) : held(static_cast<std::int64_t>(value)) {}
  Dynamic(std::int64_t value) : held(value) {}
  Dynamic(double value) : held(value) {}
  Dynamic(std::string value) : held(std::move(value)) {}
  Dynamic(const char* value) : held(std::string(value)) {}
  Dynamic(Bytes value) : held(std::move(value)) {}
  Dynamic(BigInt value) : held(std::move(value)) {}
  Dynamic(Scalar value) : held(std::move(value)) {}
  Dynamic(Array value) : held(std::move(value)) {}
  Dynamic(Objects value) : held(std::move(value)) {}
  Dynamic(List value) : held(std::move(value)) {}
  Dynamic(Tuple value) : held(std::move(value)) {}
  Dynamic(Map value) : held(std::move(value)) {}

  template <class T>
  const T* get() const {
    return std::get_if<T>(&held);
  }
  bool operator==(const Dynamic& other) const {
    const auto* a = get<double>();
    const auto* b = other.get<double>();
    // Floats are compared by their bits, because NaN is one too (D-3).
    return a != nullptr && b != nullptr ? std::memcmp(a, b, 8) == 0 : held == other.held;
  }
};

inline const Dynamic* Dynamic::Map::find(const std::string& key) const {
  for (const Entry& entry : entries) {
    const auto* name = entry.first.get<std::string>();
    if (name != nullptr && *name == key) return &entry.second;
  }
  return nullptr;
}
inline void Dynamic::Map::set(std::string key, Dynamic value) {
  entries.emplace_back(Dynamic(std::move(key)), std::move(value));
}
inline bool Dynamic::Map::operator==(const Map& other) const { return entries == other.entries; }

class DynamicReader {
 public:
  explicit DynamicReader(std::uint64_t* fields = nullptr) : fields_(fields ? fields : &own_) {}

  Dynamic value(ByteView message, const std::string& path, unsigned depth = 1) {
    if (depth > max_depth) throw malformed("expected a value of at most 24 levels (D-7)", path);
    if (++values_ > 4'194'304) throw over_limit("4194304 values in a message", path);
    std::optional<Dynamic> found;
    read_fields(message, fields_, [&](FieldReader& reader) {
      if (reader.is(2, 0)) found = Dynamic(reader.integer() != 0);
      else if (reader.is(3, 0)) found = Dynamic(reader.zigzag());
      else if (reader.is(5, 1)) found = Dynamic(reader.number64());
      else if (reader.is(6, 2)) found = Dynamic(reader.text());
      else if (reader.type() == 2 && reader.number() <= 13) found = part(reader.number(), reader.bytes(), path, depth);
    });
    if (!found) throw malformed("a value has no kind, or an unknown one (D-1)", path);
    return std::move(*found);
  }

  // Reads a Map whose values have the given depth.
  Dynamic::Map map(ByteView message, const std::string& path, unsigned depth = 1) {
    Dynamic::Map found;
    std::set<Bytes> seen;
    const auto entry = [&](ByteView bytes) {
      if (found.entries.size() == 1'048'576) throw over_limit("1048576 entries", path);
      std::optional<Dynamic> key, part;
      std::string at = path;
      read_fields(bytes, fields_, [&](FieldReader& reader) {
        if (reader.is(1, 2)) {
          key = Dynamic(reader.text());
          at = path_of(path, Key(*key->get<std::string>()));
        } else if (reader.is(2, 2)) {
          key = value(reader.bytes(), path, depth);
          if (key->get<std::string>() != nullptr || !is_key(*key)) throw malformed("a value of this kind is no key (D-6)", path);
        } else if (reader.is(3, 2)) {
          part = value(reader.bytes(), at, depth);
        }
      });
      if (!key) throw malformed("an entry of a map has no key (D-6)", path);
      if (!part) throw malformed("an entry of a map has no value (D-6)", at);
      Bytes encoded = write_key(*key);
      const auto* name = key->get<std::string>();
      if ((name != nullptr ? name->size() : encoded.size()) > max_key_bytes) throw over_limit("65536 bytes of a key", path);
      if (!seen.insert(std::move(encoded)).second) throw malformed("a key stands twice in a map (D-6)", path);
      found.entries.emplace_back(std::move(*key), std::move(*part));
    };
    read_fields(message, fields_, [&](FieldReader& reader) { reader.message(1, entry); });
    return found;
  }

 private:
  static Bytes write_key(const Dynamic& key);
  static bool is_key(const Dynamic& key, bool inside = false) {
    if (const auto* parts = key.get<Dynamic::Tuple>()) {
      return std::all_of(parts->elements.begin(), parts->elements.end(), [](const Dynamic& part) { return is_key(part, true); });
    }
    const std::size_t kind = key.held.index();
    return kind <= 4 || kind == 6 || (kind == 5 && inside);
  }
  static Dynamic big_int(ByteView bytes, const std::string& path) {
    if (bytes.size == 0) throw malformed("an integer has no byte (D-2)", path);
    if (bytes.size > 65'536) throw over_limit("65536 bytes of an integer", path);
    Bytes data = bytes.copy();
    const auto is_spare = [&] {
      const std::uint8_t last = data.back(), before = data[data.size() - 2];
      return (last == 0 && before < 0x80) || (last == 0xFF && before >= 0x80);
    };
    while (data.size() > 1 && is_spare()) data.pop_back();
    if (data.size() > 8) return Dynamic(Dynamic::BigInt{data});
    std::uint64_t bits = data.back() >= 0x80 ? ~std::uint64_t{0} : 0;
    std::memcpy(&bits, data.data(), data.size());
    return Dynamic(static_cast<std::int64_t>(bits));
  }
  static Bytes checked(DType dtype, ByteView data, const std::string& path) {
    Bytes copy = data.copy();
    for (std::size_t i = 0; dtype == DType::boolean && i < copy.size(); ++i) {
      if (copy[i] > 1) throw malformed("a bool is neither 0 nor 1 (D-5)", path);
    }
    return copy;
  }
  Dynamic part(std::uint32_t kind, ByteView bytes, const std::string& path, unsigned depth) {
    switch (kind) {
      case 1: return Dynamic();
      case 4: return big_int(bytes, path);
      case 7: return bytes.copy();
      case 8: return scalar(bytes, path);
      case 9: return tensor(bytes, path);
      case 10: return objects(bytes, path, depth);
      case 11: return Dynamic::List{elements(bytes, path, depth)};
      case 12: return Dynamic::Tuple{elements(bytes, path, depth)};
      case 13: return map(bytes, path, depth + 1);
      default: throw malformed("a value has another wire type than its schema", path);
    }
  }
  Dynamic scalar(ByteView message, const std::string& path) {
    std::uint64_t dtype = 0;
    ByteView data;
    read_fields(message, fields_, [&](FieldReader& reader) { return reader.to(1, dtype) || reader.to(2, data); });
    const DType type = read_dtype(dtype, path);
    if (data.size != item_size(type)) throw malformed("a scalar has another size than its dtype (D-4)", path);
    return Dynamic::Scalar{type, checked(type, data, path)};
  }
  static bool dimension(Shape& shape, FieldReader& reader, std::uint32_t number, const std::string& path) {
    return reader.integers(number, [&](std::uint64_t extent) {
      if (shape.size() == 32) throw over_limit("32 dimensions", path);
      shape.push_back(extent);
    });
  }
  Dynamic tensor(ByteView message, const std::string& path) {
    std::uint64_t dtype = 0;
    Shape shape;
    ByteView data;
    read_fields(message, fields_, [&](FieldReader& reader) {
      return reader.to(1, dtype) || dimension(shape, reader, 2, path) || reader.to(3, data);
    });
    const DType type = read_dtype(dtype, path);
    const std::uint64_t item = item_size(type);
    if (data.size != element_count(shape, item, path) * item) throw malformed("a tensor has another size than its shape (D-5)", path);
    return Array(type, shape, checked(type, data, path));
  }
  std::vector<Dynamic> elements(ByteView message, const std::string& path, unsigned depth, std::uint32_t field = 1, Shape* shape = nullptr) {
    std::vector<Dynamic> found;
    read_fields(message, fields_, [&](FieldReader& reader) {
      if (shape != nullptr && dimension(*shape, reader, 1, path)) return;
      reader.message(field, [&](ByteView bytes) {
        if (found.size() == 1'048'576) throw over_limit("1048576 elements", path);
        found.push_back(value(bytes, path_of(path, found.size()), depth + 1));
      });
    });
    return found;
  }
  Dynamic objects(ByteView message, const std::string& path, unsigned depth) {
    Dynamic::Objects found;
    found.elements = elements(message, path, depth, 2, &found.shape);
    if (found.elements.size() != element_count(found.shape, 1, path)) throw malformed("an array has another number of elements than its shape (D-5)", path);
    return found;
  }

  std::uint64_t own_ = 0;
  std::uint64_t* fields_;
  std::size_t values_ = 0;
};

inline FieldWriter write_dynamic(const Dynamic& value, unsigned depth = 1);

// Writes a Map; a key that is a text is `name`, another one `other`.
inline FieldWriter write_map(const Dynamic::Map& map, unsigned depth = 1) {
  FieldWriter out;
  for (const auto& [key, part] : map.entries) {
    FieldWriter entry;
    if (const auto* name = key.get<std::string>()) entry.bytes(1, view_of(*name));
    else entry.message(2, write_dynamic(key, depth));
    entry.message(3, write_dynamic(part, depth));
    out.message(1, entry);
  }
  return out;
}

inline FieldWriter write_dynamic(const Dynamic& value, unsigned depth) {
  if (depth > max_depth) throw Error(ErrorCode::invalid_result, "expected a value of at most 24 levels (D-7)");
  FieldWriter out, part;
  const auto elements = [&](std::uint32_t field, const std::vector<Dynamic>& found) {
    for (const Dynamic& element : found) part.message(field, write_dynamic(element, depth + 1));
  };
  switch (value.held.index()) {
    case 0: out.message(1, part); break;
    case 1: out.present(2, *value.get<bool>() ? 1 : 0); break;
    case 2: out.present(3, FieldWriter::zigzag(*value.get<std::int64_t>())); break;
    case 3: out.bytes(4, value.get<Dynamic::BigInt>()->bytes); break;
    case 4: out.present64(5, *value.get<double>()); break;
    case 5: out.bytes(6, view_of(*value.get<std::string>())); break;
    case 6: out.bytes(7, *value.get<Bytes>()); break;
    case 7:
      part.integer(1, static_cast<std::uint64_t>(value.get<Dynamic::Scalar>()->dtype));
      part.bytes(2, value.get<Dynamic::Scalar>()->data);
      out.message(8, part);
      break;
    case 8:
      part.integer(1, static_cast<std::uint64_t>(value.get<Array>()->dtype));
      part.packed(2, value.get<Array>()->shape);
      if (value.get<Array>()->data.size() != 0) part.bytes(3, value.get<Array>()->data);
      out.message(9, part);
      break;
    case 9:
      part.packed(1, value.get<Dynamic::Objects>()->shape);
      elements(2, value.get<Dynamic::Objects>()->elements);
      out.message(10, part);
      break;
    case 10: elements(1, value.get<Dynamic::List>()->elements), out.message(11, part); break;
    case 11: elements(1, value.get<Dynamic::Tuple>()->elements), out.message(12, part); break;
    default: out.message(13, write_map(*value.get<Dynamic::Map>(), depth + 1));
  }
  return out;
}

inline Bytes DynamicReader::write_key(const Dynamic& key) { return write_dynamic(key).out; }

// A position at which a value does not conform to its space (F-1).
struct Nonconformity {
  std::string path, message;
};

// Returns the first position at which a value that was encoded or decoded does not conform.
inline std::optional<Nonconformity> nonconformity(const Space& space, const Value& value, const std::string& path = "") {
  const auto among = [](const Space& part, const std::vector<Value>& values, const std::string& at) -> std::optional<Nonconformity> {
    for (const Value& one : values) {
      if (auto found = nonconformity(part, one, at)) return found;
    }
    return std::nullopt;
  };
  switch (space.family) {
    case Family::box: {
      const Array& array = value.array();
      const bool is_everything = is_integer(space.dtype) && space.low.uniform && space.high.uniform &&
                                 whole_of(space.dtype, space.low.data.data()) == smallest(space.dtype) &&
                                 whole_of(space.dtype, space.high.data.data()) == largest(space.dtype);
      const std::size_t i = is_everything ? array.size() : first_outside(space.dtype, array.data, space.low, space.high);
      if (i == array.size()) return std::nullopt;
      return Nonconformity{path, "element " + std::to_string(i) + " is out of bounds, or NaN: " + std::to_string(array.number(i))};
    }
    case Family::text: {
      const std::vector<std::string> found = characters_of(value.text()), known = characters_of(space.charset);
      const std::set<std::string> charset(known.begin(), known.end());
      if (found.size() < space.min_length || found.size() > space.max_length) {
        return Nonconformity{path, "a text of " + std::to_string(found.size()) + " characters"};
      }
      for (const std::string& character : found) {
        if (charset.count(character) == 0) return Nonconformity{path, "a character that is not in the charset"};
      }
      return std::nullopt;
    }
    case Family::dict:
    case Family::tuple:
      for (std::size_t i = 0; i < space.parts.size(); ++i) {
        if (auto found = nonconformity(space.parts[i], value.parts()[i], space.part_path(path, i))) return found;
      }
      return std::nullopt;
    case Family::sequence: return among(space.parts[0], value.parts(), path + "[0]");
    case Family::graph: {
      if (auto found = among(space.parts[0], value.graph().nodes, path + ".nodes")) return found;
      return value.graph().edges ? among(space.parts[1], *value.graph().edges, path + ".edges") : std::nullopt;
    }
    case Family::one_of: {
      const Choice& choice = value.choice();
      return nonconformity(space.parts[choice.index], choice.value[0], path_of(path, choice.index));
    }
    default: return std::nullopt;
  }
}

}  // namespace rlmesh
