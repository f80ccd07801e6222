// A client for `rlmesh check --client`: plays an episode of up to eight steps at the address that is its
// last argument, with the action 0 of a Discrete.
#include <iostream>

#include "rlmesh/frames.hpp"

int main(int count, char** arguments) {
  if (count < 2) return 2;
  try {
    rlmesh::RemoteEnv env(arguments[count - 1]);
    const rlmesh::Value action = rlmesh::Value::integer(0, env.contract().action_space.dtype);
    env.reset(1);
    for (int i = 0; i < 8; ++i) {
      const rlmesh::Step step = env.step(action);
      if (step.terminated || step.truncated) break;
    }
    env.close();
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
