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

// Turns values into slabs; throws INVALID_VALUE for a value that is not one of the space.
class Encoder {
 public:
  static Slabs one(const Space& space, const Value& value, const std::string& path) {
    Slabs out;
    many(space, {&value}, path, out);
    return out;
  }
  static Slabs batch(const Space& space, const std::vector<Value>& values, const std::string& path) {
    std::vector<const Value*> pointers;
    for (const Value& value : values) pointers.push_back(&value);
    Slabs out;
    many(space, pointers, path, out);
    return out;
  }

 private:
  using Values = std::vector<const Value*>;

  static void many(const Space& space, const Values& values, const std::string& path, Slabs& out) {
    switch (space.family) {
      case Family::text: texts(values, path, out); break;
      case Family::dict:
      case Family::tuple: composites(space, values, path, out); break;
      case Family::sequence: sequences(space, values, path, out); break;
      case Family::graph: graphs(space, values, path, out); break;
      case Family::one_of: choices(space, values, path, out); break;
      default: arrays(space, values, path, out);
    }
  }

  template <class T>
  static Data numbers(const std::vector<T>& values) {
    return Space::bytes_of(values);
  }
  static std::uint32_t length(std::size_t size, const std::string& path) {
    if (size > 0xFFFFFFFF) throw invalid("expected fewer than 2^32 elements", path);
    return static_cast<std::uint32_t>(size);
  }

  static void arrays(const Space& space, const Values& values, const std::string& path, Slabs& out) {
    Data only;
    Bytes joined;
    const Shape scalar;
    const Shape& shape = space.family == Family::discrete ? scalar : space.shape;
    const std::uint64_t size = element_count(shape, item_size(space.dtype), path) * item_size(space.dtype);
    for (const Value* value : values) {
      const Array& array = value->array(path);
      if (array.dtype != space.dtype || array.shape != shape || array.data.size() != size) {
        throw invalid("expected an array of the dtype and shape of the space (F-6, F-7)", path);
      }
      check_elements(space, array.data, path);
      if (values.size() == 1) only = Data::in_place(array.data);
      else joined.insert(joined.end(), array.data.begin(), array.data.end());
    }
    out.push_back(only.is_in_place() ? std::move(only) : Data(std::move(joined)));
  }

 public:
  // Checks V-7 and V-8 for the elements of one or more values of a leaf.
  static void check_elements(const Space& space, ByteView data, const std::string& path) {
    if (space.dtype == DType::boolean || space.family == Family::multi_binary) {
      for (std::size_t i = 0; i < data.size; ++i) {
        if (data.data[i] > 1) throw invalid("expected 0 or 1 (V-7)", path);
      }
    }
    const bool is_discrete = space.family == Family::discrete;
    const std::size_t item = item_size(space.dtype);
    for (std::size_t i = 0; (is_discrete || space.family == Family::multi_discrete) && i < data.size; i += item) {
      const std::size_t at = is_discrete ? 0 : i % space.nvec.size();
      const Whole count = is_discrete ? Whole{space.n} : whole_of(space.dtype, space.nvec.data() + at);
      const Whole first = space.start.empty() ? 0 : whole_of(space.dtype, space.start.data() + at);
      const Whole found = whole_of(space.dtype, data.data + i);
      if (found < first || found >= first + count) throw invalid("expected a number from start to start + n - 1 (V-8)", path);
    }
  }

 private:
  static void texts(const Values& values, const std::string& path, Slabs& out) {
    std::vector<std::uint32_t> lengths;
    Bytes joined;
    for (const Value* value : values) {
      const std::string& text = value->text(path);
      if (!is_utf8(view_of(text))) throw invalid("expected UTF-8 (V-9)", path);
      lengths.push_back(length(text.size(), path));
      joined.insert(joined.end(), text.begin(), text.end());
    }
    out.push_back(numbers(lengths));
    out.push_back(std::move(joined));
  }

  static void composites(const Space& space, const Values& values, const std::string& path, Slabs& out) {
    for (const Value* value : values) {
      const auto& parts = value->parts(path);
      if (parts.size() != space.parts.size()) {
        throw invalid("expected " + std::to_string(space.parts.size()) + " parts, got " + std::to_string(parts.size()), path);
      }
    }
    Values column(values.size());
    for (std::size_t i = 0; i < space.parts.size(); ++i) {
      for (std::size_t k = 0; k < values.size(); ++k) column[k] = &std::get<std::vector<Value>>(values[k]->held)[i];
      many(space.parts[i], column, space.part_path(path, i), out);
    }
  }

  static void append(Values& all, const std::vector<Value>& values) {
    for (const Value& value : values) all.push_back(&value);
  }

