// Reads and writes spaces and values for the golden vectors, a command a line on stdin:
//
//   space HEX                      -> ok HEX                      the space, as a writer sends it
//   value SPACE BATCH SLAB ...     -> ok CONFORMS JSON SLAB ...   BATCH is - for one value
//   dynamic HEX                    -> ok HEX JSON
//   sessions count|drawn           -> ok                          the environment of spec/vectors/README.md
//   receive CONNECTION HEX         -> ok HEX ENDED ...            the answer, and connections to close
//   lost CONNECTION                -> ok
//   stop                           -> ok HEX
//
// Bytes are hexadecimal, and "." stands for none. An answer may be: error CODE PATH MESSAGE, whose
// path is "." at the root. JSON is that of spec/vectors/README.md.
#include <cstdio>
#include <iostream>
#include <map>
#include <sstream>

#include "rlmesh/session.hpp"

namespace {

using namespace rlmesh;

std::string hex(ByteView bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size; ++i) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", bytes.data[i]);
    out += digits;
  }
  return out.empty() ? "." : out;
}

Bytes unhex(const std::string& text) {
  Bytes out;
  for (std::size_t i = 0; text != "." && i + 1 < text.size(); i += 2) {
    out.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return out;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string base64(ByteView bytes) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size; i += 3) {
    const std::size_t left = bytes.size - i;
    const unsigned group = static_cast<unsigned>(bytes.data[i] << 16) |
                           static_cast<unsigned>(left > 1 ? bytes.data[i + 1] << 8 : 0) |
                           static_cast<unsigned>(left > 2 ? bytes.data[i + 2] : 0);
    out += digits[group >> 18];
    out += digits[(group >> 12) & 63];
    out += left > 1 ? digits[(group >> 6) & 63] : '=';
    out += left > 2 ? digits[group & 63] : '=';
  }
  return quoted(out);
}

const char* name_of(DType dtype) {
  static const char* const names[] = {"", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
                                      "uint64", "float16", "bfloat16", "float32", "float64"};
  return names[static_cast<std::size_t>(dtype)];
}

template <class List, class Print>
std::string joined(const List& list, Print print) {
  std::string out;
  for (const auto& item : list) out += (out.empty() ? "" : ", ") + print(item);
  return "[" + out + "]";
}

std::string shape_text(const Shape& shape) {
  return joined(shape, [](std::uint64_t extent) { return std::to_string(extent); });
}

std::string whole(Whole number) {
  const auto magnitude = static_cast<std::uint64_t>(number < 0 ? -number : number);
  return quoted((number < 0 ? "-" : "") + std::to_string(magnitude));
}

std::string array_json(const Array& array) {
  return std::string("{\"dtype\": \"") + name_of(array.dtype) + "\", \"shape\": " + shape_text(array.shape) +
         ", \"data\": " + base64(array.data) + "}";
}

std::string json(const Space& space, const Value& value);

std::string list_json(const Space& space, const std::vector<Value>& values) {
  return joined(values, [&](const Value& value) { return json(space, value); });
}

std::string key_json(const Key& key) {
  if (const auto* name = std::get_if<std::string>(&key)) return "{\"name\": " + quoted(*name) + "}";
  return "{\"index\": " + quoted(std::to_string(std::get<std::int64_t>(key))) + "}";
}

std::string json(const Space& space, const Value& value) {
  switch (space.family) {
    case Family::discrete: return "{\"int\": " + whole(whole_of(space.dtype, value.array().data.data())) + "}";
    case Family::text: return "{\"text\": " + quoted(value.text()) + "}";
    case Family::dict: {
      std::string out;
      for (std::size_t i = 0; i < space.parts.size(); ++i) {
        out += (i ? ", [" : "[") + key_json(space.keys[i]) + ", " + json(space.parts[i], value.parts()[i]) + "]";
      }
      return "{\"dict\": [" + out + "]}";
    }
    case Family::tuple: {
      std::string out;
      for (std::size_t i = 0; i < space.parts.size(); ++i) out += (i ? ", " : "") + json(space.parts[i], value.parts()[i]);
      return "{\"tuple\": [" + out + "]}";
    }
    case Family::sequence: return "{\"sequence\": " + list_json(space.parts[0], value.parts()) + "}";
    case Family::graph: {
      const Graph& graph = value.graph();
      const std::string edges = graph.edges ? list_json(space.parts[1], *graph.edges) : "null";
      const auto link = [](const std::array<std::int32_t, 2>& ends) {
        return "[" + std::to_string(ends[0]) + ", " + std::to_string(ends[1]) + "]";
      };
      const std::string links = graph.links ? joined(*graph.links, link) : "null";
      return "{\"graph\": {\"nodes\": " + list_json(space.parts[0], graph.nodes) + ", \"edges\": " + edges +
             ", \"edge_links\": " + links + "}}";
    }
    case Family::one_of:
      return "{\"one_of\": {\"index\": " + std::to_string(value.choice().index) + ", \"value\": " +
             json(space.parts[value.choice().index], value.choice().value[0]) + "}}";
    default: return "{\"array\": " + array_json(value.array()) + "}";
  }
}

std::string big_decimal(const Bytes& bytes) { return quoted("0x" + hex(bytes)); }

