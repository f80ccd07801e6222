// Serves CartPole: `serve_cartpole frames://127.0.0.1:5555 [TOKEN]`; prints its address when it listens.
#include <iostream>

#include "cartpole.hpp"

int main(int count, char** arguments) {
  rlmesh::ServeOptions options;
  if (count > 2) options.token = arguments[2];
  try {
    rlmesh::serve<CartPole>(count > 1 ? arguments[1] : "frames://127.0.0.1:5555", options,
                            [](const std::string& address) { std::cout << address << std::endl; });
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