  static void sequences(const Space& space, const Values& values, const std::string& path, Slabs& out) {
    std::vector<std::uint32_t> lengths;
    Values elements;
    for (const Value* value : values) {
      const auto& parts = value->parts(path);
      if (space.stacked && !parts.empty() && SpaceReader::is_slabless(space.parts[0])) throw invalid("expected no element of a stack without a slab (V-15)", path);
      lengths.push_back(length(parts.size(), path));
      append(elements, parts);
    }
    out.push_back(numbers(lengths));
    many(space.parts[0], elements, path + "[0]", out);
  }

  static void graphs(const Space& space, const Values& values, const std::string& path, Slabs& out) {
    Bytes flags;
    std::vector<std::uint32_t> node_counts, edge_counts;
    std::vector<std::int32_t> links;
    Values nodes, edges;
    for (const Value* value : values) {
      const Graph& graph = value->graph(path);
      if (graph.edges && space.parts.size() < 2) throw invalid("expected no features of edges (V-10)", path);
      if (graph.links && !graph.links->empty() && space.parts.size() < 2) throw invalid("expected no links of edges (V-10)", path);
      if (graph.edges && graph.links && graph.edges->size() != graph.links->size()) throw invalid("expected as many links as features of edges (V-10)", path);
      flags.push_back(static_cast<std::uint8_t>((graph.edges ? 1 : 0) | (graph.links ? 2 : 0)));
      node_counts.push_back(length(graph.nodes.size(), path));
      edge_counts.push_back(length(graph.links ? graph.links->size() : graph.edges ? graph.edges->size() : 0, path));
      append(nodes, graph.nodes);
      if (graph.edges) append(edges, *graph.edges);
      if (!graph.links) continue;
      for (const auto& ends : *graph.links) {
        for (const std::int32_t end : ends) {
          if (end < 0 || static_cast<std::size_t>(end) >= graph.nodes.size()) throw invalid("an end of a link is no node of the graph (V-11)", path + ".edge_links");
          links.push_back(end);
        }
      }
    }
    out.push_back(std::move(flags));
    out.push_back(numbers(node_counts));
    out.push_back(numbers(edge_counts));
    out.push_back(numbers(links));
    many(space.parts[0], nodes, path + ".nodes", out);
    if (space.parts.size() > 1) many(space.parts[1], edges, path + ".edges", out);
  }

  static void choices(const Space& space, const Values& values, const std::string& path, Slabs& out) {
    std::vector<std::uint32_t> indices;
    std::vector<Values> chosen(space.parts.size());
    for (const Value* value : values) {
      const Choice& choice = value->choice(path);
      if (choice.index >= space.parts.size() || choice.value.size() != 1) throw invalid("expected an index below the number of alternatives, and a value (V-12)", path);
      indices.push_back(static_cast<std::uint32_t>(choice.index));
      chosen[choice.index].push_back(&choice.value[0]);
    }
    out.push_back(numbers(indices));
    for (std::size_t i = 0; i < space.parts.size(); ++i) many(space.parts[i], chosen[i], space.part_path(path, i), out);
  }
};

// Turns slabs into values; checks V-1 to V-12, V-15 and the limits of M-1 and M-8.
class Decoder {
 public:
  // `in_place`: the arrays of Boxes are views of the slabs.
  static Value one(const Space& space, const std::vector<ByteView>& slabs, const std::string& path, bool in_place = false) {
    return std::move(batch(space, slabs, 1, path, in_place)[0]);
  }
  static std::vector<Value> batch(const Space& space, const std::vector<ByteView>& slabs, std::size_t count, const std::string& path, bool in_place = false) {
    Decoder decoder(slabs, in_place);
    std::vector<Value> values = decoder.many(space, count, path);
    if (decoder.next_ != slabs.size()) throw invalid("expected " + std::to_string(decoder.next_) + " slabs, got " + std::to_string(slabs.size()) + " (V-3)", path);
    return values;
  }

 private:
  Decoder(const std::vector<ByteView>& slabs, bool in_place) : slabs_(slabs), in_place_(in_place) {
    std::uint64_t bytes = 0;
    for (const ByteView& slab : slabs) bytes += slab.size;
    max_free_ = 65'536 + 4 * bytes;
  }

