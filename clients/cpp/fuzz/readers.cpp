// libFuzzer's target of every reader: `clang++ -fsanitize=fuzzer,address,undefined fuzz/readers.cpp`.
#include "../examples/cartpole.hpp"

namespace {

using namespace rlmesh;

// Reads a space, then a value of it from the rest, which is cut into slabs by lengths of 16 bits.
void value(ByteView input) {
  if (input.size < 2) return;
  const std::size_t size = std::min<std::size_t>(load<std::uint16_t>(input.data), input.size - 2);
  const Space space = SpaceReader::read(ByteView(input.data + 2, size), "space");
  std::vector<ByteView> slabs;
  for (std::size_t at = 2 + size; input.size - at >= 2;) {
    const std::size_t length = std::min<std::size_t>(load<std::uint16_t>(input.data + at), input.size - at - 2);
    slabs.emplace_back(input.data + at + 2, length);
    at += 2 + length;
  }
  const std::vector<Value> values = Decoder::batch(space, slabs, slabs.size() % 3, "value");
  const Slabs encoded = Encoder::batch(space, values, "value");
  for (std::size_t i = 0; i < slabs.size(); ++i) {
    if (encoded[i].bytes().copy() != slabs[i].copy()) std::abort();  // V-13: the encoding is canonical.
  }
  for (const Value& one : values) nonconformity(space, one);
}

// A stranger's messages: the first is the hello, the rest are requests.
void server(ByteView input) {
  EnvSessions sessions(env_of<CartPole>(), ServeOptions());
  EnvSessions::Connection connections[2];
  for (std::size_t at = 0; input.size - at >= 3;) {
    EnvSessions::Connection& connection = connections[input.data[at] & 1];
    if ((input.data[at] & 2) != 0) connection.greeted = true;
    const std::size_t length = std::min<std::size_t>(load<std::uint16_t>(input.data + at + 1), input.size - at - 3);
    sessions.receive(connection, ByteView(input.data + at + 3, length), 0);
    at += 3 + length;
  }
}

void client(ByteView input) {
  EnvClient client;
  client.opened(input);
}

void client_step(ByteView input) {
  EnvClient client;
  client.contract = CartPole().contract();
  client.ask_step(Value::integer(1));
  client.read_step(input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView input(data + 1, size - 1);
  try {
    switch (data[0] % 6) {
      case 0: write_space(SpaceReader::read(input, "space")); break;
      case 1: write_dynamic(DynamicReader().value(input, "value")); break;
      case 2: value(input); break;
      case 3: server(input); break;
      case 4: client(input); break;
      default: client_step(input);
    }
  } catch (const Error&) {
  }
  return 0;
}
