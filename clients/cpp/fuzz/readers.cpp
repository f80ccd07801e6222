// libFuzzer's target of every reader: `clang++ -fsanitize=fuzzer,address,undefined fuzz/readers.cpp`. The first byte of
// an input chooses the reader, unless -DREADER=0 to 6 does.
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
    if (ByteView(encoded[i]).copy() != slabs[i].copy()) std::abort();  // V-13: the encoding is canonical.
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

// The frames of a connection, of which the first hands over a segment.
void channel(ByteView input) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) std::abort();
  detail::Channel theirs(std::make_unique<detail::Stream>(ends[0]), true), ours(std::make_unique<detail::Stream>(ends[1]), true);
  const std::uint8_t first = 1;
  theirs.offer(ByteView(&first, 1));
  if (ours.read() != detail::Channel::Got::frame || !ours.answer_offer(ours.frame())) std::abort();
  theirs.stream().write(input.data, input.size);
  ::shutdown(ends[0], SHUT_WR);
  std::uint64_t sum = 0;
  for (auto got = detail::Channel::Got::frame; got != detail::Channel::Got::end && got != detail::Channel::Got::too_long;) {
    got = ours.read(1'048'576);
    if (got != detail::Channel::Got::frame) continue;
    const ByteView frame = ours.frame();
    sum += frame.data[0] + std::uint64_t{frame.data[frame.size - 1]};
  }
  if (sum > 1'000'000'000) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
#ifdef READER
  const unsigned reader = READER;
  const ByteView input(data, size);
#else
  const unsigned reader = data[0] % 7;
  const ByteView input(data + 1, size - 1);
#endif
  try {
    switch (reader) {
      case 0: write_space(SpaceReader::read(input, "space")); break;
      case 1: write_dynamic(DynamicReader().value(input, "value")); break;
      case 2: value(input); break;
      case 3: server(input); break;
      case 4: client(input); break;
      case 5: channel(input); break;
      default: client_step(input);
    }
  } catch (const Error&) {
  }
  return 0;
}