  ByteView any(const std::string& path) {
    if (next_ == slabs_.size()) throw invalid("a slab is missing (V-3)", path);
    return slabs_[next_++];
  }
  ByteView take(std::uint64_t size, const std::string& path, const char* rule = "V-4") {
    const ByteView slab = any(path);
    if (slab.size != size) {
      throw invalid("expected " + std::to_string(size) + " bytes in a slab, got " + std::to_string(slab.size) + " (" + rule + ")", path);
    }
    return slab;
  }
  std::vector<std::uint32_t> lengths(std::size_t count, const std::string& path) {
    const ByteView slab = take(4 * static_cast<std::uint64_t>(count), path);
    std::vector<std::uint32_t> found(count);
    if (count) std::memcpy(found.data(), slab.data, slab.size);
    return found;
  }
  static std::size_t sum(const std::vector<std::uint32_t>& numbers, const std::string& path) {
    std::uint64_t total = 0;
    for (const std::uint32_t number : numbers) total += number;
    return checked(total, path);
  }
  static std::size_t checked(std::uint64_t count, const std::string& path) {
    if (count > 16'777'216) throw over_limit("16777216 values at one place", path);
    return static_cast<std::size_t>(count);
  }
  // Counts values without a byte, before they are made (M-8).
  void free(std::uint64_t count, const std::string& path) {
    if ((free_ += count) > max_free_) throw Error(ErrorCode::limit_exceeded, "expected fewer values without a byte (M-8)", path);
  }
  static bool is_byteless(const Space& space) {
    if (space.is_composite()) return std::all_of(space.parts.begin(), space.parts.end(), is_byteless);
    return space.is_leaf() && std::find(space.shape.begin(), space.shape.end(), 0U) != space.shape.end();
  }
  // The number of parts that an empty stack of a space is made of, besides itself (M-8).
  static std::uint64_t stack_parts(const Space& space) {
    std::uint64_t parts = 1;
    for (std::size_t i = 0; space.is_composite() && i < space.parts.size(); ++i) parts += stack_parts(space.parts[i]);
    return parts;
  }
  void stacks(const Space& features, const std::vector<std::uint32_t>& counts, const std::string& path) {
    const auto empty = std::count(counts.begin(), counts.end(), 0U);
    free(static_cast<std::uint64_t>(empty) * stack_parts(features), path);
  }

  std::vector<Value> many(const Space& space, std::size_t count, const std::string& path) {
    checked(count, path);
    if (is_byteless(space)) free(count, path);
    switch (space.family) {
      case Family::text: return texts(count, path);
      case Family::dict:
      case Family::tuple: return composites(space, count, path);
      case Family::sequence: return sequences(space, count, path);
      case Family::graph: return graphs(space, count, path);
      case Family::one_of: return choices(space, count, path);
      default: return arrays(space, count, path);
    }
  }

