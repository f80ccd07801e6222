// The reader of shared memory: `memory DESCRIPTOR` takes the server's end of a Unix socket, answers the first frame, and
// writes the next one to stdout; 3 if the peer has broken a rule.
#include <iostream>

#include "rlmesh/channel.hpp"

namespace {

using namespace rlmesh;
using detail::Channel;

Channel::Got next(Channel& channel) {
  for (;;) {
    const Channel::Got got = channel.read();
    if (got != Channel::Got::nothing) return got;
    pollfd watched{channel.stream().descriptor(), static_cast<short>(channel.is_sending() ? POLLOUT : POLLIN), 0};
    ::poll(&watched, 1, 20'000);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return 2;
  Channel channel(std::make_unique<detail::Stream>(std::stoi(arguments[1])), true);
  if (next(channel) != Channel::Got::frame || !channel.answer_offer(channel.frame())) return 3;
  if (next(channel) != Channel::Got::frame) return 3;
  const ByteView frame = channel.frame();
  std::cout.write(reinterpret_cast<const char*>(frame.data), static_cast<std::streamsize>(frame.size));
}
