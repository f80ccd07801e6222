// Plays episodes of CartPole: `play_episodes ADDRESS [TOKEN]`; each line on stdin has a seed and a state, of which
// the server takes one. Each observation is a line on stdout.
#include <iostream>
#include <sstream>

#include "rlmesh/frames.hpp"

namespace {

void write(const rlmesh::Value& observation) {
  for (const auto byte : observation.array().data) {
    std::cout << "0123456789abcdef"[byte >> 4] << "0123456789abcdef"[byte & 15];
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return 2;
  try {
    rlmesh::RemoteEnv env(arguments[1], count > 2 ? arguments[2] : "");
    std::cout << std::boolalpha;
    for (std::string line; std::getline(std::cin, line);) {
      std::istringstream words(line);
      std::uint64_t seed = 0;
      words >> seed;
      rlmesh::Dynamic::List state;
      for (double number = 0; words >> number;) state.elements.emplace_back(number);
      rlmesh::Dynamic::Map options;
      options.set("state", rlmesh::Dynamic(state));
      write(env.reset(seed, &options).observation);
      std::cout << '\n';
      bool over = false;
      for (int steps = 0; !over; ++steps) {
        const rlmesh::Step step = env.step(rlmesh::Value::integer(steps % 2));
        write(step.observation);
        std::cout << ' ' << step.reward << ' ' << step.terminated << ' ' << step.truncated << '\n';
        over = step.terminated || step.truncated;
      }
    }
    env.close();
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