std::string json(const Dynamic& value) {
  const auto list = [](const std::vector<Dynamic>& elements) {
    return joined(elements, [](const Dynamic& element) { return json(element); });
  };
  switch (value.held.index()) {
    case 0: return "{\"null\": null}";
    case 1: return std::string("{\"bool\": ") + (*value.get<bool>() ? "true}" : "false}");
    case 2: return "{\"int\": " + quoted(std::to_string(*value.get<std::int64_t>())) + "}";
    case 3: return "{\"int\": " + big_decimal(value.get<Dynamic::BigInt>()->bytes) + "}";
    case 4: {
      std::uint8_t bytes[8];
      std::memcpy(bytes, value.get<double>(), 8);
      return "{\"float\": " + base64(ByteView(bytes, 8)) + "}";
    }
    case 5: return "{\"string\": " + quoted(*value.get<std::string>()) + "}";
    case 6: return "{\"bytes\": " + base64(*value.get<Bytes>()) + "}";
    case 7: {
      const auto& scalar = *value.get<Dynamic::Scalar>();
      return std::string("{\"scalar\": {\"dtype\": \"") + name_of(scalar.dtype) + "\", \"data\": " + base64(scalar.data) + "}}";
    }
    case 8: return "{\"tensor\": " + array_json(*value.get<Array>()) + "}";
    case 9: {
      const auto& objects = *value.get<Dynamic::Objects>();
      return "{\"object_array\": {\"shape\": " + shape_text(objects.shape) + ", \"elements\": " + list(objects.elements) + "}}";
    }
    case 10: return "{\"list\": " + list(value.get<Dynamic::List>()->elements) + "}";
    case 11: return "{\"tuple\": " + list(value.get<Dynamic::Tuple>()->elements) + "}";
    default:
      return "{\"map\": " + joined(value.get<Dynamic::Map>()->entries, [](const Dynamic::Entry& entry) {
               return "[" + json(entry.first) + ", " + json(entry.second) + "]";
             }) + "}";
  }
}

// The environments `count` and `drawn`.
class Count : public Env {
 public:
  explicit Count(bool is_drawn) : is_drawn_(is_drawn) {}
  Contract contract() override {
    Contract contract;
    contract.id = is_drawn_ ? "Drawn" : "Count";
    contract.observation_space = Space::discrete(100);
    contract.action_space = Space::discrete(3);
    if (is_drawn_) contract.render_mode = "ansi";
    return contract;
  }
  Start reset(std::optional<std::uint64_t> seed, const Dynamic::Map* options) override {
    const Dynamic* start = options != nullptr ? options->find("start") : nullptr;
    count_ = start != nullptr ? *start->get<std::int64_t>() : 0;
    Start result{Value::integer(count_), {}};
    if (seed && !is_drawn_) result.info.set("seed", static_cast<std::int64_t>(*seed));
    return result;
  }
  Step step(const Value& action) override {
    if (action.integer() == 2 && !is_drawn_) throw std::runtime_error("no such action");
    count_ += action.integer();
    Step result;
    result.observation = Value::integer(count_);
    result.reward = static_cast<double>(action.integer());
    result.terminated = count_ >= 3;
    return result;
  }
  bool renders() const override { return is_drawn_; }
  Dynamic render() override { return "count: " + std::to_string(count_); }

 private:
  bool is_drawn_;
  std::int64_t count_ = 0;
};

std::unique_ptr<EnvSessions> sessions;
std::map<int, EnvSessions::Connection> connections;

std::string hex(const Answer& answer) { return hex(answer != nullptr ? answer->view() : ByteView()); }

std::string answer(std::istringstream& line) {
  std::string command, first;
  line >> command >> first;
  if (command == "sessions") {
    sessions = std::make_unique<EnvSessions>(std::make_unique<Count>(first == "drawn"), ServeOptions());
    connections.clear();
    return "ok";
  }
  if (command == "receive") {
    std::string frame;
    line >> frame;
    EnvSessions::Connection& connection = connections[std::stoi(first)];
    connection.greeted = true;  // The transcripts begin after the hello, or are of gRPC.
    std::string out = "ok " + hex(sessions->receive(connection, unhex(frame), 0));
    for (auto& [number, one] : connections) out += one.ended ? " " + std::to_string(number) : "";
    return out;
  }
  if (command == "lost") {
    sessions->lost(connections[std::stoi(first)], 0);
    return "ok";
  }
  if (command == "stop") return "ok " + hex(sessions->stopping());
  const Bytes bytes = unhex(first);
  if (command == "space") return "ok " + hex(write_space(SpaceReader::read(bytes, "")).out);
  if (command == "dynamic") {
    const Dynamic value = DynamicReader().value(bytes, "");
    return "ok " + hex(write_dynamic(value).out) + " " + json(value);
  }
  const Space space = SpaceReader::read(bytes, "");
  std::string batch, slab;
  line >> batch;
  std::vector<Bytes> slabs;
  while (line >> slab) slabs.push_back(unhex(slab));
  std::vector<ByteView> views(slabs.begin(), slabs.end());
  const std::vector<Value> values = Decoder::batch(space, views, batch == "-" ? 1 : std::stoul(batch), "");
  bool conforms = true;
  for (const Value& value : values) conforms = conforms && !nonconformity(space, value);
  const Slabs encoded = batch == "-" ? Encoder::one(space, values[0], "") : Encoder::batch(space, values, "");
  const std::string text = batch == "-" ? json(space, values[0]) : "{\"batch\": " + list_json(space, values) + "}";
  std::string out = conforms ? "ok 1 " : "ok 0 ";
  out += base64(view_of(text));
  for (const Data& one : encoded) out += " " + hex(one);
  return out;
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    try {
      std::cout << answer(words) << std::endl;
    } catch (const rlmesh::Error& error) {
      std::cout << "error " << static_cast<unsigned>(error.code()) << " " << (error.path().empty() ? "." : error.path())
                << " " << error.message() << std::endl;
    }
  }
}
