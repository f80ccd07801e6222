// Large values in both directions: `images serve ADDRESS BYTES` serves an environment whose observation is the action
// plus one, byte by byte; `images play ADDRESS STEPS copy|view` plays one, and prints "shared" or "sent" once every
// observation was right, and then "aligned" if each was at a multiple of 64 bytes.
#include <iostream>

#include "rlmesh/frames.hpp"

namespace {

using namespace rlmesh;

class PlusOne final : public Env {
 public:
  explicit PlusOne(std::uint64_t size) : size_(size) {}
  Contract contract() override {
    Contract contract;
    contract.id = "PlusOne";
    contract.observation_space = contract.action_space = Space::box<std::uint8_t>(0, 255, {size_});
    return contract;
  }
  Start reset(std::optional<std::uint64_t>, const Dynamic::Map*) override {
    return {Array(DType::uint8, {size_}, Bytes(size_)), {}};
  }
  Step step(const Value& action) override {
    Bytes bytes = ByteView(action.array().data).copy();
    for (std::uint8_t& byte : bytes) ++byte;
    Step result;
    result.observation = Array(DType::uint8, {size_}, std::move(bytes));
    return result;
  }

 private:
  std::uint64_t size_;
};

bool play(RemoteEnv& env, unsigned steps, bool& aligned) {
  env.reset();
  Bytes pattern(static_cast<std::size_t>(env.contract().action_space.shape.at(0)));
  for (unsigned step = 0; step < steps; ++step) {
    for (std::size_t i = 0; i < pattern.size(); ++i) pattern[i] = static_cast<std::uint8_t>(i * 31 + (i >> 12) + step);
    const Step result = env.step(Array(DType::uint8, {pattern.size()}, pattern));
    const Data& found = result.observation.array().data;
    aligned = aligned && reinterpret_cast<std::uintptr_t>(found.data()) % 64 == 0;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (found.begin()[i] != static_cast<std::uint8_t>(pattern[i] + 1)) return false;
    }
  }
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) return 2;
  const std::string what = arguments[1];
  try {
    if (what == "serve") {
      serve(std::make_unique<PlusOne>(std::stoul(arguments[3])), arguments[2], {}, [](const std::string& where) { std::cout << where << std::endl; });
      return 0;
    }
    RemoteEnv env(arguments[2]);
    env.view_observations(count > 4 && std::string(arguments[4]) == "view");
    bool aligned = true;
    if (!play(env, static_cast<unsigned>(std::stoul(arguments[3])), aligned)) return 3;
    std::cout << (env.shares_memory() ? "shared" : "sent") << (aligned ? " aligned" : "") << std::endl;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