  std::vector<Value> arrays(const Space& space, std::size_t count, const std::string& path) {
    const Shape shape = space.family == Family::discrete ? Shape() : space.shape;
    const std::uint64_t item = item_size(space.dtype);
    const std::uint64_t size = element_count(shape, item, path) * item;
    const ByteView slab = take(size * count, path);
    const bool in_place = in_place_ && space.family == Family::box && space.dtype != DType::boolean;
    std::vector<Value> values;
    values.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      const ByteView part(slab.data + i * size, static_cast<std::size_t>(size));
      Data data = in_place ? Data::in_place(part) : Data(part.copy());
      Encoder::check_elements(space, data, path);
      values.emplace_back(Array(space.dtype, shape, std::move(data)));
    }
    return values;
  }

  std::vector<Value> texts(std::size_t count, const std::string& path) {
    const std::vector<std::uint32_t> sizes = lengths(count, path);
    std::uint64_t total = 0;
    for (const std::uint32_t size : sizes) total += size;
    const ByteView joined = take(total, path, "V-9");
    std::vector<Value> values;
    values.reserve(count);
    const std::uint8_t* at = joined.data;
    for (const std::uint32_t size : sizes) {
      std::string text = ByteView(at, size).text();
      if (!is_utf8(view_of(text))) throw invalid("expected UTF-8 (V-9)", path);
      values.emplace_back(std::move(text));
      at += size;
    }
    return values;
  }

  std::vector<Value> composites(const Space& space, std::size_t count, const std::string& path) {
    std::vector<std::vector<Value>> columns;
    for (std::size_t i = 0; i < space.parts.size(); ++i) {
      columns.push_back(many(space.parts[i], count, space.part_path(path, i)));
    }
    std::vector<Value> values;
    values.reserve(count);
    for (std::size_t k = 0; k < count; ++k) {
      std::vector<Value> parts;
      parts.reserve(columns.size());
      for (auto& column : columns) parts.push_back(std::move(column[k]));
      values.emplace_back(std::move(parts));
    }
    return values;
  }

  static std::vector<Value> slice(std::vector<Value>& all, std::size_t& at, std::size_t count) {
    std::vector<Value> part;
    part.reserve(count);
    for (std::size_t i = 0; i < count; ++i) part.push_back(std::move(all[at + i]));
    at += count;
    return part;
  }

  std::vector<Value> sequences(const Space& space, std::size_t count, const std::string& path) {
    const std::vector<std::uint32_t> sizes = lengths(count, path);
    const std::size_t total = sum(sizes, path);
    if (space.stacked) {
      stacks(space.parts[0], sizes, path);
      if (total != 0 && SpaceReader::is_slabless(space.parts[0])) throw invalid("expected lengths of 0 of stacks without a slab (V-15)", path);
    }
    std::vector<Value> elements = many(space.parts[0], total, path + "[0]");
    std::vector<Value> values;
    std::size_t at = 0;
    for (const std::uint32_t size : sizes) values.emplace_back(slice(elements, at, size));
    return values;
  }

  std::vector<Value> graphs(const Space& space, std::size_t count, const std::string& path) {
    const Bytes flags = take(count, path).copy();
    const std::vector<std::uint32_t> node_counts = lengths(count, path);
    const std::vector<std::uint32_t> edge_counts = lengths(count, path);
    const bool has_edges = space.parts.size() > 1;
    std::uint64_t linked = 0, featured = 0;
    std::vector<std::uint32_t> feature_counts;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint8_t flag = flags[i];
      if (flag > 3 || (!has_edges && (flag & 1) != 0)) throw invalid("a graph has a flag that its space does not allow (V-10)", path);
      if ((flag == 0 || !has_edges) && edge_counts[i] != 0) throw invalid("expected an edge count of 0 (V-10)", path);
      if ((flag & 2) != 0) linked += edge_counts[i];
      if ((flag & 1) != 0) {
        featured += edge_counts[i];
        feature_counts.push_back(edge_counts[i]);
      }
    }
    checked(linked, path);
    checked(featured, path);
    const ByteView links = take(8 * linked, path + ".edge_links", "V-10");
    const std::size_t node_total = sum(node_counts, path + ".nodes");
    stacks(space.parts[0], node_counts, path + ".nodes");
    if (has_edges) stacks(space.parts[1], feature_counts, path + ".edges");
    std::vector<Value> nodes = many(space.parts[0], node_total, path + ".nodes");
    std::vector<Value> edges;
    if (has_edges) edges = many(space.parts[1], static_cast<std::size_t>(featured), path + ".edges");
    std::vector<Value> values;
    std::size_t node = 0, edge = 0;
    const std::uint8_t* link = links.data;
    for (std::size_t i = 0; i < count; ++i) {
      Graph graph;
      graph.nodes = slice(nodes, node, node_counts[i]);
      if ((flags[i] & 1) != 0) graph.edges = slice(edges, edge, edge_counts[i]);
      if ((flags[i] & 2) != 0) {
        graph.links.emplace(edge_counts[i]);
        for (auto& ends : *graph.links) {
          ends = {load<std::int32_t>(link), load<std::int32_t>(link + 4)};
          link += 8;
          for (const std::int32_t end : ends) {
            if (end < 0 || static_cast<std::uint32_t>(end) >= node_counts[i]) throw invalid("an end of a link is no node of the graph (V-11)", path + ".edge_links");
          }
        }
      }
      values.emplace_back(std::move(graph));
    }
    return values;
  }

  std::vector<Value> choices(const Space& space, std::size_t count, const std::string& path) {
    const std::vector<std::uint32_t> indices = lengths(count, path);
    std::vector<std::size_t> counts(space.parts.size()), at(space.parts.size());
    for (const std::uint32_t index : indices) {
      if (index >= space.parts.size()) throw invalid("expected an index below the number of alternatives (V-12)", path);
      ++counts[index];
    }
    std::vector<std::vector<Value>> chosen;
    for (std::size_t i = 0; i < space.parts.size(); ++i) chosen.push_back(many(space.parts[i], counts[i], path_of(path, i)));
    std::vector<Value> values;
    for (const std::uint32_t index : indices) {
      Choice choice;
      choice.index = index;
      choice.value.push_back(std::move(chosen[index][at[index]++]));
      values.emplace_back(std::move(choice));
    }
    return values;
  }

  const std::vector<ByteView>& slabs_;
  bool in_place_;
  std::size_t next_ = 0;
  std::uint64_t free_ = 0, max_free_ = 0;
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

// Appends a field with a message `Value`, whose size is calculated first.
inline void write_value(FieldWriter& out, std::uint32_t field, const Slabs& slabs, std::optional<std::uint32_t> batch_size = {}) {
  std::size_t size = batch_size ? 1 + FieldWriter::varint_size(*batch_size) : 0;
  for (const Data& slab : slabs) size += 1 + FieldWriter::varint_size(slab.size()) + slab.size();
  out.tag(field, 2);
  out.varint(size);
  out.out.reserve(out.out.size() + size);
  for (const Data& slab : slabs) out.bytes(1, slab);
  if (batch_size) out.present(2, *batch_size);
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
