// Times steps for benchmarks/cpp.py: `steps ADDRESS COUNT`; a line on stdin is answered by the median
// in microseconds of COUNT steps.
#include <algorithm>
#include <iostream>

#include "rlmesh/frames.hpp"

int main(int count, char** arguments) {
  if (count < 3) return 2;
  rlmesh::RemoteEnv env(arguments[1]);
  const rlmesh::Value push = rlmesh::Value::integer(1);
  std::vector<double> spent(std::stoul(arguments[2]));
  env.reset(0);
  for (std::string line; std::getline(std::cin, line);) {
    for (double& one : spent) {
      const auto begun = std::chrono::steady_clock::now();
      const bool ended = env.step(push).terminated;
      one = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begun).count();
      if (ended) env.reset();
    }
    std::nth_element(spent.begin(), spent.begin() + static_cast<std::ptrdiff_t>(spent.size() / 2), spent.end());
    std::cout << spent[spent.size() / 2] << std::endl;
  }
}
