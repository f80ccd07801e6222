// Plays episodes of a served CartPole: `play ADDRESS SEED EPISODES [TOKEN]`; pushes to where the pole leans.
#include <iostream>

#include "rlmesh/frames.hpp"

int main(int count, char** arguments) {
  if (count < 4) {
    std::cerr << "usage: play ADDRESS SEED EPISODES [TOKEN]\n";
    return 2;
  }
  try {
    rlmesh::RemoteEnv env(arguments[1], count > 4 ? arguments[4] : "");
    const std::uint64_t first = std::stoull(arguments[2]), episodes = std::stoull(arguments[3]);
    for (std::uint64_t seed = first; seed < first + episodes; ++seed) {
      rlmesh::Value observation = env.reset(seed).observation;
      double total = 0;
      for (bool done = false; !done;) {
        const bool leans_right = observation.array().number(2) > 0;
        const rlmesh::Step step = env.step(rlmesh::Value::integer(leans_right ? 1 : 0));
        observation = step.observation;
        total += step.reward;
        done = step.terminated || step.truncated;
      }
      std::cout << "episode with seed " << seed << ": reward " << total << std::endl;
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
