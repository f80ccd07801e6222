// CartPole over TLS: `tls serve ADDRESS CERTIFICATE KEY`, or `tls play ADDRESS AUTHORITY`.
#include <iostream>

#include "../examples/cartpole.hpp"
#include "rlmesh/tls.hpp"

int main(int count, char** arguments) {
  if (count < 4) return 2;
  const std::string what = arguments[1], address = arguments[2];
  try {
    if (what == "serve") {
      const rlmesh::Tls tls = rlmesh::Tls::server(arguments[3], arguments[4]);
      rlmesh::serve(rlmesh::env_of<CartPole>(), address, {}, [](const std::string& where) { std::cout << where << std::endl; }, tls);
    } else {
      rlmesh::RemoteEnv env(address, "", rlmesh::Tls::client(arguments[3]));
      env.reset(1);
      std::cout << env.step(rlmesh::Value::integer(1)).reward << std::endl;
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
